import { cpuCapacityMilli, memoryCapacityMiB } from "./capacity";
import type { ClusterFacts, GuestFacts, Inventory, NodeFacts, Placement, PlacementRequest, Promised, StorageFacts } from "./model";
import { nonNegative, wholeNonNegative } from "./numbers";
import { compareText } from "./order";
import { type AppliedRule, ruleSets } from "./rules";
import { adjustTagCounts } from "./tag-counts";

/**
 * The inventory and the promises of this run, indexed for placing. Built fresh for a decision (or once for many) from
 * plain data; clusters, nodes and guests are in key order whatever order they came in.
 */
export interface World {
  clusters: ClusterState[];
  clusterById: ReadonlyMap<string, ClusterState>;
  /** What each pool holds, live and promised. */
  pools: Map<string, PoolUse>;
  /** Lower-case tags that a cluster or node carries: a rule on such a tag means the place, not the guests there. */
  placeTags: ReadonlySet<string>;
  /** Number of each node that changed, in order of the changes; readers keep their own position in it. */
  changes: number[];
  /** Live guests of ours by key. A guest in the middle of a move is there twice. */
  liveByKey: ReadonlyMap<string, Held[]>;
}

export interface PoolUse {
  guests: number;
  cpuMilli: number;
  memoryMiB: number;
  storageBytes: number;
}

export interface ClusterState {
  facts: ClusterFacts;
  nodes: NodeState[];
  nodeByName: Map<string, NodeState>;
  storages: StorageState[];
  /** Live and promised guests, our own request's excluded. */
  guests: number;
  /** Guests this run placed that have hard rules to keep other guests away. */
  guarded: { node: NodeState; occupant: Occupant; rules: readonly AppliedRule[] }[];
  /** Lower-case tags that a guarded guest keeps out of the whole cluster. */
  refusedTags: Set<string>;
  /** See `countTag`. */
  tagCounts?: Map<string, number>;
}

export interface NodeState {
  facts: NodeFacts;
  cluster: ClusterState;
  /** `cluster/node`. */
  key: string;
  /** Position among all nodes of the world. */
  index: number;
  cpuCapacityMilli: number;
  memoryCapacityMiB: number;
  cpuAllocatedMilli: number;
  memoryAllocatedMiB: number;
  /** Live use plus what this run adds and takes away; the allocation where live use is unknown. */
  memoryUsedMiB: number;
  occupants: Occupant[];
  /** By id, those this node sees. */
  storages: Map<string, StorageState>;
  /** Lower-case tags that a guarded guest keeps off this node. */
  refusedTags: Set<string>;
  /** See `countTag`. */
  tagCounts?: Map<string, number>;
}

export interface StorageState {
  facts: StorageFacts;
  usedBytes: number;
  allocatedBytes: number;
}

/** A guest on a node, live or promised. */
export interface Occupant {
  key?: string;
  /** For texts: name, or vmid where it has none. */
  name: string;
  /** Lower-case. */
  tags: readonly string[];
  cpuMilli: number;
  memoryMiB: number;
  pool?: string;
  /** What a live guest adds to the node's live memory use. */
  memoryUsedMiB: number;
  /** Provisioned bytes of all its disks; 0 where unknown. */
  diskBytes: number;
}

/** A live guest of ours and where it is. */
export interface Held extends Occupant {
  cluster: string;
  node: string;
  disks?: readonly { storage: string; sizeBytes: number }[];
}

/**
 * @param without key of the request about to be placed: neither its live guest nor an earlier promise of it counts
 */
