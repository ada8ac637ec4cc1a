/** `federate metrics`: the federation's state for Prometheus, on a port, into a file for node_exporter, or once. */
import { type Federation, replaceFile } from "../../config";
import type { ClusterClients } from "../../inventory";
import { auditFile, readAuditLog } from "../audit/log";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { CliIo } from "../io";
import { readStatus } from "../status/command";
import { interrupted, repeatUntilInterrupted } from "../until-interrupted";
import { withClients } from "../with-clients";
import { toRegistry } from "./collect";
import { type Address, parseAddress, serveMetrics } from "./serve";

export interface MetricsOptions {
  /** `host:port` to serve on. */
  listen?: string;
  /** File that is replaced as a whole. */
  textfile?: string;
  /** Seconds between two writings of the file; absent: once. */
  every?: number;
}

export async function metrics(file: string, options: MetricsOptions, io: CliIo): Promise<ExitCode> {
  const { listen, textfile, every } = options;
  if (listen !== undefined && textfile !== undefined)
    throw new UsageError("--listen and --textfile exclude each other: run two processes, or let Prometheus scrape one.");
  if (every !== undefined && textfile === undefined) throw new UsageError("--every says how often --textfile is written: name the file.");
  const address = listen === undefined ? undefined : parseAddress(listen);
  const { federation } = await loadWithWarnings(file, io);
  return withClients(file, io, async (clients) => {
    const log = auditFile(federation, file);
    const collect = () => collectText(federation, file, clients, log);
    if (address !== undefined) await serveUntilInterrupted(address, collect, io);
    else if (textfile === undefined) io.stdout.write(await collect());
    else if (every === undefined) await replaceFile(textfile, await collect());
    else await repeatUntilInterrupted(every * 1000, async () => replaceFile(textfile, await collect()));
    return EXIT.ok;
  });
}

async function collectText(federation: Federation, file: string, clients: ClusterClients, log: string | undefined): Promise<string> {
  const startMs = performance.now();
  const { report: status } = await readStatus(federation, file, clients);
  const scrapeSeconds = (performance.now() - startMs) / 1000;
  const moves = log === undefined ? undefined : { log: (await readAuditLog(log)).entries, paths: federation.migration.paths };
  return toRegistry({ status, scrapeSeconds, moves }).metrics();
}

async function serveUntilInterrupted(address: Address, collect: () => Promise<string>, io: CliIo): Promise<void> {
  const server = await serveMetrics(address, collect, (message) => io.stderr.write(`error: ${message}\n`));
  io.stderr.write(`serving ${server.url}\n`);
  await interrupted();
  await server.close();
}
