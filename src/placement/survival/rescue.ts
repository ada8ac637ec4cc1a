import { storageAvailableBytes } from "../capacity";
import { compareText } from "../order";
import type { NodeState, StorageState } from "../world";
import type { Refugee, StorageDemand } from "./refugee";

/** What a newcomer would take on a node, over what is there. */
export interface Arrival {
  node: NodeState;
  cpuMilli: number;
  memoryMiB: number;
  storage: ReadonlyMap<StorageState, number>;
}

/** Where the refugees of one loss may go, in the order in which they are tried, and what they need there. */
export interface Shelter {
  nodesFor(refugee: Refugee): readonly NodeState[];
  storageDemand(refugee: Refugee, node: NodeState): StorageDemand;
}

/**
 * A place for every refugee of one loss, beside what runs there: the proof that the loss can be absorbed. Losses are taken
 * one at a time, so the rescues of different losses may count on the same room.
 */
export class Rescue {
  private readonly places = new Map<string, { refugee: Refugee; node: NodeState; storage: ReadonlyMap<StorageState, number> }>();
  private readonly cpuMilli = new Map<NodeState, number>();
  private readonly memoryMiB = new Map<NodeState, number>();
  private readonly storageBytes = new Map<StorageState, number>();

  constructor(private readonly shelter: Shelter) {}

  /** Finds a place for one more; false when there is none beside those that have theirs. */
  admit(refugee: Refugee, arrival?: Arrival): boolean {
    for (const node of this.shelter.nodesFor(refugee)) {
      if (!this.hasRoom(refugee, node, arrival)) continue;
      const storage = this.shelter.storageDemand(refugee, node);
      if (storage === undefined || !this.hasStorage(storage, node, arrival)) continue;
      this.places.set(refugee.id, { refugee, node, storage });
      this.change(refugee, node, storage, 1);
      return true;
    }
    return false;
  }

  /** Whether one more would find a place; nothing is taken. */
  couldAdmit(refugee: Refugee): boolean {
    if (!this.admit(refugee)) return false;
    this.dismiss(refugee.id);
    return true;
  }

  dismiss(id: string): void {
    const place = this.places.get(id);
    if (place === undefined) return;
    this.places.delete(id);
    this.change(place.refugee, place.node, place.storage, -1);
  }

  /** Whether what is counted on stays free when the newcomer is there too (or, without one, is still free). */
  outlives({ node, cpuMilli, memoryMiB, storage }: Arrival): boolean {
    const cpu = this.cpuMilli.get(node) ?? 0;
    const memory = this.memoryMiB.get(node) ?? 0;
    if (cpu > 0 && node.cpuAllocatedMilli + cpuMilli + cpu > node.cpuCapacityMilli) return false;
    if (memory > 0 && node.memoryAllocatedMiB + memoryMiB + memory > node.memoryCapacityMiB) return false;
    for (const [state, bytes] of storage) {
      const counted = this.storageBytes.get(state) ?? 0;
      if (counted > 0 && counted + bytes > available(state, node)) return false;
    }
    return true;
  }

  private hasRoom({ cpuMilli, memoryMiB }: Refugee, node: NodeState, arrival: Arrival | undefined): boolean {
    const shared = arrival?.node === node ? arrival : undefined;
    const cpu = node.cpuAllocatedMilli + (this.cpuMilli.get(node) ?? 0) + (shared?.cpuMilli ?? 0);
    const memory = node.memoryAllocatedMiB + (this.memoryMiB.get(node) ?? 0) + (shared?.memoryMiB ?? 0);
    return (cpuMilli === 0 || cpu + cpuMilli <= node.cpuCapacityMilli) && (memoryMiB === 0 || memory + memoryMiB <= node.memoryCapacityMiB);
  }

  private hasStorage(demand: ReadonlyMap<StorageState, number>, node: NodeState, arrival: Arrival | undefined): boolean {
    for (const [state, bytes] of demand) {
      const taken = (this.storageBytes.get(state) ?? 0) + (arrival?.storage.get(state) ?? 0);
      if (taken + bytes > available(state, node)) return false;
    }
    return true;
  }

  private change({ cpuMilli, memoryMiB }: Refugee, node: NodeState, storage: ReadonlyMap<StorageState, number>, sign: 1 | -1): void {
    add(this.cpuMilli, node, sign * cpuMilli);
    add(this.memoryMiB, node, sign * memoryMiB);
    for (const [state, bytes] of storage) add(this.storageBytes, state, sign * bytes);
  }
}

/**
 * A rescue of all, the bulkiest first, each into the first place with room. Finding one is proof; the refugee for whom
 * none was found is none of the contrary.
 */
export function findRescue(shelter: Shelter, refugees: Iterable<Refugee>, arrival?: Arrival): Rescue | { homeless: Refugee } {
  const rescue = new Rescue(shelter);
  for (const refugee of bulkiestFirst(refugees)) {
    if (!rescue.admit(refugee, arrival)) return { homeless: refugee };
  }
  return rescue;
}

/** By memory, which is scarce more often, then by cores; keys make the order that of every run. */
function bulkiestFirst(refugees: Iterable<Refugee>): Refugee[] {
  return [...refugees].sort(
    (left, right) => right.memoryMiB - left.memoryMiB || right.cpuMilli - left.cpuMilli || compareText(left.id, right.id),
  );
}

function available({ facts, usedBytes, allocatedBytes }: StorageState, node: NodeState): number {
  return storageAvailableBytes(facts, node.cluster.facts.capacityRules, usedBytes, allocatedBytes);
}

function add<Key>(sums: Map<Key, number>, key: Key, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}
