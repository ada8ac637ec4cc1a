import { type LiveGuests, LiveIndex } from "./live-index";
import type { ClusterFacts, Inventory, Placement, PlacementRequest, Promised, StorageFacts } from "./model";
import { type Held, type Load, loadOf, NodeState, type Occupant } from "./node-state";
import { wholeNonNegative } from "./numbers";
import { compareText } from "./order";
import { addToPool, type PoolUses } from "./pool-use";
import { type AppliedRule, ruleSets } from "./rules";
import { addStorages, sumUp } from "./sum-up";
import { Survival } from "./survival/survival";
import { TagIndex } from "./tag-index";

export { cpuMilli, type Held, NodeState, type Occupant, occupantOfRequest } from "./node-state";

/**
 * The inventory and the promises of this run, indexed for placing. Built fresh for a decision (or once for many) from
 * plain data; clusters, nodes and guests are in key order whatever order they came in.
 */
export interface World {
  clusters: ClusterState[];
  clusterById: ReadonlyMap<string, ClusterState>;
  /** What each pool holds, live and promised. */
  pools: PoolUses;
  /** See `Inventory.instantMs`. */
  instantMs?: number;
  /** Lower-case tags that a cluster or node carries: a rule on such a tag means the place, not the guests there. */
  placeTags: ReadonlySet<string>;
  /** Number of each node that changed, in order of the changes; readers keep their own position in it. */
  changes: number[];
  liveByKey: LiveGuests;
  tags: TagIndex;
  /** Present where pools have to survive losses. */
  survival?: Survival;
}

export interface ClusterState {
  facts: ClusterFacts;
  nodes: NodeState[];
  nodeByName: Map<string, NodeState>;
  storages: StorageState[];
  /** Live and promised guests, our own request's excluded. */
  guests: number;
  /** Guests this run placed that have hard rules to keep other guests away. */
  guarded: Guard[];
  /** The guests of the whole world by tag. */
  tags: TagIndex;
}

/** A guest that others may not come to. */
export interface Guard {
  node: NodeState;
  guest: Pick<Occupant, "key" | "name" | "pool">;
  rules: readonly AppliedRule[];
}

export interface StorageState {
  facts: StorageFacts;
  totalBytes: number;
  usedBytes: number;
  allocatedBytes: number;
}

/**
 * @param without key of the request about to be placed: neither its live guest nor an earlier promise of it counts
 * @param asked requests that are going to be decided: what they demand of the place they have is known from the start
 */
export function buildWorld(
  inventory: Inventory,
  promised: readonly Promised[],
  without?: string,
  asked: readonly PlacementRequest[] = [],
): World {
  const promises = latestPromises(promised, without);
  const placeTags = new Set<string>();
  const clusterById = new Map<string, ClusterState>();
  const clusters: ClusterState[] = [];
  const tags = new TagIndex(clusters);
  const world: World = {
    clusters,
    clusterById,
    pools: new Map(),
    placeTags,
    changes: [],
    liveByKey: new LiveIndex(clusters),
    tags,
    instantMs: inventory.instantMs,
  };
  const absent = new Set(promises.keys());
  if (without !== undefined) absent.add(without);
  let nodeCount = 0;
  for (const facts of [...inventory.clusters].sort((left, right) => compareText(left.id, right.id))) {
    addTags(placeTags, facts.tags);
    const cluster = emptyCluster(facts, tags);
    for (const nodeFacts of [...facts.nodes].sort((left, right) => compareText(left.name, right.name))) {
      addTags(placeTags, nodeFacts.tags);
      const node = new NodeState(nodeFacts, cluster, nodeCount, absent);
      nodeCount += 1;
      cluster.nodes.push(node);
      cluster.nodeByName.set(nodeFacts.name, node);
      sumUp(world.pools, node);
    }
    addStorages(cluster);
    clusters.push(cluster);
    clusterById.set(facts.id, cluster);
  }
  if (inventory.survive !== undefined && inventory.survive.length > 0) world.survival = new Survival(world, inventory, asked);
  for (const promise of [...promises.values()].sort((left, right) => compareText(left.request.key, right.request.key))) {
    occupy(world, promise.request, promise.placement);
  }
  return world;
}

