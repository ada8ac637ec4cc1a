import { type PlacementPlan, placeMany } from "../many/place-many";
import type { ClusterFacts, Inventory, NodeFacts, PlacementRequest } from "../model";
import { buildWorld } from "../world";

/** Something that might happen to the federation. */
export type Change =
  /** A node is gone with what ran on it; its guests have to be restarted or restored elsewhere. */
  | { kind: "lose-node"; cluster: string; node: string }
  | { kind: "drain-node"; cluster: string; node: string }
  | { kind: "lose-cluster"; cluster: string }
  | { kind: "drain-cluster"; cluster: string }
  | { kind: "add-nodes"; cluster: string; nodes: NodeFacts[] }
  /** Further guests, as they are expected. */
  | { kind: "grow"; requests: PlacementRequest[] };

export interface WhatIf {
  plan: PlacementPlan;
  inventory: Inventory;
  /** How full each cluster is before and after, in thousandths of what may be allocated. */
  clusters: { cluster: string; before: Fullness; after: Fullness }[];
}

export interface Fullness {
  cpuPermille: number;
  memoryPermille: number;
}

/**
 * What the plan would be if the changes happened: the same function decides as in earnest.
 *
 * @throws RangeError when a change names a cluster or node that does not exist
 */
export function whatIf(changes: readonly Change[], requests: readonly PlacementRequest[], inventory: Inventory): WhatIf {
  const changed = changes.reduce(withChange, inventory);
  const grown = changes.flatMap((change) => (change.kind === "grow" ? change.requests : []));
  const all = [...requests, ...grown];
  const plan = placeMany(all, changed);
  const promised = all.flatMap((request, index) => {
    const placement = plan.decisions[index]?.placement;
    return placement === undefined ? [] : [{ request, placement }];
  });
  const before = new Map(fullness(inventory, []));
  const clusters = fullness(changed, promised).map(([cluster, after]) => ({
    cluster,
    before: before.get(cluster) ?? { cpuPermille: 0, memoryPermille: 0 },
    after,
  }));
  return { plan, inventory: changed, clusters };
}

/** The inventory as it would be; the given one is not changed. */
export function withChange(inventory: Inventory, change: Change): Inventory {
  if (change.kind === "grow") return inventory;
  const { cluster: id } = change;
  if (!inventory.clusters.some((cluster) => cluster.id === id)) throw new RangeError(`there is no cluster ${id}`);
  const clusters = inventory.clusters.map((cluster) => (cluster.id === id ? changedCluster(cluster, change) : cluster));
  return { ...inventory, clusters };
}

function changedCluster(cluster: ClusterFacts, change: Exclude<Change, { kind: "grow" }>): ClusterFacts {
  switch (change.kind) {
    case "lose-cluster":
      return { ...cluster, status: "lost", reachable: false, nodes: [] };
    case "drain-cluster":
      return { ...cluster, status: "draining" };
    case "add-nodes":
      return addNodes(cluster, change.nodes);
    case "lose-node":
      requireNode(cluster, change.node);
      return { ...cluster, nodes: cluster.nodes.filter(({ name }) => name !== change.node) };
    case "drain-node":
      requireNode(cluster, change.node);
      return { ...cluster, nodes: cluster.nodes.map((node) => (node.name === change.node ? { ...node, status: "draining" } : node)) };
  }
}

/** New nodes see the shared storages of their cluster. */
function addNodes(cluster: ClusterFacts, nodes: readonly NodeFacts[]): ClusterFacts {
  const names = nodes.map(({ name }) => name);
  const storages = cluster.storages.map((storage) => (storage.shared ? { ...storage, nodes: [...storage.nodes, ...names] } : storage));
  return { ...cluster, nodes: [...cluster.nodes, ...nodes], storages };
}

function requireNode(cluster: ClusterFacts, name: string): void {
  if (!cluster.nodes.some((node) => node.name === name)) throw new RangeError(`cluster ${cluster.id} has no node ${name}`);
}

function fullness(inventory: Inventory, promised: Parameters<typeof buildWorld>[1]): [string, Fullness][] {
  return buildWorld(inventory, promised).clusters.map(({ facts, nodes }) => {
    const sum = (amount: (node: (typeof nodes)[number]) => number) => nodes.reduce((total, node) => total + amount(node), 0);
    const permille = (used: number, capacity: number) => (capacity === 0 ? 0 : Math.round((used * 1000) / capacity));
    return [
      facts.id,
      {
        cpuPermille: permille(
          sum((node) => node.cpuAllocatedMilli),
          sum((node) => node.cpuCapacityMilli),
        ),
        memoryPermille: permille(
          sum((node) => node.memoryAllocatedMiB),
          sum((node) => node.memoryCapacityMiB),
        ),
      },
    ];
  });
}
