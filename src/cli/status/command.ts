/** `federate status`: the clusters as they are now. */
import type { Federation } from "../../config";
import { type ClusterClients, createClusterClients } from "../../inventory";
import { type Asked, askClusters } from "../ask-clusters";
import { credentialEnvironment, loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import { repeatUntilInterrupted } from "../until-interrupted";
import { backedUpPools } from "./backups";
import { type ClusterReading, readCluster } from "./read";
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
  const clients = createClusterClients(credentialEnvironment(file, io));
  const look = async () => {
    const { report, asked } = await readStatus(federation, clients);
    if (watch !== undefined && format === "text" && io.stdout.isTTY === true) io.stdout.write(REDRAW);
    writeResult(io.stdout, format, report, () => statusText(report, Date.now() / 1000, painterFor(io.stdout)));
    return statusExitCode(report, asked);
  };
  try {
    let exitCode: ExitCode = EXIT.ok;
    if (watch === undefined) return await look();
    await repeatUntilInterrupted((watch === true ? DEFAULT_WATCH_SECONDS : watch) * 1000, async () => {
      exitCode = await look();
    });
    return exitCode;
  } finally {
    await clients.close();
  }
}

/** One look at all clusters. */
export async function readStatus(
  federation: Federation,
  clients: ClusterClients,
): Promise<{ report: StatusReport; asked: Asked<ClusterReading>[] }> {
  const asked = await askClusters(federation.clusters, clients, (api, cluster, options) =>
    readCluster(api, backedUpPools(federation, cluster), options),
  );
  return { report: toStatusReport(federation, asked), asked };
}