/**
 * Puts a decided request into the world, so that the next decision sees it.
 *
 * @param apart the request's hard rules to stay away from guests, where the caller has them already
 */
export function occupy(
  world: World,
  request: PlacementRequest,
  placement: Placement,
  apart: readonly AppliedRule[] = ruleSets(request, world).apart,
): void {
  occupyNode(world, request, placement, world.clusterById.get(placement.cluster)?.nodeByName.get(placement.node), apart);
}

/** {@link occupy} for callers that have the node at hand; a place that is not in the world counts in its pool only. */
export function occupyNode(
  world: World,
  request: PlacementRequest,
  placement: Placement,
  node: NodeState | undefined,
  apart: readonly AppliedRule[],
): void {
  settle(world, request, loadOf(request), node, apart);
  if (node === undefined) return;
  if (request.disks.length > 0) {
    const held = heldAt(request, world.liveByKey.get(request.key) ?? [], node);
    for (const [storage, needBytes] of storageNeeds(request, placement.storages, held, node)) addToStorage(storage, needBytes);
  }
  world.survival?.arrived(request, placement, node);
}

/** {@link occupyNode} but for the disks and for what pools have to survive. */
export function settle(
  world: World,
  request: PlacementRequest,
  load: Load,
  node: NodeState | undefined,
  apart: readonly AppliedRule[],
): void {
  addToPool(world, load, 1);
  if (node === undefined) return;
  node.arrive(request);
  addToNode(node, load);
  node.memoryUsedMiB += load.memoryMiB;
  world.changes.push(node.index);
  if (apart.length > 0) guard(node, request, apart);
}

export function addToStorage(storage: StorageState, bytes: number): void {
  storage.usedBytes += bytes;
  storage.allocatedBytes += bytes;
}

/** Makes a guest's hard rules to stay away from others bind newcomers too. */
export function guard(node: NodeState, { key, name, pool }: PlacementRequest, apart: readonly AppliedRule[]): void {
  const guarded: Guard = { node, guest: { key, name, pool: pool?.name }, rules: apart };
  node.cluster.guarded.push(guarded);
  refuseTags(guarded, 1);
}

/** Whom the guest keeps away does not come near it (1), or may again (-1). */
export function refuseTags({ node, rules }: Guard, change: 1 | -1): void {
  const { cluster } = node;
  for (const { rule } of rules) cluster.tags.of(rule.value.toLowerCase()).refuse(node, rule.scope, change);
}

/**
 * Takes a live guest of ours out, as if it were about to leave: its cores and memory are free for others and it no longer
 * counts in its pool. Its disks stay where they are until it is gone.
 */
export function withdraw(world: World, key: string): Withdrawn[] {
  return (world.liveByKey.get(key) ?? []).flatMap((held) => remove(world, key, held) ?? []);
}

/** Takes one occupant of that key off a node; `undefined` when none is there. */
export function remove(world: World, key: string, place: { cluster: string; node: string }): Withdrawn | undefined {
  const node = world.clusterById.get(place.cluster)?.nodeByName.get(place.node);
  const index = node?.occupants.findIndex((occupant) => occupant.key === key) ?? -1;
  const occupant = node?.occupants[index];
  if (node === undefined || occupant === undefined) return undefined;
  node.occupants.splice(index, 1);
  node.cpuAllocatedMilli -= occupant.cpuMilli;
  node.memoryAllocatedMiB -= occupant.memoryMiB;
  node.memoryUsedMiB = Math.max(0, node.memoryUsedMiB - occupant.memoryUsedMiB);
  node.cluster.guests -= 1;
  node.cluster.tags.adjust(node, occupant.tags, -1);
  addToPool(world, occupant, -1);
  world.changes.push(node.index);
  world.survival?.departed(key, node);
  return { node, occupant };
}

