/** Placement without a look at the clusters: the nodes and storages that federation.yaml declares, empty. Pure. */
import type { Cluster, Federation } from "../config";
import { type FederationSnapshot, toInventory } from "../inventory";
import type { Inventory } from "../placement";

export function declaredInventory(federation: Federation, instantMs: number): Inventory {
  const clusters: FederationSnapshot["clusters"] = new Map(
    federation.clusters.map((cluster) => [cluster.id, { reachable: false, cluster, reason: whyNot(cluster) ?? "declared" }]),
  );
  const inventory = toInventory({ federation, clusters }, () => undefined, instantMs);
  return { ...inventory, clusters: inventory.clusters.map((facts, index) => asDeclared(facts, federation.clusters[index]!)) };
}

function asDeclared(facts: Inventory["clusters"][number], cluster: Cluster): Inventory["clusters"][number] {
  if (whyNot(cluster) !== undefined) return facts;
  const { unreachableReason: _, ...known } = facts;
  return {
    ...known,
    reachable: true,
    nodes: facts.nodes.map((node) => ({ ...node, online: true })),
    // Whether a declared storage is shared is not known: as a place per node it never promises one node another's room.
    storages: cluster.storage.backends.flatMap(({ name, capacityBytes = 0, availableBytes, performanceTier }) =>
      cluster.nodes.map((node) => ({
        storage: name,
        nodes: [node.name],
        shared: false,
        totalBytes: capacityBytes,
        usedBytes: Math.max(0, capacityBytes - (availableBytes ?? capacityBytes)),
        performanceTier,
      })),
    ),
  };
}

/** Why nothing can be put there. */
function whyNot({ id, status, connection }: Cluster): string | undefined {
  if (status === "lost") return `cluster ${id} is declared lost`;
  return connection === undefined ? `cluster ${id} has no connection in the federation file` : undefined;
}
