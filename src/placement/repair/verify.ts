import { type Ask, askFor } from "../ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../filters";
import { storageSpace } from "../filters/storage-space";
import type { Placement, PlacementRequest } from "../model";
import { stayInWorld } from "../place-one";
import { type NodeState, occupy, remove, restore, type World } from "../world";

export interface Placed {
  request: PlacementRequest;
  placement: Placement;
  /** It stays although a rule forbids it: the rule is known to be broken, and only others are held to theirs. */
  isUnplaced: boolean;
}

/**
 * Whether a joint placement obeys every rule, by the same filters that decide on a single guest: each guest as if it came
 * last. The subjects must not be in the world; they are in it afterwards, so a world serves for one question.
 *
 * Returns what is wrong first, in words.
 */
export function findBreach(subjects: readonly Placed[], world: World): string | undefined {
  for (const subject of subjects) {
    const { request, placement } = subject;
    const node = nodeAt(world, placement);
    const lack = node === undefined ? [] : storageSpace.check(askFor(request, world), node);
    if (isNewAt(subject) && lack[0] !== undefined) return `${request.name}: ${lack[0].text}`;
    // Rules between guests bind both ways; here each guest's own side is asked, once everybody is in place.
    occupy(world, request, placement, []);
  }
  for (const subject of subjects) {
    if (subject.isUnplaced) continue;
    const { request, placement } = subject;
    const self = remove(world, request.key, placement);
    const breach = breachOf(askFor(request, world), placement);
    // Who was there before is not to blame for one that stays against a rule.
    const isExcused = breach !== undefined && !isNewAt(subject) && isSoundWithout(subject, subjects, world);
    if (self !== undefined) restore(world, [self]);
    if (breach !== undefined && !isExcused) return `${request.name}: ${breach}`;
  }
  return undefined;
}

function isNewAt({ request, placement }: Placed): boolean {
  return request.prior?.cluster !== placement.cluster || request.prior.node !== placement.node;
}

function isSoundWithout({ request, placement }: Placed, subjects: readonly Placed[], world: World): boolean {
  const unplaced = subjects.filter(({ isUnplaced }) => isUnplaced);
  const removed = unplaced.flatMap((other) => remove(world, other.request.key, other.placement) ?? []);
  const isSound = breachOf(askFor(request, world), placement) === undefined;
  restore(world, removed);
  return isSound;
}

function breachOf(ask: Ask, placement: Placement): string | undefined {
  const { request, world } = ask;
  const cluster = world.clusterById.get(placement.cluster);
  if (cluster !== undefined && !cluster.facts.reachable && cluster.facts.status !== "lost") {
    return stayInWorld(request, world).result === undefined ? `${placement.cluster} does not answer` : undefined;
  }
  const node = nodeAt(world, placement);
  if (cluster === undefined || node === undefined) return `${placement.cluster}/${placement.node} does not exist`;
  for (const filter of CLUSTER_FILTERS) {
    const [first] = filter.check(ask, cluster);
    if (first !== undefined) return first.text;
  }
  for (const filter of NODE_FILTERS) {
    const [first] = filter === storageSpace ? [] : filter.check(ask, node);
    if (first !== undefined) return first.text;
  }
  return undefined;
}

function nodeAt(world: World, { cluster, node }: Placement): NodeState | undefined {
  return world.clusterById.get(cluster)?.nodeByName.get(node);
}
