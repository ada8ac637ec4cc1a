import { storageAvailableBytes } from "../capacity";
import { compareText } from "../order";
import type { NodeState, StorageState } from "../world";
import type { Aftermath } from "./aftermath";
import { type Comer, Landed } from "./landed";
import type { Refugee, StorageDemand } from "./refugee";

/** What a newcomer would take on a node, over what is there, and what other guests have to do with it. */
export interface Arrival extends Comer {
  cpuMilli: number;
  memoryMiB: number;
  storage: ReadonlyMap<StorageState, number>;
}

/** Where the refugees of one loss may go, in the order in which they are tried, and what they need there. */
export interface Shelter {
  readonly after: Aftermath;
  readonly nodes: readonly NodeState[];
  storageDemand(refugee: Refugee, node: NodeState): StorageDemand;
}

/** What keeps refugees from a node for want of room, as a summary for texts. */
export const NO_ROOM = "without room";
const NO_STORAGE = "without room for its disks";

/**
 * A place for every refugee of one loss, beside what runs there and under all rules: the proof that the loss can be absorbed.
 * Losses are taken one at a time, so the rescues of different losses may count on the same room.
 */
export class Rescue {
  private readonly places = new Map<string, { refugee: Refugee; node: NodeState; storage: ReadonlyMap<StorageState, number> }>();
  private readonly cpuMilli = new Map<NodeState, number>();
  private readonly memoryMiB = new Map<NodeState, number>();
  private readonly storageBytes = new Map<StorageState, number>();
  private readonly landed: Landed;

  constructor(private readonly shelter: Shelter) {
    this.landed = new Landed(shelter.after);
  }

  /** Whether the place of somebody depends on who else is where, near or far. */
  get needsCompany(): boolean {
    return this.landed.needCompany;
  }

  /** Finds a place for one more; false when there is none beside those that have theirs. */
  admit(refugee: Refugee, arrival?: Arrival): boolean {
    const { after, nodes } = this.shelter;
    for (const node of nodes) {
      if (!refugee.profile.isOpen(node, after.kind) || !this.hasRoom(refugee, node, arrival)) continue;
      const storage = this.shelter.storageDemand(refugee, node);
      if (storage === undefined || !this.hasStorage(storage, node, arrival)) continue;
      if (this.landed.obstacle(refugee, node, arrival) !== undefined) continue;
      this.settle(refugee, node, storage);
      if (this.landed.isSound(arrival)) return true;
      this.dismiss(refugee.id);
    }
    return false;
  }

  /** What keeps a refugee from each node, as summaries for texts. */
  obstacles(refugee: Refugee, arrival?: Arrival): string[] {
    const { after, nodes } = this.shelter;
    return nodes.map((node) => {
      const fixed = refugee.profile.obstacle(node, after.kind);
      if (fixed !== undefined) return fixed.summary;
      const company = this.landed.obstacle(refugee, node, arrival);
      if (company !== undefined) return company;
      if (!this.hasRoom(refugee, node, arrival)) return NO_ROOM;
      const storage = this.shelter.storageDemand(refugee, node);
      return storage === undefined || !this.hasStorage(storage, node, arrival) ? NO_STORAGE : "where others need it to stay away";
    });
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
    this.landed.remove(place.refugee, place.node);
    this.take(place.refugee, place.node, place.storage, -1);
  }

  /** Whether everybody may keep the new place now that somebody has left. */
  isSound(): boolean {
    return this.landed.isSound();
  }

  /** Whether rules let everybody keep the new place when somebody comes, wherever that is. */
  toleratesRulesOf(arrival: Arrival): boolean {
    return this.landed.outlives(arrival);
  }

  /** Whether what is counted on stays free when the newcomer is there too (or, without one, is still free). */
  outlives(arrival: Arrival): boolean {
    const { node, cpuMilli, memoryMiB, storage } = arrival;
    const cpu = this.cpuMilli.get(node) ?? 0;
    const memory = this.memoryMiB.get(node) ?? 0;
    if (cpu > 0 && node.cpuAllocatedMilli + cpuMilli + cpu > node.cpuCapacityMilli) return false;
    if (memory > 0 && node.memoryAllocatedMiB + memoryMiB + memory > node.memoryCapacityMiB) return false;
    for (const [state, bytes] of storage) {
      const counted = this.storageBytes.get(state) ?? 0;
      if (counted > 0 && counted + bytes > available(state, node)) return false;
    }
    return this.toleratesRulesOf(arrival);
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

  private settle(refugee: Refugee, node: NodeState, storage: ReadonlyMap<StorageState, number>): void {
    this.places.set(refugee.id, { refugee, node, storage });
    this.landed.add(refugee, node);
    this.take(refugee, node, storage, 1);
  }

  private take({ cpuMilli, memoryMiB }: Refugee, node: NodeState, storage: ReadonlyMap<StorageState, number>, sign: 1 | -1): void {
    add(this.cpuMilli, node, sign * cpuMilli);
    add(this.memoryMiB, node, sign * memoryMiB);
    for (const [state, bytes] of storage) add(this.storageBytes, state, sign * bytes);
  }
}

/** A refugee for whom no place was found, and why not, node by node. */
export interface Homeless {
  refugee: Refugee;
  obstacles: string[];
}

/** Whoever finds no place goes first in the next try; so often. */
const MOST_TRIES = 4;

/**
 * A rescue of all, those that need no company first, then the bulkiest first, each into the first place it fits in. Finding
 * one is proof; the refugee for whom none was found is none of the contrary.
 */
export function findRescue(shelter: Shelter, refugees: Iterable<Refugee>, arrival?: Arrival): Rescue | Homeless {
  const inOrder = hardestFirst(refugees);
  let found: Homeless | undefined;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const rescue = new Rescue(shelter);
    const failed = inOrder.findIndex((refugee) => !rescue.admit(refugee, arrival));
    if (failed < 0) return rescue;
    const [refugee] = inOrder.splice(failed, 1) as [Refugee];
    found ??= { refugee, obstacles: rescue.obstacles(refugee, arrival) };
    inOrder.unshift(refugee);
    if (failed === 0) break;
  }
  return found!;
}

/** By memory, which is scarce more often, then by cores; keys make the order that of every run. */
function hardestFirst(refugees: Iterable<Refugee>): Refugee[] {
  const isLast = ({ profile }: Refugee) => Number(profile.rules.together.length > 0);
  return [...refugees].sort(
    (left, right) =>
      isLast(left) - isLast(right) || right.memoryMiB - left.memoryMiB || right.cpuMilli - left.cpuMilli || compareText(left.id, right.id),
  );
}

function available({ facts, usedBytes, allocatedBytes }: StorageState, node: NodeState): number {
  return storageAvailableBytes(facts, node.cluster.facts.capacityRules, usedBytes, allocatedBytes);
}

function add<Key>(sums: Map<Key, number>, key: Key, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}
