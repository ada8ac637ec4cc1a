import type { PlacementRequest } from "../model";
import { compareText } from "../order";
import { scoreNode } from "../scores";
import { cpuMilli, type NodeState, type World } from "../world";
import { type Candidate, isOpen, usePermille } from "./candidates";
import { fitsOn, withoutGuest } from "./scoreboard";

/** Two guests that would change places. */
export type Exchange = readonly [Candidate, Candidate];

/** Pairs of guests that are looked at, those of the fullest and the emptiest nodes first. */
const MOST_PAIRS = 2_000;

/**
 * Pairs of guests that would be better off in each other's place, the most gain first. They are for clusters so full that
 * nobody fits anywhere else: where one guest can simply move, that is found before.
 */
export function listExchanges(movable: ReadonlyMap<string, PlacementRequest>, world: World, crossesClusters: boolean): Exchange[] {
  const found: Exchange[] = [];
  let pairs = 0;
  for (const [full, empty] of nodePairs(world, crossesClusters)) {
    for (const left of guestsOn(full, movable)) {
      for (const right of guestsOn(empty, movable)) {
        if (isAlike(left, right)) continue;
        if (pairs++ === MOST_PAIRS) return sorted(found);
        const exchange = exchangeOf(left, full, right, empty, world);
        if (exchange !== undefined) found.push(exchange);
      }
    }
  }
  return sorted(found);
}

/** Each two nodes once, the pair that differs most in how full it is first. */
function nodePairs(world: World, crossesClusters: boolean): [NodeState, NodeState][] {
  const nodes = world.clusters.flatMap((cluster) => cluster.nodes).filter(isOpen);
  const ranked = nodes.map((node) => ({ node, use: usePermille(node) }));
  ranked.sort((left, right) => right.use - left.use || compareText(left.node.key, right.node.key));
  const pairs = ranked.flatMap((full, index) =>
    ranked
      .slice(index + 1)
      .filter(({ node }) => crossesClusters || node.cluster === full.node.cluster)
      .map((empty) => ({ nodes: [full.node, empty.node] as [NodeState, NodeState], difference: full.use - empty.use })),
  );
  // Sorting is stable: equal differences stay in the order of the nodes.
  return pairs.sort((left, right) => right.difference - left.difference).map(({ nodes: pair }) => pair);
}

function guestsOn(node: NodeState, movable: ReadonlyMap<string, PlacementRequest>): PlacementRequest[] {
  const guests = node.occupants.flatMap(({ key }) => (key === undefined ? [] : (movable.get(key) ?? [])));
  return guests.sort((left, right) => compareText(left.key, right.key));
}

/** Nothing changes when two of the same size and pool change places. */
function isAlike(left: PlacementRequest, right: PlacementRequest): boolean {
  return left.cores === right.cores && left.memoryMiB === right.memoryMiB && left.pool?.name === right.pool?.name;
}

function exchangeOf(
  left: PlacementRequest,
  full: NodeState,
  right: PlacementRequest,
  empty: NodeState,
  world: World,
): Exchange | undefined {
  const own = withoutGuest(left, full, world, (first) =>
    withoutGuest(right, empty, world, (second) => {
      if (!fitsOn(first, empty) || !fitsOn(second, full)) return undefined;
      const before = scoreNode(first, full).score + scoreNode(second, empty).score;
      return scoreNode(first, empty).score + scoreNode(second, full).score - before;
    }),
  );
  if (own === undefined) return undefined;
  const estimate = own + relief(full, left, right) + relief(empty, right, left);
  if (estimate <= 0) return undefined;
  return [
    { request: left, from: full, to: empty, estimate },
    { request: right, from: empty, to: full, estimate },
  ];
}

/** Roughly what the others on a node gain when one guest goes and the other comes: a point for each thousandth. */
function relief(node: NodeState, leaving: PlacementRequest, coming: PlacementRequest): number {
  const after = usePermille(node, cpuMilli(coming.cores) - cpuMilli(leaving.cores), coming.memoryMiB - leaving.memoryMiB);
  return (node.occupants.length - 1) * (usePermille(node) - after);
}

function sorted(exchanges: Exchange[]): Exchange[] {
  return exchanges.sort(
    ([left, withLeft], [right, withRight]) =>
      right.estimate - left.estimate ||
      compareText(left.request.key, right.request.key) ||
      compareText(withLeft.request.key, withRight.request.key),
  );
}
