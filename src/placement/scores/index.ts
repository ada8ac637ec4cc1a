import type { Ask } from "../ask";
import type { CandidateReport } from "../model";
import { nonNegative } from "../numbers";
import type { NodeState } from "../world";
import { distance } from "./distance";
import { clampPermille, clusterWeightPoints, weightedPoints } from "./normalize";
import { preferencePoints } from "./preferences";
import type { Scorer } from "./scorer";
import { STRATEGIES } from "./strategies";

/** Points of the preferred location under strategies that do not look at distance by themselves. */
export const LOCATION_WEIGHT = 400;

export interface Scored {
  node: NodeState;
  score: number;
  terms: Term[];
}

type Term = NonNullable<CandidateReport["terms"]>[number];

/**
 * The score of a node is the sum of its terms: the strategy's aspects (0–1000 together), the cluster's weight as a
 * percentage of these, the preferred location, and the points of soft rules.
 */
export function scoreNode(ask: Ask, node: NodeState): Scored {
  const { strategy, preferLocation } = scoringOf(ask);
  const terms = STRATEGIES[strategy].map(({ scorer, weight }) => weighted(ask, node, scorer, weight));
  const percent = clusterPercent(ask, node.cluster.facts.id);
  if (percent !== 100) {
    const points = clusterWeightPoints(sum(terms), percent);
    terms.push({ term: "cluster-weight", points, detail: `${percent} % for ${node.cluster.facts.id}` });
  }
  if (preferLocation) terms.push(weighted(ask, node, distance, LOCATION_WEIGHT));
  terms.push(...preferencePoints(ask, node));
  return { node, score: sum(terms), terms };
}

/** Which strategy counts, and whether the preferred location counts beside it. */
export function scoringOf({ request }: Ask): { strategy: keyof typeof STRATEGIES; preferLocation: boolean } {
  const strategy = request.pool?.strategy ?? "balanced";
  return { strategy, preferLocation: strategy !== "geographic" && request.location !== undefined };
}

/** The pool's weight of a cluster, in whole percent. */
export function clusterPercent({ request }: Ask, cluster: string): number {
  const weights = request.pool?.clusterWeights ?? {};
  return Object.hasOwn(weights, cluster) ? Math.round(Math.min(1000, nonNegative(weights[cluster], 100))) : 100;
}

function weighted(ask: Ask, node: NodeState, scorer: Scorer, weight: number): Term {
  const { value, detail } = scorer.measure(ask, node);
  return {
    term: scorer.term,
    points: weightedPoints(value, weight),
    detail: `${detail}: ${clampPermille(value)} of 1000, counted ${weight} ‰`,
  };
}

function sum(terms: readonly Term[]): number {
  return terms.reduce((total, { points }) => total + points, 0);
}
