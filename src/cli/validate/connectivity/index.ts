/** All clusters at once: their endpoints, and what stands behind them. */
import { type Cluster, type CredentialEnvironment, type Federation, readCaFile } from "../../../config";
import type { ClusterClients } from "../../../inventory";
import type { AuditEntry } from "../../../providers/audit";
import { askClusters } from "../../ask-clusters";
import { describeFailure } from "../../failure";
import { type ClusterCheck, checkCluster } from "./check";
import { type EndpointProbe, measureRoundTrip, probeEndpoint, type RoundTrip } from "./endpoint";
import { directoryStorages } from "./needs";
import { checkPeers, type PeerCheck, peerFindings } from "./peers";
import { readLiveFacts } from "./read";
import { storeFindings } from "./stores";

export interface ConnectivityCheck {
  clusters: ClusterCheck[];
  peers: PeerCheck[];
}

/** @param moves on record, for what they have measured */
export async function checkConnectivity(
  federation: Federation,
  clients: ClusterClients,
  environment: CredentialEnvironment,
  moves: readonly AuditEntry[],
): Promise<ConnectivityCheck> {
  const { clusters } = federation;
  const roundTrips = await Promise.all(clusters.map(measureCluster));
  const [asked, probes] = await Promise.all([
    askClusters(clusters, clients, (api, cluster, options) => readLiveFacts(api, cluster, options, directoryStorages(federation, cluster))),
    Promise.all(clusters.map((cluster, index) => probeCluster(cluster, roundTrips[index]!, environment))),
  ]);
  const nowMs = Date.now();
  const checks = asked.map((answer, index) => checkCluster(federation, answer, probes[index]!, nowMs));
  const definitions = new Map(asked.flatMap((answer) => (answer.ok ? [[answer.cluster.id, answer.value.definitions] as const] : [])));
  const archives = new Map(asked.flatMap((answer) => (answer.ok ? [[answer.cluster.id, answer.value.archives] as const] : [])));
  const stores = storeFindings(federation, definitions, archives);
  const peers = checkPeers(federation, nearestOf(clusters, roundTrips), moves);
  const between = [...stores, ...peerFindings(federation, peers)];
  return {
    clusters: checks.map((check) => ({
      ...check,
      findings: [...check.findings, ...between.filter(({ cluster }) => cluster === check.id)],
    })),
    peers,
  };
}

function nearestOf(clusters: readonly Cluster[], roundTrips: readonly RoundTrip[][]): Map<string, number> {
  return new Map(
    clusters.flatMap(({ id }, index): [string, number][] => {
      const reached = roundTrips[index]!.flatMap((trip) => ("roundTripMs" in trip ? [trip.roundTripMs] : []));
      return reached.length === 0 ? [] : [[id, Math.min(...reached)]];
    }),
  );
}

/** In the order of its endpoints; none where the cluster is not to be contacted. */
async function measureCluster({ connection, status }: Cluster): Promise<RoundTrip[]> {
  if (connection === undefined || status === "lost") return [];
  return Promise.all(connection.apiUrls.map((url) => measureRoundTrip(url, { timeoutMs: connection.connectTimeoutMs })));
}

async function probeCluster(
  { connection }: Cluster,
  roundTrips: readonly RoundTrip[],
  environment: CredentialEnvironment,
): Promise<EndpointProbe[]> {
  if (connection === undefined || roundTrips.length === 0) return [];
  const { apiUrls, requestTimeoutMs, tls } = connection;
  let ca: string | undefined;
  try {
    ca = tls.caFile === undefined ? undefined : await readCaFile(tls.caFile, environment);
  } catch (error) {
    return apiUrls.map((url) => ({ url, reachable: false, reason: describeFailure(error).message }));
  }
  return Promise.all(apiUrls.map((url, index) => probeEndpoint(url, roundTrips[index]!, { timeoutMs: requestTimeoutMs, ca })));
}
