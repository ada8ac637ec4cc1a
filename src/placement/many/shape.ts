import type { Ask } from "../ask";
import { storageAvailableBytes } from "../capacity";
import { guestAffinity } from "../filters/guest-affinity";
import type { Placement, PlacementRequest } from "../model";
import { type Load, loadOf } from "../node-state";
import { wholeNonNegative } from "../numbers";
import { costPermilles } from "../scores/cost";
import { headroomPermille } from "../scores/headroom";
import { clusterWeightPoints, weightedPoints } from "../scores/normalize";
import { POINTS_PER_WEIGHT, satisfiesPreference } from "../scores/preferences";
import { pressureRelief } from "../scores/pressure";
import { skewBeyond } from "../spread";
import { addToStorage, type ClusterState, occupyNode, type StorageState, settle } from "../world";
import type { Kind } from "./kind";

/**
 * Requests of one kind and the same amounts: interchangeable, so that what is known about a node for one of them holds
 * for all. Scores and fit are the same as those of the filters and scorers, computed without texts.
 */
export class Shape {
  readonly load: Load;
  readonly cpu: number;
  readonly memoryMiB: number;
  /** False: the amounts are none, or a rule means nothing; refused everywhere. */
  readonly isSound: boolean;
  /** Points of the cost term per segment of the candidates; `undefined` where the strategy has none. */
  readonly costPoints: readonly number[] | undefined;
  /** Bytes per storage class, in the candidates' order. */
  readonly classBytes: readonly number[];
  /** Tie-breaks: interchangeable requests share one, or their heap could not. */
  readonly hash: number;
  private readonly costOfCluster: ReadonlyMap<ClusterState, number> | undefined;
  /** Present where pools have to survive losses and the request is a newcomer. */
  private readonly survivalAsk: Ask | undefined;

  constructor(
    readonly kind: Kind,
    request: PlacementRequest,
  ) {
    const { candidates, ask } = kind;
    if (ask.world.survival !== undefined && ask.prior === undefined)
      this.survivalAsk = { ...ask, request: { ...request, pool: ask.request.pool } };
    this.load = loadOf(request);
    this.cpu = this.load.cpuMilli;
    this.memoryMiB = this.load.memoryMiB;
    this.isSound = kind.hasSoundRules && hasSoundAmounts(request);
    this.classBytes = candidates.storageClasses.map((name) => {
      let bytes = 0;
      for (const disk of request.disks) if (disk.storageClass === name) bytes += wholeNonNegative(disk.sizeBytes);
      return bytes;
    });
    // Not of the amounts: the unit they are given in must not decide between equals.
    this.hash = kind.hash;
    if (candidates.costWeight === 0) return;
    const clusters = candidates.segments.map(({ cluster }) => cluster);
    const priced = { ...request, pool: ask.request.pool };
    this.costPoints = costPermilles(priced, clusters, ask.world).map((value) => weightedPoints(value, candidates.costWeight));
    this.costOfCluster = new Map(clusters.map((cluster, segment) => [cluster, this.costPoints![segment]!]));
  }

  get size(): number {
    return this.kind.candidates.nodes.length;
  }

  /** Puts one more guest of the shape on that node and returns where that is. */
  place(request: PlacementRequest, index: number): Placement {
    const { candidates, ask } = this.kind;
    const placement = candidates.placementAt(index);
    const node = candidates.nodes[index]!;
    // The request itself is not read, only what all of the shape have in common: reading costs most where there are many.
    if (ask.world.survival !== undefined || ask.world.liveByKey.locate(request.key).length > 0) {
      occupyNode(ask.world, request, placement, node, ask.rules.apart);
    } else {
      settle(ask.world, request, this.load, node, ask.rules.apart);
      for (let slot = 0; slot < this.classBytes.length; slot++) {
        const storage = candidates.storages[index * this.classBytes.length + slot];
        if (storage !== undefined) addToStorage(storage, this.classBytes[slot]!);
      }
    }
    return placement;
  }