export interface Withdrawn {
  node: NodeState;
  occupant: Occupant;
}

/** Undoes {@link withdraw}. */
export function restore(world: World, withdrawn: readonly Withdrawn[]): void {
  for (const { node, occupant } of withdrawn) {
    node.occupants.push(occupant);
    addToNode(node, occupant);
    node.memoryUsedMiB += occupant.memoryUsedMiB;
    world.changes.push(node.index);
    addToPool(world, occupant, 1);
    if (occupant.key !== undefined) world.survival?.returned(occupant.key, node, occupant.pool);
  }
}

/**
 * Bytes the request needs beyond what its live guest already has on each storage it is to use, for the storages this
 * node sees. The list follows the request's disks; storages that need nothing more are left out.
 */
export function storageNeeds(
  request: PlacementRequest,
  storageIds: readonly string[],
  held: readonly Pick<Held, "node" | "disks">[],
  node: NodeState,
): Map<StorageState, number> {
  const needs = new Map<StorageState, number>();
  request.disks.forEach((disk, index) => {
    const storage = findStorage(node, storageIds[index] ?? "");
    if (storage !== undefined) needs.set(storage, (needs.get(storage) ?? 0) + wholeNonNegative(disk.sizeBytes));
  });
  for (const [storage, bytes] of needs) {
    const reachable = held.filter((own) => storage.facts.shared || own.node === node.facts.name);
    // A guest whose disks the inventory does not list is taken to have what it is asked to have.
    const has = reachable.some((own) => own.disks === undefined)
      ? bytes
      : reachable
          .flatMap((own) => own.disks ?? [])
          .reduce((sum, disk) => sum + (disk.storage === storage.facts.storage ? wholeNonNegative(disk.sizeBytes) : 0), 0);
    if (bytes > has) needs.set(storage, bytes - has);
    else needs.delete(storage);
  }
  return needs;
}

/** The storage of that id as this node sees it: a local storage has one entry per node or one for all. */
export function findStorage(node: NodeState, id: string): StorageState | undefined {
  return node.storages.get(id);
}

export function findCluster(world: World, id: string): ClusterState | undefined {
  return world.clusterById.get(id);
}

/**
 * What a request holds already as seen from that node: its live guest's disks; or, where the inventory does not show the guest
 * (one that never runs, such as a disk's owner), what it has on the node it is on.
 */
export function heldAt({ prior }: PlacementRequest, live: readonly Held[], node: NodeState): readonly Pick<Held, "node" | "disks">[] {
  const cluster = node.cluster.facts.id;
  if (live.length > 0) return live.filter((held) => held.cluster === cluster);
  return prior?.cluster === cluster && prior.node === node.facts.name ? [{ node: prior.node }] : [];
}

/** Of several promises with one key the last one holds. */
function latestPromises(promised: readonly Promised[], without: string | undefined): Map<string, Promised> {
  const promises = new Map<string, Promised>();
  for (const promise of promised) {
    if (promise.request.key !== without) promises.set(promise.request.key, promise);
  }
  return promises;
}

function addTags(set: Set<string>, tags: readonly string[]): void {
  for (const tag of tags) set.add(tag.toLowerCase());
}

function emptyCluster(facts: ClusterFacts, tags: TagIndex): ClusterState {
  return { facts, nodes: [], nodeByName: new Map(), storages: [], guests: 0, guarded: [], tags };
}

function addToNode(node: NodeState, load: Load): void {
  node.cpuAllocatedMilli += load.cpuMilli;
  node.memoryAllocatedMiB += load.memoryMiB;
  node.cluster.guests += 1;
  node.cluster.tags.adjust(node, load.tags, 1);
}
