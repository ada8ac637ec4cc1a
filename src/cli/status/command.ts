/** `federate status`: the clusters as they are now. */
import { createClusterClients } from "../../inventory";
import { askClusters } from "../ask-clusters";
import { credentialEnvironment, loadWithWarnings } from "../context";
import type { ExitCode } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import { readCluster } from "./read";
import { statusExitCode, toStatusReport } from "./report";
import { statusText } from "./text";

export async function status(file: string, { format }: { format: Format }, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const clients = createClusterClients(credentialEnvironment(file, io));
  try {
    const asked = await askClusters(federation.clusters, clients, (api, _cluster, options) => readCluster(api, options));
    const report = toStatusReport(federation, asked);
    writeResult(io.stdout, format, report, () => statusText(report, Date.now() / 1000, painterFor(io.stdout)));
    return statusExitCode(report, asked);
  } finally {
    await clients.close();
  }
}