export function buildWorld(inventory: Inventory, promised: readonly Promised[], without?: string): World {
  const promises = latestPromises(promised, without);
  const placeTags = new Set<string>();
  const clusterById = new Map<string, ClusterState>();
  const liveByKey = new Map<string, Held[]>();
  const world: World = { clusters: [], clusterById, pools: new Map(), placeTags, changes: [], liveByKey };
  let nodeCount = 0;
  for (const facts of [...inventory.clusters].sort((left, right) => compareText(left.id, right.id))) {
    addTags(placeTags, facts.tags);
    const cluster = emptyCluster(facts);
    for (const nodeFacts of [...facts.nodes].sort((left, right) => compareText(left.name, right.name))) {
      addTags(placeTags, nodeFacts.tags);
      const node = emptyNode(nodeFacts, cluster, nodeCount);
      nodeCount += 1;
      cluster.nodes.push(node);
      cluster.nodeByName.set(nodeFacts.name, node);
      for (const guest of inOrderOfVmid(nodeFacts.guests)) {
        const occupant = occupantOf(guest, facts.id, nodeFacts.name);
        if (guest.key !== undefined) append(liveByKey, guest.key, occupant);
        if (guest.key !== undefined && (guest.key === without || promises.has(guest.key))) {
          node.memoryUsedMiB -= occupant.memoryUsedMiB;
          continue;
        }
        settle(node, occupant);
        addToPool(world, occupant, 1);
      }
      settleMemoryUse(node);
    }
    addStorages(cluster);
    world.clusters.push(cluster);
    clusterById.set(facts.id, cluster);
  }
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
  apart: readonly AppliedRule[] = ruleSets(request, world.placeTags).apart,
): void {
  const occupant = occupantOfRequest(request);
  addToPool(world, occupant, 1);
  const cluster = world.clusterById.get(placement.cluster);
  const node = cluster?.nodeByName.get(placement.node);
  if (cluster === undefined || node === undefined) return;
  settle(node, occupant);
  node.memoryUsedMiB += occupant.memoryMiB;
  world.changes.push(node.index);
  if (apart.length > 0) guard(node, occupant, apart);
  if (request.disks.length === 0) return;
  const held = heldIn(world, request.key, placement.cluster);
  for (const [storage, needBytes] of storageNeeds(request, placement.storages, held, node)) {
    storage.usedBytes += needBytes;
    storage.allocatedBytes += needBytes;
  }
}

/** Makes a guest's hard rules to stay away from others bind newcomers too. */
export function guard(node: NodeState, occupant: Occupant, apart: readonly AppliedRule[]): void {
  const { cluster } = node;
  cluster.guarded.push({ node, occupant, rules: apart });
  for (const { rule } of apart) (rule.scope === "cluster" ? cluster : node).refusedTags.add(rule.value.toLowerCase());
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
  adjustTagCounts(node, occupant, -1);
  adjustTagCounts(node.cluster, occupant, -1);
  addToPool(world, occupant, -1);
  world.changes.push(node.index);
  return { node, occupant };
}

export interface Withdrawn {
  node: NodeState;
  occupant: Occupant;
}

/** Undoes {@link withdraw}. */
export function restore(world: World, withdrawn: readonly Withdrawn[]): void {
  for (const { node, occupant } of withdrawn) {
    settle(node, occupant);
    node.memoryUsedMiB += occupant.memoryUsedMiB;
    world.changes.push(node.index);
    addToPool(world, occupant, 1);
  }
}

/**
 * Bytes the request needs beyond what its live guest already has on each storage it is to use, for the storages this
 * node sees. The list follows the request's disks; storages that need nothing more are left out.
 */
