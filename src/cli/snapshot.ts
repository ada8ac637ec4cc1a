/** From what each cluster answered to the snapshot placement's inventory is made of. Pure, but for {@link readRows}. */
import type { Cluster, Federation } from "../config";
import type { ClusterSnapshot, FederationSnapshot } from "../inventory";
import type { CallOptions, GuestRow, NodeRow, ProxmoxApi, StorageRow } from "../proxmox";
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
