import { bytesToMove, type Decision } from "../many/placement-run";
import type { Inventory, PlacementRequest } from "../model";
import { compareText } from "../order";
import { buildWorld, type NodeState, type World } from "../world";

/** A part of the federation whose guests are decided together. */
export interface Scope {
  /** Keys of the guests that may be moved or placed. */
  keys: ReadonlySet<string>;
  /** Keys of nodes, `cluster/node`. */
  nodes: ReadonlySet<string>;
  /** True when there is nothing else. */
  isWhole: boolean;
}

/** Up to this size a federation is searched as a whole. */
const WHOLE_NODES = 16;
const WHOLE_GUESTS = 400;
/** Parts of a larger one: nodes looked at for one guest in trouble, and how many guests in trouble get that look. */
const PART_NODES = 8;
const MOST_PARTS = 32;

/** Where a plan leaves something to be desired: guests without a place, or moved between clusters. */
export function scopesOf(requests: readonly PlacementRequest[], decisions: readonly Decision[], inventory: Inventory): Scope[] {
  if (!decisions.some(({ outcome }) => outcome === "rejected" || outcome === "moved")) return [];
  const world = buildWorld(inventory, []);
  const nodes = world.clusters.flatMap((cluster) => cluster.nodes);
  const movable = requests.filter((request) => isMovable(request, world));
  if (nodes.length <= WHOLE_NODES && movable.length <= WHOLE_GUESTS) {
    return [{ keys: keysOf(movable), nodes: keysOf(nodes), isWhole: true }];
  }
  const byKey = new Map(movable.map((request) => [request.key, request]));
  const inTrouble = decisions
    .filter(({ key, outcome, moveBytes }) => byKey.has(key) && (outcome === "rejected" || (moveBytes ?? 0) > 0))
    .map(({ key, placement }) => ({ request: byKey.get(key)!, planned: placement }));
  inTrouble.sort(
    (left, right) => bytesToMove(right.request) - bytesToMove(left.request) || compareText(left.request.key, right.request.key),
  );
  return inTrouble.slice(0, MOST_PARTS).map(({ request, planned }) => partFor(request, planned, nodes, movable));
}

/** The federation as one part, whatever its size. */
export function wholeScope(requests: readonly PlacementRequest[], inventory: Inventory): Scope {
  const world = buildWorld(inventory, []);
  const nodes = world.clusters.flatMap((cluster) => cluster.nodes);
  return { keys: keysOf(requests.filter((request) => isMovable(request, world))), nodes: keysOf(nodes), isWhole: true };
}

/** The guest's own node, the planned one, and those with the most room, its own cluster first. */
function partFor(
  request: PlacementRequest,
  planned: Decision["placement"],
  nodes: readonly NodeState[],
  movable: readonly PlacementRequest[],
): Scope {
  const own = request.prior?.cluster;
  const usable = nodes.filter(({ facts, cluster }) => facts.online && facts.status === "active" && cluster.facts.status === "active");
  const inPool = usable.filter(({ cluster }) => request.pool?.clusters.includes(cluster.facts.id) ?? true);
  const room = ({ memoryCapacityMiB, memoryAllocatedMiB }: NodeState) => memoryCapacityMiB - memoryAllocatedMiB;
  const isOwn = ({ cluster }: NodeState) => Number(cluster.facts.id === own);
  const ranked = [...inPool].sort(
    (left, right) => isOwn(right) - isOwn(left) || room(right) - room(left) || compareText(left.key, right.key),
  );
  const chosen = new Set(ranked.slice(0, PART_NODES).map(({ key }) => key));
  for (const place of [request.prior, planned]) if (place !== undefined) chosen.add(`${place.cluster}/${place.node}`);
  const there = movable.filter(({ prior }) => prior !== undefined && chosen.has(`${prior.cluster}/${prior.node}`));
  return { keys: keysOf([request, ...there]), nodes: chosen, isWhole: false };
}

/** Guests that are not known to be elsewhere than where they are said to be, on nodes from which something can be moved. */
export function isMovable({ key, prior }: PlacementRequest, world: World): boolean {
  if (prior === undefined) return true;
  const cluster = world.clusterById.get(prior.cluster);
  if (cluster === undefined) return true;
  if (!cluster.facts.reachable) return cluster.facts.status === "lost";
  const live = world.liveByKey.get(key) ?? [];
  return live.length === 1 && live[0]!.cluster === prior.cluster && live[0]!.node === prior.node;
}

function keysOf(all: readonly { key: string }[]): Set<string> {
  return new Set(all.map(({ key }) => key));
}
