import type { Placement, PlacementRequest } from "./model";
import { loadOf } from "./node-state";
import { addToPool } from "./pool-use";
import { addToStorage, heldAt, type NodeState, refuseTags, remove, restore, storageNeeds, type World } from "./world";

/**
 * Looks at the world as it would be had this request, which `occupy` has put there, never come. Afterwards the world is what
 * it was, to the order of the guests of a node, which texts follow. Not for worlds that have to survive losses: those know
 * more about a guest than can be taken back.
 */
export function withoutPromise<Result>(world: World, request: PlacementRequest, placement: Placement, look: () => Result): Result {
  const node = world.clusterById.get(placement.cluster)?.nodeByName.get(placement.node);
  if (node === undefined) return withoutPoolShare(world, request, look);
  const needs = storageNeeds(request, placement.storages, heldAt(request, world.liveByKey.get(request.key) ?? [], node), node);
  const position = node.occupants.findIndex(({ key }) => key === request.key);
  const withdrawn = remove(world, request.key, placement);
  const guards = node.cluster.guarded;
  const own = guards.filter(({ guest }) => guest.key === request.key);
  for (const [storage, bytes] of needs) addToStorage(storage, -bytes);
  node.cluster.guarded = own.length === 0 ? guards : guards.filter((guard) => !own.includes(guard));
  for (const guard of own) refuseTags(guard, -1);
  try {
    return look();
  } finally {
    for (const guard of own) refuseTags(guard, 1);
    node.cluster.guarded = guards;
    for (const [storage, bytes] of needs) addToStorage(storage, bytes);
    if (withdrawn !== undefined) {
      restore(world, [withdrawn]);
      moveLastTo(node, position);
    }
  }
}

/** A guest whose place is not in the world (its cluster does not answer) counts in its pool only. */
function withoutPoolShare<Result>(world: World, request: PlacementRequest, look: () => Result): Result {
  const load = loadOf(request);
  addToPool(world, load, -1);
  try {
    return look();
  } finally {
    addToPool(world, load, 1);
  }
}

function moveLastTo({ occupants }: NodeState, position: number): void {
  const last = occupants.pop();
  if (last !== undefined) occupants.splice(position, 0, last);
}
