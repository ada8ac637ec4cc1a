/** `federate status`: the clusters as they are now. */
import type { Federation } from "../../config";
import type { ClusterClients } from "../../inventory";
import { type Asked, askClusters } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import { repeatUntilInterrupted } from "../until-interrupted";
import { withClients } from "../with-clients";
import { backedUpPools, copiedPools } from "./backups";
import { type ClusterReading, readCluster } from "./read";
import { readRecords } from "./records";
import { type StatusReport, statusExitCode, toStatusReport } from "./report";
import { statusText } from "./text";

export interface StatusOptions {
  format: Format;
  /** Seconds between two looks; `true`: the default. Absent: one look. */
  watch?: number | true;
}

const DEFAULT_WATCH_SECONDS = 5;
/** Cursor home and the rest of the screen empty: what was there does not flicker. */
const REDRAW = "\u001b[H\u001b[J";

export async function status(file: string, { format, watch }: StatusOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  return withClients(file, io, async (clients) => {
    const look = async () => {
      const { report, asked } = await readStatus(federation, file, clients);
      if (watch !== undefined && format === "text" && io.stdout.isTTY === true) io.stdout.write(REDRAW);
      writeResult(io.stdout, format, report, () => statusText(report, Date.now() / 1000, painterFor(io.stdout)));
      return statusExitCode(report, asked);
    };
    let exitCode: ExitCode = EXIT.ok;
    if (watch === undefined) return await look();
    await repeatUntilInterrupted((watch === true ? DEFAULT_WATCH_SECONDS : watch) * 1000, async () => {
      exitCode = await look();
    });
    return exitCode;
  });
}

/** One look at all clusters. */
export async function readStatus(
  federation: Federation,
  file: string,
  clients: ClusterClients,
): Promise<{ report: StatusReport; asked: Asked<ClusterReading>[] }> {
  const [asked, records] = await Promise.all([
    askClusters(federation.clusters, clients, (api, cluster, options) =>
      readCluster(api, { own: backedUpPools(federation, cluster), copied: copiedPools(federation, cluster) }, options),
    ),
    readRecords(federation, file, Date.now()),
  ]);
  return { report: toStatusReport(federation, asked, records), asked };
}
