import { cpuCapacityMilli, memoryCapacityMiB } from "./capacity";
import type { GuestFacts, NodeFacts, PlacementRequest } from "./model";
import { nonNegative, wholeNonNegative } from "./numbers";
import type { ClusterState, StorageState } from "./world";

/** What a guest takes of its node and its pool. */
export interface Load {
  cpuMilli: number;
  memoryMiB: number;
  /** Provisioned bytes of all its disks; 0 where unknown. */
  diskBytes: number;
  /** Lower-case. */
  tags: readonly string[];
  pool?: string;
}

/** A guest on a node, live or promised. */
export interface Occupant extends Load {
  key?: string;
  /** For texts: name, or vmid where it has none. */
  name: string;
  /** What a live guest adds to the node's live memory use. */
  memoryUsedMiB: number;
}

/** A live guest of ours and where it is. */
export interface Held extends Occupant {
  cluster: string;
  node: string;
  disks?: readonly { storage: string; sizeBytes: number }[];
}

/**
 * A node and what is on it. The sums are kept at once; the guests one by one only where somebody asks for them, because in
 * most runs over a hundred thousand guests nobody does.
 */
export class NodeState {
  /** `cluster/node`. */
  readonly key: string;
  readonly cpuCapacityMilli: number;
  readonly memoryCapacityMiB: number;
  /** Physical cores × over-commit, in thousandths, and physical memory: what pressure is measured against. */
  readonly cpuOvercommittedMilli: number;
  readonly memoryTotalMiB: number;
  cpuAllocatedMilli = 0;
  memoryAllocatedMiB = 0;
  /** Live use plus what this run adds and takes away; the allocation where live use is unknown. */
  memoryUsedMiB: number;
  /** Whether the inventory lists the disks of any guest here. */
  listsDisks = false;
  /** By id, those this node sees. */
  readonly storages = new Map<string, StorageState>();
  private listed?: Occupant[];
  /** Came since the guests were last listed. */
  private arrivals: PlacementRequest[] = [];

  /**
   * @param index position among all nodes of the world
   * @param absent keys of live guests that do not count
   */
  constructor(
    readonly facts: NodeFacts,
    readonly cluster: ClusterState,
    readonly index: number,
    private readonly absent: ReadonlySet<string>,
  ) {
    this.key = `${cluster.facts.id}/${facts.name}`;
    this.cpuCapacityMilli = cpuCapacityMilli(facts, cluster.facts.capacityRules);
    this.memoryCapacityMiB = memoryCapacityMiB(facts, cluster.facts.capacityRules);
    this.cpuOvercommittedMilli = nonNegative(facts.cores) * 1000 * nonNegative(cluster.facts.capacityRules.overcommit.cpu);
    this.memoryTotalMiB = wholeNonNegative(facts.memoryMiB);
    this.memoryUsedMiB = wholeNonNegative(facts.usedMemoryMiB);
  }

  /** Live guests in order of vmid, then those that came in this run. */
  get occupants(): Occupant[] {
    this.listed ??= inOrderOfVmid(this.facts.guests)
      .filter((guest) => this.counts(guest))
      .map(occupantOfGuest);
    if (this.arrivals.length > 0) {
      for (const request of this.arrivals) this.listed.push(occupantOfRequest(request));
      this.arrivals = [];
    }
    return this.listed;
  }

  /** Lists a guest of this run; the sums are the caller's. */
  arrive(request: PlacementRequest): void {
    this.arrivals.push(request);
  }

  /** The tags of every guest here, in any case. */
  forEachTags(visit: (tags: readonly string[]) => void): void {
    if (this.listed !== undefined) for (const { tags } of this.listed) visit(tags);
    else for (const guest of this.facts.guests) if (this.counts(guest)) visit(guest.tags);
    for (const { tags } of this.arrivals) visit(tags);
  }

  /** False for a live guest that is being placed anew. */
  counts({ key }: GuestFacts): boolean {
    return key === undefined || this.absent.size === 0 || !this.absent.has(key);
  }
}

function inOrderOfVmid(guests: readonly GuestFacts[]): readonly GuestFacts[] {
  return [...guests].sort((left, right) => left.vmid - right.vmid);
}

export function heldGuest(guest: GuestFacts, cluster: string, node: string): Held {
  return { ...occupantOfGuest(guest), cluster, node, disks: guest.disks };
}

function occupantOfGuest(guest: GuestFacts): Occupant {
  return {
    key: guest.key,
    name: guest.name ?? `vm ${guest.vmid}`,
    tags: lowerCase(guest.tags),
    cpuMilli: cpuMilli(guest.cores),
    memoryMiB: wholeNonNegative(guest.memoryMiB),
    pool: guest.pool,
    memoryUsedMiB: guestMemoryUse(guest),
    diskBytes: guestDiskBytes(guest),
  };
}

export function occupantOfRequest(request: PlacementRequest): Occupant {
  const load = loadOf(request);
  return { key: request.key, name: request.name, ...load, memoryUsedMiB: load.memoryMiB };
}

export function loadOf(request: PlacementRequest): Load {
  return {
    tags: lowerCase(request.tags),
    cpuMilli: cpuMilli(request.cores),
    memoryMiB: wholeNonNegative(request.memoryMiB),
    pool: request.pool?.name,
    diskBytes: requestDiskBytes(request),
  };
}

/** Cores in thousandths. */
export function cpuMilli(cores: number): number {
  return Math.ceil(nonNegative(cores) * 1000);
}

/** MiB a live guest adds to the live use of its node. */
export function guestMemoryUse(guest: GuestFacts): number {
  return guest.running ? wholeNonNegative(guest.memoryMiB) : 0;
}

/** Provisioned bytes of all disks; 0 where unknown. */
export function guestDiskBytes(guest: GuestFacts): number {
  if (guest.diskBytes !== undefined) return wholeNonNegative(guest.diskBytes);
  let bytes = 0;
  for (const disk of guest.disks ?? NO_DISKS) bytes += wholeNonNegative(disk.sizeBytes);
  return bytes;
}

export function requestDiskBytes({ disks }: PlacementRequest): number {
  let bytes = 0;
  for (const disk of disks) bytes += wholeNonNegative(disk.sizeBytes);
  return bytes;
}

const NO_TAGS: readonly string[] = [];
const NO_DISKS: readonly { sizeBytes: number }[] = [];

export function lowerCase(tags: readonly string[]): readonly string[] {
  return tags.length === 0 ? NO_TAGS : tags.map((tag) => tag.toLowerCase());
}
