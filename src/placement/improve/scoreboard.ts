import { type Ask, askFor } from "../ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../filters";
import type { PlacementRequest } from "../model";
import { concernsGuests } from "../rules";
import { scoreNode } from "../scores";
import { type NodeState, remove, restore, type World } from "../world";

/** What the layout is worth: the sum of what each guest of ours scores where it is, by its pool's strategy, all others in place. */
export function totalScore(
  requests: ReadonlyMap<string, PlacementRequest>,
  world: World,
  nodes: Iterable<NodeState> = allNodes(world),
): number {
  let total = 0;
  for (const node of nodes) {
    const keys = node.occupants.flatMap(({ key }) => (key !== undefined && requests.has(key) ? [key] : []));
    for (const key of keys) total += withoutGuest(requests.get(key)!, node, world, (ask) => scoreNode(ask, node).score);
  }
  return total;
}

/** Asks something about a guest in the world without it. */
export function withoutGuest<Answer>(request: PlacementRequest, node: NodeState, world: World, question: (ask: Ask) => Answer): Answer {
  const self = remove(world, request.key, { cluster: node.cluster.facts.id, node: node.facts.name });
  const answer = question(askFor(request, world));
  if (self !== undefined) restore(world, [self]);
  return answer;
}

export function fitsOn(ask: Ask, node: NodeState): boolean {
  return (
    CLUSTER_FILTERS.every((filter) => filter.check(ask, node.cluster).length === 0) &&
    NODE_FILTERS.every((filter) => filter.check(ask, node).length === 0)
  );
}

/** Nodes whose guests may score differently after a move between the two. */
export function affectedNodes(from: NodeState, to: NodeState, areGuestsPreferred: boolean): Set<NodeState> {
  // Disks that move change how full storages are, which all their users see; so do wishes about who is in the cluster.
  if (from.cluster !== to.cluster || areGuestsPreferred) return new Set([...from.cluster.nodes, ...to.cluster.nodes]);
  return new Set([from, to]);
}

/** Whether any of the requests would like to be with, or away from, other guests. */
export function havePreferredGuests(requests: Iterable<PlacementRequest>, world: World): boolean {
  for (const request of requests) {
    if (askFor(request, world).rules.soft.some(({ rule }) => concernsGuests(rule, world.placeTags))) return true;
  }
  return false;
}

function allNodes(world: World): NodeState[] {
  return world.clusters.flatMap(({ nodes }) => nodes);
}