export function storageNeeds(
  request: PlacementRequest,
  storageIds: readonly string[],
  held: readonly Held[],
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

/** What the live guest of that key holds in that cluster. */
export function heldIn(world: World, key: string, cluster: string): Held[] {
  return world.liveByKey.get(key)?.filter((held) => held.cluster === cluster) ?? [];
}

export function occupantOfRequest(request: PlacementRequest): Occupant {
  return {
    key: request.key,
    name: request.name,
    tags: lowerCase(request.tags),
    cpuMilli: cpuMilli(request.cores),
    memoryMiB: wholeNonNegative(request.memoryMiB),
    pool: request.pool?.name,
    memoryUsedMiB: wholeNonNegative(request.memoryMiB),
    diskBytes: request.disks.reduce((sum, disk) => sum + wholeNonNegative(disk.sizeBytes), 0),
  };
}

/** Cores in thousandths. */
export function cpuMilli(cores: number): number {
  return Math.ceil(nonNegative(cores) * 1000);
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

function emptyCluster(facts: ClusterFacts): ClusterState {
  return { facts, nodes: [], nodeByName: new Map(), storages: [], guests: 0, guarded: [], refusedTags: new Set() };
}

function emptyNode(facts: NodeFacts, cluster: ClusterState, index: number): NodeState {
  return {
    facts,
    cluster,
    key: `${cluster.facts.id}/${facts.name}`,
    index,
    cpuCapacityMilli: cpuCapacityMilli(facts, cluster.facts.capacityRules),
    memoryCapacityMiB: memoryCapacityMiB(facts, cluster.facts.capacityRules),
    cpuAllocatedMilli: 0,
    memoryAllocatedMiB: 0,
    memoryUsedMiB: wholeNonNegative(facts.usedMemoryMiB),
    occupants: [],
    storages: new Map(),
    refusedTags: new Set(),
  };
}

/** Called once the live guests are in: use below zero is an artefact of stale figures; unknown use is the allocation. */
function settleMemoryUse(node: NodeState): void {
  node.memoryUsedMiB = node.facts.usedMemoryMiB === undefined ? node.memoryAllocatedMiB : Math.max(0, node.memoryUsedMiB);
}

/** Several entries of one id are local storages of that name; where two claim the same node the first in order counts. */
function addStorages(cluster: ClusterState): void {
  const { facts } = cluster;
  const ordered = [...facts.storages].sort(
    (left, right) => compareText(left.storage, right.storage) || compareText(left.nodes.join(), right.nodes.join()),
  );
  for (const storageFacts of ordered) {
    const storage = { facts: storageFacts, usedBytes: wholeNonNegative(storageFacts.usedBytes), allocatedBytes: 0 };
    storage.allocatedBytes = wholeNonNegative(storageFacts.allocatedBytes, provisionedOn(cluster, storageFacts));
    cluster.storages.push(storage);
    for (const name of storageFacts.nodes) {
      const node = cluster.nodeByName.get(name);
      if (node !== undefined && !node.storages.has(storageFacts.storage)) node.storages.set(storageFacts.storage, storage);
    }
  }
}

function provisionedOn(cluster: ClusterState, storage: StorageFacts): number {
  let bytes = 0;
  for (const name of storage.nodes) {
    for (const guest of cluster.nodeByName.get(name)?.facts.guests ?? []) {
      for (const disk of guest.disks ?? []) bytes += disk.storage === storage.storage ? wholeNonNegative(disk.sizeBytes) : 0;
    }
  }
  return bytes;
}

function inOrderOfVmid(guests: readonly GuestFacts[]): readonly GuestFacts[] {
  const isInOrder = guests.every((guest, index) => index === 0 || guest.vmid >= guests[index - 1]!.vmid);
  return isInOrder ? guests : [...guests].sort((left, right) => left.vmid - right.vmid);
}

function occupantOf(guest: GuestFacts, cluster: string, node: string): Held {
  const memoryMiB = wholeNonNegative(guest.memoryMiB);
  return {
    cluster,
    node,
    key: guest.key,
    name: guest.name ?? `vm ${guest.vmid}`,
    tags: lowerCase(guest.tags),
    cpuMilli: cpuMilli(guest.cores),
    memoryMiB,
    pool: guest.pool,
    memoryUsedMiB: guest.running ? memoryMiB : 0,
    diskBytes: guestDiskBytes(guest),
    disks: guest.disks,
  };
}

const NO_TAGS: readonly string[] = [];

function lowerCase(tags: readonly string[]): readonly string[] {
  return tags.length === 0 ? NO_TAGS : tags.map((tag) => tag.toLowerCase());
}

function guestDiskBytes(guest: GuestFacts): number {
  if (guest.diskBytes !== undefined) return wholeNonNegative(guest.diskBytes);
  return (guest.disks ?? []).reduce((sum, disk) => sum + wholeNonNegative(disk.sizeBytes), 0);
}

function settle(node: NodeState, occupant: Occupant): void {
  node.occupants.push(occupant);
  node.cpuAllocatedMilli += occupant.cpuMilli;
  node.memoryAllocatedMiB += occupant.memoryMiB;
  node.cluster.guests += 1;
  adjustTagCounts(node, occupant, 1);
  adjustTagCounts(node.cluster, occupant, 1);
}

function addToPool(world: World, occupant: Occupant, sign: 1 | -1): void {
  if (occupant.pool === undefined) return;
  const use = world.pools.get(occupant.pool) ?? { guests: 0, cpuMilli: 0, memoryMiB: 0, storageBytes: 0 };
  use.guests += sign;
  use.cpuMilli += sign * occupant.cpuMilli;
  use.memoryMiB += sign * occupant.memoryMiB;
  use.storageBytes += sign * occupant.diskBytes;
  world.pools.set(occupant.pool, use);
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
