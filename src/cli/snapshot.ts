/** From what each cluster answered to the snapshot placement's inventory is made of. And the calls behind it. */
import type { Cluster, Federation } from "../config";
import type { ClusterSnapshot, FederationSnapshot } from "../inventory";
import type { CallOptions, GuestRow, NodeRow, Permissions, ProxmoxApi, StorageRow } from "../proxmox";
import type { Asked } from "./ask-clusters";

export interface ClusterRows {
  guests: GuestRow[];
  nodes: NodeRow[];
  storages: StorageRow[];
}

/** One call for everything a cluster holds. */
export async function readRows(api: ProxmoxApi, options: CallOptions): Promise<ClusterRows> {
  const rows = await api.listResources(options);
  return {
    guests: rows.filter((row) => row.kind === "guest"),
    nodes: rows.filter((row) => row.kind === "node"),
    storages: rows.filter((row) => row.kind === "storage"),
  };
}

/** The same, and certain that the guests are among it. */
export async function readVisibleRows(api: ProxmoxApi, options: CallOptions): Promise<ClusterRows> {
  const [permissions, rows] = await Promise.all([api.getPermissions(options), readRows(api, options)]);
  // Proxmox leaves out what the token may not see: without this an empty answer would look like an empty cluster.
  if (!seesGuests(permissions)) throw new BlindTokenError(api.clusterId);
  return rows;
}

/** The credentials work, and show nothing. */
export class BlindTokenError extends Error {
  readonly code = "PERMISSION";

  constructor(cluster: string) {
    super(
      `Cluster ${cluster} shows these credentials no guests: they lack VM.Audit on /vms and on every pool. Grant them the privileges of docs/privileges.md.`,
    );
  }
}

function seesGuests(permissions: Permissions): boolean {
  return Object.entries(permissions).some(
    ([path, privileges]) => /^\/(?:$|vms(?:\/|$)|pool\/)/.test(path) && privileges["VM.Audit"] !== undefined,
  );
}

export function toSnapshot(federation: Federation, asked: readonly Asked<ClusterRows>[]): FederationSnapshot {
  return { federation, clusters: new Map(asked.map((answer) => [answer.cluster.id, toClusterSnapshot(answer)])) };
}

function toClusterSnapshot(answer: Asked<ClusterRows>): ClusterSnapshot {
  const { cluster } = answer;
  return answer.ok ? reachable(cluster, answer.value) : { reachable: false, cluster, reason: answer.reason };
}

function reachable(cluster: Cluster, { guests, nodes, storages }: ClusterRows): ClusterSnapshot {
  return { reachable: true, cluster, guests, nodes, storages };
}
