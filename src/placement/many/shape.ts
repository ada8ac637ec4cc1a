import { storageAvailableBytes } from "../capacity";
import { guestAffinity } from "../filters/guest-affinity";
import type { Placement, PlacementRequest } from "../model";
import { wholeNonNegative } from "../numbers";
import { hashText, mixHashes } from "../order";
import { cost } from "../scores/cost";
import { headroomPermille } from "../scores/headroom";
import { clusterWeightPoints, weightedPoints } from "../scores/normalize";
import { POINTS_PER_WEIGHT, satisfiesPreference } from "../scores/preferences";
import { pressureRelief } from "../scores/pressure";
import { countTag } from "../tag-counts";
import { cpuMilli, occupy, type StorageState } from "../world";
import type { Kind } from "./kind";
import { shapeText } from "./signature";

/**
 * Requests of one kind and the same amounts: interchangeable, so that what is known about a node for one of them holds
 * for all. Scores and fit are the same as those of the filters and scorers, computed without texts.
 */
export class Shape {
  readonly cpu: number;
  readonly memoryMiB: number;
  /** Bytes per storage class, in the kind's order. */
  private readonly classBytes: number[];
  private readonly tags: string[];
  readonly costPoints: Int32Array | undefined;
  /** Tie-breaks: interchangeable requests share one, or their heap could not. */
  private readonly hash: number;

  constructor(
    readonly kind: Kind,
    readonly request: PlacementRequest,
  ) {
    this.cpu = cpuMilli(request.cores);
    this.memoryMiB = wholeNonNegative(request.memoryMiB);
    this.classBytes = kind.storageClasses.map((name) =>
      request.disks.reduce((sum, disk) => sum + (disk.storageClass === name ? wholeNonNegative(disk.sizeBytes) : 0), 0),
    );
    this.tags = request.tags.map((tag) => tag.toLowerCase());
    this.hash = mixHashes(kind.hash, hashText(shapeText(request)));
    this.costPoints = kind.costWeight === 0 ? undefined : this.costPerNode();
  }

  get size(): number {
    return this.kind.nodes.length;
  }

  /** Puts one more guest of the shape on that node and returns where that is. */
  place(request: PlacementRequest, index: number): Placement {
    const { kind } = this;
    const node = kind.nodes[index]!;
    const ids = kind.storageIds.get(node.cluster) ?? [];
    const placement = { cluster: node.cluster.facts.id, node: node.facts.name, storages: ids.slice() };
    occupy(kind.ask.world, request, placement, kind.ask.rules.apart);
    return placement;
  }

  /** The share of the largest node this takes, by its scarcer resource; bigger is harder to place. */
  get bulk(): number {
    return Math.max(this.cpu / this.kind.largestCpu, this.memoryMiB / this.kind.largestMemoryMiB);
  }

  tie(index: number): number {
    return mixHashes(this.hash, this.kind.nodeHashes[index] ?? 0);
  }

  score(index: number): number {
    const { kind } = this;
    const node = kind.nodes[index]!;
    const headroom = weightedPoints(headroomPermille(node, this.cpu, this.memoryMiB), kind.headroomWeight);
    const relief = pressureRelief(node, this.cpu, this.memoryMiB, this.storagesAt(index));
    const base = kind.basePoints[index]! + (this.costPoints?.[index] ?? 0) + headroom + weightedPoints(relief, kind.pressureWeight);
    const percent = kind.clusterPercents[index]!;
    const weighted = percent === 100 ? base : base + clusterWeightPoints(base, percent);
    return weighted + kind.extraPoints[index]! + this.softGuestPoints(index);
  }

  fits(index: number): boolean {
    const { kind } = this;
    const node = kind.nodes[index]!;
    const { cluster } = node;
    if (this.cpu > 0 && node.cpuAllocatedMilli + this.cpu > node.cpuCapacityMilli) return false;
    if (this.memoryMiB > 0 && node.memoryAllocatedMiB + this.memoryMiB > node.memoryCapacityMiB) return false;
    const { maxVms } = cluster.facts;
    if (maxVms !== undefined && cluster.guests + 1 > maxVms) return false;
    for (const { rule } of kind.ask.rules.apart) {
      if (countTag(rule.scope === "cluster" ? cluster : node, rule.value.toLowerCase()) > 0) return false;
    }
    for (const tag of this.tags) {
      if (node.refusedTags.has(tag) || cluster.refusedTags.has(tag)) return false;
    }
    if (kind.ask.rules.together.length > 0 && guestAffinity.check(kind.ask, node).length > 0) return false;
    return this.storageFits(index);
  }

  private storageFits(index: number): boolean {
    const classes = this.classBytes.length;
    for (let slot = 0; slot < classes; slot++) {
      const storage = this.kind.storages[index * classes + slot];
      if (storage === undefined) return false;
      let bytes = 0;
      // Two classes may mean one storage.
      for (let other = 0; other < classes; other++) {
        if (this.kind.storages[index * classes + other] === storage) bytes += this.classBytes[other]!;
      }
      const rules = this.kind.nodes[index]!.cluster.facts.capacityRules;
      if (bytes > 0 && bytes > storageAvailableBytes(storage.facts, rules, storage.usedBytes, storage.allocatedBytes)) return false;
    }
    return true;
  }

  private storagesAt(index: number): readonly StorageState[] {
    const classes = this.classBytes.length;
    if (classes === 0) return NO_STORAGES;
    const storages: StorageState[] = [];
    for (let slot = 0; slot < classes; slot++) {
      const storage = this.kind.storages[index * classes + slot];
      if (storage !== undefined) storages.push(storage);
    }
    return storages;
  }

  private softGuestPoints(index: number): number {
    let points = 0;
    for (const applies of this.kind.softGuestRules) {
      if (satisfiesPreference(this.kind.ask, applies, this.kind.nodes[index]!)) points += applies.weight * POINTS_PER_WEIGHT;
    }
    return points;
  }

  private costPerNode(): Int32Array {
    const ask = { ...this.kind.ask, request: this.request };
    const points = new Map<unknown, number>();
    return Int32Array.from(this.kind.nodes, (node) => {
      const known = points.get(node.cluster) ?? weightedPoints(cost.measure(ask, node).value, this.kind.costWeight);
      points.set(node.cluster, known);
      return known;
    });
  }
}

const NO_STORAGES: readonly StorageState[] = [];
