import type { Placement, PlacementRequest } from "./model";
import { type RuleSets, ruleSets } from "./rules";
import { activeAt } from "./time";
import type { ClusterState, Held, NodeState, World } from "./world";

/** One decision to be made: the request, the world without it, and what it holds already. */
export interface Ask {
  request: PlacementRequest;
  world: World;
  rules: RuleSets;
  /** What the request's live guest occupies; empty for a new guest. */
  held: readonly Held[];
  prior?: Placement;
}

export function askFor(request: PlacementRequest, world: World): Ask {
  return { ...askOfKind(request, world, ruleSets(request, world)), held: world.liveByKey.get(request.key) ?? [] };
}

/** For questions that have the same answer for all requests of a kind: what this one holds is not looked up. */
export function askOfKind(request: PlacementRequest, world: World, rules: RuleSets): Ask {
  return { request: atInstant(request, world.instantMs), world, rules, held: [], prior: request.prior };
}

/** The request with its pool's policy as it holds then. */
function atInstant(request: PlacementRequest, instantMs: number | undefined): PlacementRequest {
  if (request.pool === undefined || instantMs === undefined) return request;
  const pool = activeAt(request.pool, instantMs);
  return pool === request.pool ? request : { ...request, pool };
}

/** True where the request already is, so that the filters which only keep newcomers out let it be. */
export function isAtHome(ask: Ask, place: ClusterState | NodeState): boolean {
  if (ask.prior === undefined) return false;
  if (!("cluster" in place)) return ask.prior.cluster === place.facts.id;
  return ask.prior.cluster === place.cluster.facts.id && ask.prior.node === place.facts.name;
}

/**
 * The storage id of each disk on that cluster: what the disk's class is mapped to. A disk that is already there keeps
 * its storage when its class is no longer mapped. `undefined` for a disk with no storage there.
 */
export function storageIds(ask: Ask, cluster: ClusterState): (string | undefined)[] {
  const classes = cluster.facts.storageClasses;
  return ask.request.disks.map((disk, index) => {
    if (Object.hasOwn(classes, disk.storageClass)) return classes[disk.storageClass];
    return isAtHome(ask, cluster) ? ask.prior?.storages[index] : undefined;
  });
}
