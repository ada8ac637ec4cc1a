import type { Inventory, PlacementRequest, PlacementResult, Promised } from "../model";
import { buildWorld, type World } from "../world";
import { type DecisionFigures, RunExplainer } from "./explain-run";
import { type Decision, PlacementRun } from "./placement-run";
import { PlanExplainer } from "./plan-explainer";

/** Where many requests go together. */
export interface PlacementPlan {
  /** In the order of the requests. */
  decisions: Decision[];
  counts: Record<Decision["outcome"], number>;
  /** Bytes that the moves between clusters carry. */
  movedBytes: number;
}

export interface PlaceManyOptions {
  /** `fast` (default) and `scan` give the same plan; the scan is the reference that tests and benchmarks compare with. */
  search?: "fast" | "scan";
  /** Decided before and not yet in the inventory: they keep their places. */
  promised?: readonly Promised[];
}

/**
 * Places many requests jointly: what can stay stays; then those that must move, then new ones, each time the most
 * constrained first. Deterministic and independent of the order of the requests. Of several guests that may not be
 * together, those with the fewest bytes to carry leave.
 *
 * @throws RangeError when two requests have the same key
 */
export function placeMany(requests: readonly PlacementRequest[], inventory: Inventory, options: PlaceManyOptions = {}): PlacementPlan {
  return planIn(buildWorld(inventory, options.promised ?? [], undefined, requests), requests, options);
}

/** A plan that can still say why. */
export interface ExplainedPlan extends PlacementPlan {
  /** The figures behind each decision, in the order of the requests. Worked out when asked for. */
  figures(): DecisionFigures[];
}

/** {@link placeMany}, keeping what it takes to give the figures behind every decision without placing again. */
export function placeManyExplained(
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  options: PlaceManyOptions = {},
): ExplainedPlan {
  const world = buildWorld(inventory, options.promised ?? [], undefined, requests);
  const plan = planIn(world, requests, options);
  const figures = () => {
    const explainer = new RunExplainer(world);
    return requests.map((request, index) => explainer.figuresOf(request, plan.decisions[index]!));
  };
  return { ...plan, figures };
}

function planIn(world: World, requests: readonly PlacementRequest[], options: PlaceManyOptions): PlacementPlan {
  refuseDuplicates(requests);
  const run = new PlacementRun(world, options.search ?? "fast");
  const decisions = new Array<Decision>(requests.length);
  const { leaving, fresh } = run.keep(requests, decisions);
  run.moveAll(requests, leaving, decisions);
  run.placeAll(requests, fresh, decisions);
  return summarize(decisions);
}

/**
 * One decision of a plan in full: every candidate with score or reason, seen from the finished plan, in which all other
 * requests have their place. For several decisions of one plan use a {@link PlanExplainer}, which works that out once.
 */
export function explainDecision(
  key: string,
  plan: PlacementPlan,
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  before: readonly Promised[] = [],
): PlacementResult | undefined {
  return new PlanExplainer(plan, requests, inventory, before).explain(key);
}

function refuseDuplicates(requests: readonly PlacementRequest[]): void {
  // In ascending order, as requests often come, no two are equal and no set of all keys is needed.
  if (hasAscendingKeys(requests)) return;
  const keys = new Set<string>();
  for (const { key } of requests) {
    if (keys.has(key)) throw new RangeError(`two requests have the key ${key}; give each guest its own`);
    keys.add(key);
  }
}

function hasAscendingKeys(requests: readonly PlacementRequest[]): boolean {
  for (let index = 1, before = requests[0]?.key; index < requests.length; index++) {
    const { key } = requests[index]!;
    if (before! >= key) return false;
    before = key;
  }
  return true;
}

function summarize(decisions: Decision[]): PlacementPlan {
  const counts = { kept: 0, placed: 0, moved: 0, rejected: 0 };
  let movedBytes = 0;
  for (let index = 0; index < decisions.length; index++) {
    const { outcome, moveBytes } = decisions[index]!;
    counts[outcome] += 1;
    if (outcome === "moved") movedBytes += moveBytes ?? 0;
  }
  return { decisions, counts, movedBytes };
}