  /** Who wins among equals: the nodes lie on a ring by their hashes, and each kind begins somewhere else on it. */
  tie(index: number): number {
    return (this.kind.candidates.nodeHashes[index]! + this.hash) >>> 0;
  }

  score(index: number): number {
    const { candidates } = this.kind;
    const node = candidates.nodes[index]!;
    const headroom = weightedPoints(headroomPermille(node, this.cpu, this.memoryMiB), candidates.headroomWeight);
    const relief = pressureRelief(node, this.cpu, this.memoryMiB, this.storagesAt(index));
    const cost = this.costOfCluster?.get(node.cluster) ?? 0;
    return this.weigh(index, candidates.basePoints[index]! + cost + headroom + weightedPoints(relief, candidates.pressureWeight));
  }

  fits(index: number): boolean {
    const { ask, candidates, apart, own } = this.kind;
    const node = candidates.nodes[index]!;
    const { cluster } = node;
    if (this.cpu > 0 && node.cpuAllocatedMilli + this.cpu > node.cpuCapacityMilli) return false;
    if (this.memoryMiB > 0 && node.memoryAllocatedMiB + this.memoryMiB > node.memoryCapacityMiB) return false;
    const { maxVms } = cluster.facts;
    if (maxVms !== undefined && cluster.guests + 1 > maxVms) return false;
    for (const { guests, scope } of apart) if (guests.countOn(scope === "cluster" ? cluster : node) > 0) return false;
    for (const tag of own) if (tag.isRefusedOn(node)) return false;
    if (ask.rules.together.length > 0 && guestAffinity.check(ask, node).length > 0) return false;
    if (ask.rules.spread.length > 0 && ask.rules.spread.some((applies) => skewBeyond(ask, applies, node) !== undefined)) return false;
    if (!this.storageFits(index)) return false;
    return this.survivalAsk === undefined || ask.world.survival?.findUnsurvived(this.survivalAsk, node) === undefined;
  }

  /** The cluster's weight and everything that is added after it. */
  private weigh(index: number, base: number): number {
    const { candidates, ask, softGuestRules } = this.kind;
    const percent = candidates.percents[index]!;
    let points = (percent === 100 ? base : base + clusterWeightPoints(base, percent)) + candidates.extraPoints[index]!;
    for (const applies of softGuestRules) {
      if (satisfiesPreference(ask, applies, candidates.nodes[index]!)) points += applies.weight * POINTS_PER_WEIGHT;
    }
    return points;
  }

  private storageFits(index: number): boolean {
    const { storages, nodes } = this.kind.candidates;
    const classes = this.classBytes.length;
    for (let slot = 0; slot < classes; slot++) {
      const storage = storages[index * classes + slot];
      if (storage === undefined) return false;
      let bytes = 0;
      // Two classes may mean one storage.
      for (let other = 0; other < classes; other++) {
        if (storages[index * classes + other] === storage) bytes += this.classBytes[other]!;
      }
      const rules = nodes[index]!.cluster.facts.capacityRules;
      if (bytes > 0 && bytes > storageAvailableBytes(storage.facts, rules, storage.usedBytes, storage.allocatedBytes)) return false;
    }
    return true;
  }

  private storagesAt(index: number): readonly StorageState[] {
    const classes = this.classBytes.length;
    if (classes === 0) return NO_STORAGES;
    const storages: StorageState[] = [];
    for (let slot = 0; slot < classes; slot++) {
      const storage = this.kind.candidates.storages[index * classes + slot];
      if (storage !== undefined) storages.push(storage);
    }
    return storages;
  }
}

const NO_STORAGES: readonly StorageState[] = [];

/** Whether `amountShortfalls` has nothing to say, without asking it a hundred thousand times. */
function hasSoundAmounts({ cores, memoryMiB, disks }: PlacementRequest): boolean {
  return isAmount(cores) && isAmount(memoryMiB) && disks.every(({ sizeBytes }) => isAmount(sizeBytes));
}

function isAmount(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}
