/** One look at every cluster: a single `/cluster/resources` call each, all in parallel. */
import type { Cluster, Federation, SecretSource } from "../config";
import type { GuestRow, NodeRow, StorageRow } from "../proxmox";
import { AuthenticationError, ConnectionError, OutcomeUnknownError, QuorumError, RequestTimeoutError } from "../proxmox";
import { type ClusterClients, NoConnectionError } from "./clients";
import { DeadlineError, withinDeadline } from "./deadline";

export type ClusterSnapshot = ReachableCluster | UnreachableCluster;

export interface ReachableCluster {
  reachable: true;
  cluster: Cluster;
  guests: GuestRow[];
  nodes: NodeRow[];
  storages: StorageRow[];
}

export interface UnreachableCluster {
  reachable: false;
  cluster: Cluster;
  /** One sentence. */
  reason: string;
}

export interface FederationSnapshot {
  federation: Federation;
  clusters: Map<string, ClusterSnapshot>;
}

export interface LookOptions {
  /** A cluster that hangs is given up when one call to it should have ended. Absent: its client asks again for a while. */
  somebodyWaits?: boolean;
}

/**
 * Looks at all clusters. One that cannot be reached is part of the answer; a wrong token, a wrong fingerprint or a
 * missing privilege is not: the error is thrown, since waiting would not mend it.
 */
export async function takeSnapshot(federation: Federation, clients: ClusterClients, look: LookOptions = {}): Promise<FederationSnapshot> {
  const snapshots = await Promise.all(federation.clusters.map((cluster) => lookAt(cluster, clients, look)));
  return { federation, clusters: new Map(snapshots.map((snapshot) => [snapshot.cluster.id, snapshot])) };
}

async function lookAt(cluster: Cluster, clients: ClusterClients, { somebodyWaits }: LookOptions): Promise<ClusterSnapshot> {
  try {
    const client = await clients.get(cluster);
    const rows = await (somebodyWaits ? withinDeadline(cluster, (options) => client.listResources(options)) : client.listResources());
    return {
      reachable: true,
      cluster,
      guests: rows.filter((row) => row.kind === "guest"),
      nodes: rows.filter((row) => row.kind === "node"),
      storages: rows.filter((row) => row.kind === "storage"),
    };
  } catch (error) {
    if (error instanceof AuthenticationError) throw new CredentialsRefusedError(cluster, error);
    if (error instanceof NoConnectionError || isOutage(error)) return { reachable: false, cluster, reason: error.message };
    throw error;
  }
}

/** Names the credential and where it comes from, never its value. */
export class CredentialsRefusedError extends Error {
  readonly code = "CREDENTIALS_REFUSED";

  constructor(cluster: Cluster, cause: AuthenticationError) {
    const source = cluster.connection?.credentials;
    const account = source?.kind === "token" ? `token ${source.tokenId}` : `user ${source?.username}`;
    const secret = source?.kind === "token" ? source.secret : source?.password;
    const origin = secret && originOf(secret);
    super(
      `Cluster ${cluster.id} refuses ${account}: ${cause.proxmoxMessage ?? cause.message} Check that it exists and has not expired, and its secret in ${origin}.`,
      { cause },
    );
  }
}

function originOf(secret: SecretSource): string {
  switch (secret.kind) {
    case "environment":
      return `environment variable ${secret.variable}`;
    case "file":
      return `file ${secret.path}`;
    case "pulumi":
      return `Pulumi configuration key ${secret.key}`;
    case "inline":
      return "the federation file";
  }
}

/** Errors that say "not now" rather than "not like this". */
export function isOutage(error: unknown): error is Error {
  return (
    error instanceof ConnectionError ||
    error instanceof DeadlineError ||
    error instanceof OutcomeUnknownError ||
    error instanceof RequestTimeoutError ||
    error instanceof QuorumError
  );
}

/** A guest of a snapshot with the cluster it is on. */
export interface LocatedGuest {
  cluster: string;
  row: GuestRow;
}

export function findGuestsByTag(snapshot: FederationSnapshot, tag: string): LocatedGuest[] {
  const found: LocatedGuest[] = [];
  for (const entry of snapshot.clusters.values()) {
    if (!entry.reachable) continue;
    for (const row of entry.guests) if (row.tags.includes(tag)) found.push({ cluster: entry.cluster.id, row });
  }
  return found;
}
