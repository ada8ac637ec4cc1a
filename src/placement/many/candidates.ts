import { type Ask, storageIds } from "../ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../filters";
import type { Placement } from "../model";
import { hashText } from "../order";
import { type AppliedRule, concernsGuests, isClusterLevel } from "../rules";
import { clusterPercent, LOCATION_WEIGHT, scoringOf } from "../scores";
import { distance } from "../scores/distance";
import { weightedPoints } from "../scores/normalize";
import { POINTS_PER_WEIGHT, satisfiesPreference } from "../scores/preferences";
import type { Scorer } from "../scores/scorer";
import { STRATEGIES } from "../scores/strategies";
import type { ClusterState, NodeState, StorageState } from "../world";

/** Terms that change as guests are placed or with the amounts asked for. */
const VARIABLE_TERMS = ["headroom", "pressure", "cost"];
/** Terms that are the same on all nodes of a cluster. */
const CLUSTER_TERMS = ["tier", "distance"];

/** The nodes of one cluster among the candidates: from `start` until before `end`. */
export interface Segment {
  cluster: ClusterState;
  start: number;
  end: number;
  /** The pool's weight of the cluster. */
  percent: number;
}

/**
 * The nodes that could ever take requests of some kinds, and the part of their score that stays as it is while guests are
 * placed. Every filter and term that cannot change during the run is evaluated here, once.
 */
export class Candidates {
  /** In key order. */
  readonly nodes: readonly NodeState[];
  readonly segments: readonly Segment[];
  readonly nodeHashes: Uint32Array;
  /** The nodes by falling hash: the order on the ring that decides between equals, see `ringStart`. */
  readonly ring: Int32Array;
  /** Fixed points per node, before and after the cluster's weight is applied. */
  readonly basePoints: Int32Array;
  readonly extraPoints: Int32Array;
  /** The pool's weight of the node's cluster. */
  readonly percents: Int32Array;
  readonly headroomWeight: number;
  readonly pressureWeight: number;
  /** Above 0: a cost term that depends on the amounts. */
  readonly costWeight: number;
  /** `storages[i * storageClasses.length + c]`: the storage of disk class c on node i. */
  readonly storages: readonly (StorageState | undefined)[];
  /** Per node those of its `storages` that it has. */
  readonly storagesAt: readonly (readonly StorageState[])[];
  /** Distinct storage classes of the disks, in order. */
  readonly storageClasses: readonly string[];
  /** At least 1. */
  readonly largestCpu: number;
  readonly largestMemoryMiB: number;
  private readonly placements: (Placement | undefined)[];

  /** @param ask of any request of these kinds; its amounts do not matter */
  constructor(private readonly ask: Ask) {
    this.segments = segmentsOf(ask);
    this.nodes = this.segments.flatMap(({ cluster, start, end }) => nodesThatPass(ask, cluster, end - start));
    this.nodeHashes = Uint32Array.from(this.nodes, (node) => hashText(node.key) >>> 0);
    const byHash = (left: number, right: number) => this.nodeHashes[right]! - this.nodeHashes[left]! || left - right;
    this.ring = Int32Array.from(this.nodes, (_, index) => index).sort(byHash);
    this.basePoints = new Int32Array(this.nodes.length);
    this.extraPoints = new Int32Array(this.nodes.length);
    this.percents = Int32Array.from(this.segments.flatMap(({ start, end, percent }) => new Array<number>(end - start).fill(percent)));
    const weights = new Map(STRATEGIES[scoringOf(ask).strategy].map(({ scorer, weight }) => [scorer.term, weight]));
    this.headroomWeight = weights.get("headroom") ?? 0;
    this.pressureWeight = weights.get("pressure") ?? 0;
    this.costWeight = weights.get("cost") ?? 0;
    this.storageClasses = [...new Set(ask.request.disks.map((disk) => disk.storageClass))];
    this.storages = this.findStorages();
    this.storagesAt = this.listStorages();
    this.largestCpu = this.nodes.reduce((most, node) => Math.max(most, node.cpuCapacityMilli), 1);
    this.largestMemoryMiB = this.nodes.reduce((most, node) => Math.max(most, node.memoryCapacityMiB), 1);
    this.placements = new Array<Placement | undefined>(this.nodes.length).fill(undefined);
    this.addFixedPoints();
  }

