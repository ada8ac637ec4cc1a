import { type Ask, askFor, storageIds } from "../ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../filters";
import { ruleShortfalls } from "../filters/request-valid";
import type { PlacementRequest } from "../model";
import { hashText } from "../order";
import { type AppliedRule, concernsGuests, isClusterLevel } from "../rules";
import { clusterPercent, LOCATION_WEIGHT, scoringOf } from "../scores";
import { distance } from "../scores/distance";
import { weightedPoints } from "../scores/normalize";
import { POINTS_PER_WEIGHT, satisfiesPreference } from "../scores/preferences";
import { STRATEGIES } from "../scores/strategies";
import { type ClusterState, findStorage, type NodeState, type StorageState, type World } from "../world";
import { kindText } from "./signature";

/** What requests that differ in amounts only have in common: which nodes could ever take them, and the fixed part of each score. */
export interface Kind {
  ask: Ask;
  /** Identifies the kind in tie-breaks. */
  hash: number;
  /** In key order. */
  nodes: NodeState[];
  nodeHashes: Uint32Array;
  /** At least 1. */
  largestCpu: number;
  largestMemoryMiB: number;
  /** Fixed points per node, before and after the cluster's weight is applied. */
  basePoints: Int32Array;
  extraPoints: Int32Array;
  clusterPercents: Int32Array;
  headroomWeight: number;
  pressureWeight: number;
  /** Above 0: a cost term that depends on the amounts. */
  costWeight: number;
  /** `storages[i * classes + c]`: the storage of disk class c on node i. */
  storages: (StorageState | undefined)[];
  /** Distinct storage classes of the disks, in order. */
  storageClasses: string[];
  /** Soft rules about guests: their points change as guests are placed. */
  softGuestRules: AppliedRule[];
  /** No cluster has a weight other than 100 %. */
  isPlain: boolean;
  /** Storage id per disk, by cluster. */
  storageIds: Map<ClusterState, string[]>;
  hasSoundRules: boolean;
  /** False where neither pool limits nor anything else but nodes can refuse a request. */
  hasPoolLimits: boolean;
  /** True when placing can only make scores and fit worse, never better: what a heap with lazy updates needs. */
  worsensOnly: boolean;
}

/** Evaluates every filter that does not change during the run, and every score term likewise, once. */
export function kindOf(request: PlacementRequest, world: World): Kind {
  const ask = askFor({ ...request, prior: request.prior === undefined ? undefined : { ...request.prior, node: "", storages: [] } }, world);
  const nodes = world.clusters
    .filter((cluster) =>
      CLUSTER_FILTERS.every((filter) => filter.dynamic || filter.name === "request" || filter.check(ask, cluster).length === 0),
    )
    .flatMap((cluster) => cluster.nodes)
    .filter((node) => NODE_FILTERS.every((filter) => filter.dynamic || filter.check(ask, node).length === 0));
  const softGuestRules = ask.rules.soft.filter(({ rule }) => concernsGuests(rule, world.placeTags));
  const softPlaceRules = ask.rules.soft.filter(({ rule }) => !concernsGuests(rule, world.placeTags));
  const { strategy, preferLocation } = scoringOf(ask);
  const weights = new Map(STRATEGIES[strategy].map(({ scorer, weight }) => [scorer.term, weight]));
  const fixed = STRATEGIES[strategy].filter(({ scorer }) => !VARIABLE_TERMS.includes(scorer.term));
  const kind: Kind = {
    ask,
    hash: hashText(kindText(request)),
    nodes,
    nodeHashes: Uint32Array.from(nodes, (node) => hashText(node.key) >>> 0),
    largestCpu: nodes.reduce((most, node) => Math.max(most, node.cpuCapacityMilli), 1),
    largestMemoryMiB: nodes.reduce((most, node) => Math.max(most, node.memoryCapacityMiB), 1),
    basePoints: new Int32Array(nodes.length),
    extraPoints: new Int32Array(nodes.length),
    clusterPercents: Int32Array.from(nodes, (node) => clusterPercent(ask, node.cluster.facts.id)),
    headroomWeight: weights.get("headroom") ?? 0,
    pressureWeight: weights.get("pressure") ?? 0,
    costWeight: weights.get("cost") ?? 0,
    storages: [],
    storageClasses: [...new Set(request.disks.map((disk) => disk.storageClass))],
    softGuestRules,
    isPlain: nodes.every((node) => clusterPercent(ask, node.cluster.facts.id) === 100),
    storageIds: new Map(world.clusters.map((cluster) => [cluster, storageIds(ask, cluster).map((id) => id ?? "")])),
    hasSoundRules: ruleShortfalls(request).length === 0,
    hasPoolLimits: Object.values(request.pool?.limits ?? {}).some((limit) => limit !== undefined),
    worsensOnly: ask.rules.together.length === 0 && softGuestRules.every(({ direction }) => direction === "away"),
  };
  // With thousands of rules it matters to look at a cluster's rules once per cluster.
  const clusterRules = softPlaceRules.filter(({ rule }) => isClusterLevel(rule));
  const nodeRules = softPlaceRules.filter(({ rule }) => !isClusterLevel(rule));
  const preferred = (rules: readonly AppliedRule[], node: NodeState) =>
    rules.reduce((points, applies) => points + (satisfiesPreference(ask, applies, node) ? applies.weight * POINTS_PER_WEIGHT : 0), 0);
  const clusterPoints = new Map<ClusterState, number>();
  const ofCluster = (node: NodeState) => {
    const points = clusterPoints.get(node.cluster) ?? preferred(clusterRules, node);
    clusterPoints.set(node.cluster, points);
    return points;
  };
  nodes.forEach((node, index) => {
    for (const { scorer, weight } of fixed) kind.basePoints[index]! += weightedPoints(scorer.measure(ask, node).value, weight);
    if (preferLocation) kind.extraPoints[index]! += weightedPoints(distance.measure(ask, node).value, LOCATION_WEIGHT);
    kind.extraPoints[index]! += ofCluster(node) + preferred(nodeRules, node);
  });
  kind.storages = storagesPerNode(kind);
  return kind;
}

const VARIABLE_TERMS = ["headroom", "pressure", "cost"];

function storagesPerNode({ ask, nodes, storageClasses, storageIds: ids }: Kind): (StorageState | undefined)[] {
  const firstDisk = storageClasses.map((name) => ask.request.disks.findIndex((disk) => disk.storageClass === name));
  return nodes.flatMap((node) => firstDisk.map((disk) => findStorage(node, ids.get(node.cluster)?.[disk] ?? "")));
}
