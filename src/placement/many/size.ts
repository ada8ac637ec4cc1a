import type { Ask } from "../ask";
import { storageAvailableBytes } from "../capacity";
import type { PlacementRequest } from "../model";
import { cpuMilli } from "../node-state";
import { wholeNonNegative } from "../numbers";
import { costPermilles } from "../scores/cost";
import { headroomPermille } from "../scores/headroom";
import { clusterWeightPoints, weightedPoints } from "../scores/normalize";
import { pressureRelief } from "../scores/pressure";
import type { ClusterState } from "../world";
import type { Candidates } from "./candidates";

/**
 * The amounts that requests ask for, with the nodes that could take them: what is known about a node for one request of the
 * size holds for all, whatever their tags and rules about other guests. Scores and fit are the same as those of the filters
 * and scorers, computed without texts.
 */
export class Size {
  readonly cpu: number;
  readonly memoryMiB: number;
  /** False: the amounts are none; refused everywhere. */
  readonly isSound: boolean;
  /** Points of the cost term per segment of the candidates; `undefined` where the strategy has none. */
  readonly costPoints: readonly number[] | undefined;
  /** Bytes per storage class, in the candidates' order. */
  readonly classBytes: readonly number[];
  private readonly costOfCluster: ReadonlyMap<ClusterState, number> | undefined;

  /** @param ask of any request with these candidates */
  constructor(
    readonly candidates: Candidates,
    ask: Ask,
    request: PlacementRequest,
  ) {
    this.cpu = cpuMilli(request.cores);
    this.memoryMiB = wholeNonNegative(request.memoryMiB);
    this.isSound = hasSoundAmounts(request);
    this.classBytes = bytesByClass(request, candidates.storageClasses);
    if (candidates.costWeight === 0) return;
    const clusters = candidates.segments.map(({ cluster }) => cluster);
    const priced = { ...request, pool: ask.request.pool };
    this.costPoints = costPermilles(priced, clusters, ask.world).map((value) => weightedPoints(value, candidates.costWeight));
    this.costOfCluster = new Map(clusters.map((cluster, segment) => [cluster, this.costPoints![segment]!]));
  }

  /** Without the points for the company of other guests. */
  score(index: number): number {
    const { candidates } = this;
    const node = candidates.nodes[index]!;
    const headroom = weightedPoints(headroomPermille(node, this.cpu, this.memoryMiB), candidates.headroomWeight);
    const relief = weightedPoints(pressureRelief(node, this.cpu, this.memoryMiB, candidates.storagesAt[index]!), candidates.pressureWeight);
    const cost = this.costOfCluster?.get(node.cluster) ?? 0;
    const base = candidates.basePoints[index]! + cost + headroom + relief;
    const percent = candidates.percents[index]!;
    return (percent === 100 ? base : base + clusterWeightPoints(base, percent)) + candidates.extraPoints[index]!;
  }

  /** Whether the node has room. */
  fits(index: number): boolean {
    const node = this.candidates.nodes[index]!;
    if (this.cpu > 0 && node.cpuAllocatedMilli + this.cpu > node.cpuCapacityMilli) return false;
    if (this.memoryMiB > 0 && node.memoryAllocatedMiB + this.memoryMiB > node.memoryCapacityMiB) return false;
    const { facts, guests } = node.cluster;
    if (facts.maxVms !== undefined && guests + 1 > facts.maxVms) return false;
    return this.storageFits(index);
  }

  private storageFits(index: number): boolean {
    const { storages, nodes } = this.candidates;
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
}

function bytesByClass({ disks }: PlacementRequest, classes: readonly string[]): number[] {
  const bytesOf = new Array<number>(classes.length);
  for (let slot = 0; slot < classes.length; slot++) {
    let bytes = 0;
    for (let index = 0; index < disks.length; index++) {
      if (disks[index]!.storageClass === classes[slot]) bytes += wholeNonNegative(disks[index]!.sizeBytes);
    }
    bytesOf[slot] = bytes;
  }
  return bytesOf;
}

/** Whether `amountShortfalls` has nothing to say, without asking it a hundred thousand times. */
function hasSoundAmounts({ cores, memoryMiB, disks }: PlacementRequest): boolean {
  return isAmount(cores) && isAmount(memoryMiB) && disks.every(({ sizeBytes }) => isAmount(sizeBytes));
}

function isAmount(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}