  /** Position on the ring where a kind of that hash begins: from there to the end, then from 0, the sums of the hashes fall. */
  ringStart(hash: number): number {
    // Before it the sum of the hashes overflows.
    const overflow = 2 ** 32 - (hash >>> 0);
    let low = 0;
    let high = this.ring.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.nodeHashes[this.ring[middle]!]! < overflow) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The place that candidate means for these kinds. One frozen object for all guests that go there. */
  placementAt(index: number): Placement {
    const known = this.placements[index];
    if (known !== undefined) return known;
    const { cluster, facts } = this.nodes[index]!;
    const storages = storageIds(this.ask, cluster).map((id) => id ?? "");
    Object.freeze(storages);
    const placement = Object.freeze({ cluster: cluster.facts.id, node: facts.name, storages });
    this.placements[index] = placement;
    return placement;
  }

  private findStorages(): (StorageState | undefined)[] {
    const { disks } = this.ask.request;
    const firstDisk = this.storageClasses.map((name) => disks.findIndex((disk) => disk.storageClass === name));
    return this.segments.flatMap(({ cluster, start, end }) => {
      const ids = storageIds(this.ask, cluster);
      return this.nodes.slice(start, end).flatMap((node) => firstDisk.map((disk) => node.storages.get(ids[disk] ?? "")));
    });
  }

  private listStorages(): (readonly StorageState[])[] {
    const classes = this.storageClasses.length;
    let last: readonly StorageState[] = [];
    return this.nodes.map((_, index) => {
      const storages = this.storages.slice(index * classes, (index + 1) * classes).filter((storage) => storage !== undefined);
      // Nodes of a cluster mostly share their storages, and then the list.
      if (storages.length !== last.length || storages.some((storage, slot) => storage !== last[slot])) last = storages;
      return last;
    });
  }

  private addFixedPoints(): void {
    const { ask } = this;
    const { strategy, preferLocation } = scoringOf(ask);
    const fixed = STRATEGIES[strategy].filter(({ scorer }) => !VARIABLE_TERMS.includes(scorer.term));
    const places = ask.rules.soft.filter(({ rule }) => !concernsGuests(rule, ask.world.placeTags));
    const clusterRules = places.filter(({ rule }) => isClusterLevel(rule));
    const nodeRules = places.filter(({ rule }) => !isClusterLevel(rule));
    for (const { start, end } of this.segments) {
      // With thousands of rules it matters to look at what a cluster decides once per cluster.
      const first = this.nodes[start];
      if (first === undefined) continue;
      const points = (scorer: Scorer, weight: number, node: NodeState) => weightedPoints(scorer.measure(ask, node).value, weight);
      const shared = fixed.filter(({ scorer }) => CLUSTER_TERMS.includes(scorer.term));
      const base = shared.reduce((sum, { scorer, weight }) => sum + points(scorer, weight, first), 0);
      const preferredPlace = preferLocation ? points(distance, LOCATION_WEIGHT, first) : 0;
      const extra = preferredPlace + preferred(ask, clusterRules, first);
      for (let index = start; index < end; index++) {
        const node = this.nodes[index]!;
        this.basePoints[index] = base;
        for (const { scorer, weight } of fixed) {
          if (!CLUSTER_TERMS.includes(scorer.term)) this.basePoints[index]! += points(scorer, weight, node);
        }
        this.extraPoints[index] = extra + preferred(ask, nodeRules, node);
      }
    }
  }
}

/** Whether the filters that do not change during a run let the request onto the cluster. */
export function passesCluster(ask: Ask, cluster: ClusterState): boolean {
  // Amounts are looked at request by request.
  return CLUSTER_FILTERS.every((filter) => filter.dynamic || filter.name === "request" || filter.check(ask, cluster).length === 0);
}

/** The same for a node of a cluster that passed. */
export function passesNode(ask: Ask, node: NodeState): boolean {
  return NODE_FILTERS.every((filter) => filter.dynamic || filter.check(ask, node).length === 0);
}

function segmentsOf(ask: Ask): Segment[] {
  let start = 0;
  return ask.world.clusters.flatMap((cluster) => {
    if (!passesCluster(ask, cluster)) return [];
    const size = cluster.nodes.filter((node) => passesNode(ask, node)).length;
    if (size === 0) return [];
    const segment = { cluster, start, end: start + size, percent: clusterPercent(ask, cluster.facts.id) };
    start += size;
    return [segment];
  });
}

function nodesThatPass(ask: Ask, cluster: ClusterState, size: number): readonly NodeState[] {
  return size === cluster.nodes.length ? cluster.nodes : cluster.nodes.filter((node) => passesNode(ask, node));
}

function preferred(ask: Ask, rules: readonly AppliedRule[], node: NodeState): number {
  let points = 0;
  for (const applies of rules) if (satisfiesPreference(ask, applies, node)) points += applies.weight * POINTS_PER_WEIGHT;
  return points;
}
