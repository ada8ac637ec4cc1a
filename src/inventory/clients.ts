/** Clients for the clusters of a federation: one per cluster, made on first use. */
import type { Cluster, Connection, CredentialEnvironment, Credentials } from "../config";
import { readCaFile, resolveCredentials } from "../config";
import { createProxmoxClient, type ProxmoxApi } from "../proxmox";

export interface ClusterClients {
  /** The cluster's client. Rejects when no connection is declared, the cluster is lost or a credential is missing. */
  get(cluster: Cluster): Promise<ProxmoxApi>;
  close(): Promise<void>;
}

export class NoConnectionError extends Error {
  readonly code = "NO_CONNECTION";
}

export function createClusterClients(environment: CredentialEnvironment): ClusterClients {
  const clients = new Map<string, Promise<ProxmoxApi>>();
  return {
    get(cluster) {
      const known = clients.get(cluster.id);
      if (known) return known;
      const made = connect(cluster, environment);
      clients.set(cluster.id, made);
      return made;
    },
    async close() {
      for (const client of await Promise.allSettled(clients.values())) if (client.status === "fulfilled") await client.value.close();
      clients.clear();
    },
  };
}

async function connect(cluster: Cluster, environment: CredentialEnvironment): Promise<ProxmoxApi> {
  if (cluster.status === "lost") throw new NoConnectionError(`cluster ${cluster.id} is declared lost and is not contacted`);
  const { connection } = cluster;
  if (!connection) throw new NoConnectionError(`cluster ${cluster.id} has no connection: add clusters[].connection to federation.yaml`);
  return connectAs(cluster.id, connection, await resolveCredentials(cluster, environment), environment);
}

/** A client of one's own, with these credentials whatever the file names; the caller closes it. */
export async function connectAs(
  clusterId: string,
  connection: Connection,
  credentials: Credentials,
  environment: CredentialEnvironment,
): Promise<ProxmoxApi> {
  const ca = connection.tls.caFile === undefined ? undefined : await readCaFile(connection.tls.caFile, environment);
  return createProxmoxClient({
    clusterId,
    endpoints: connection.apiUrls,
    credentials,
    tls: { fingerprint: connection.tls.fingerprint, ca, verify: connection.tls.verify },
    connectTimeoutMs: connection.connectTimeoutMs,
    requestTimeoutMs: connection.requestTimeoutMs,
  });
}
