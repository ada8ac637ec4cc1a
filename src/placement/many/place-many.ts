import type { Inventory, PlacementRequest, PlacementResult, Promised } from "../model";
import { explainInWorld } from "../place-one";
import { buildWorld } from "../world";
import { type Decision, PlacementRun } from "./placement-run";

/** Where many requests go together. */
export interface PlacementPlan {
  /** In the order of the requests. */
  decisions: Decision[];
  counts: Record<Decision["outcome"], number>;
  /** Bytes that the moves between clusters carry. */
  movedBytes: number;
}

export interface PlaceManyOptions {
  /** `heap` (default) and `scan` give the same plan; the scan is the reference that tests and benchmarks compare with. */
  search?: "heap" | "scan";
}

/**
 * Places many requests jointly: what can stay stays; then those that must move, then new ones, each time the most
 * constrained first. Deterministic and independent of the order of the requests. Of several guests that may not be
 * together, those with the fewest bytes to carry leave.
 *
 * @throws RangeError when two requests have the same key
 */
export function placeMany(requests: readonly PlacementRequest[], inventory: Inventory, options: PlaceManyOptions = {}): PlacementPlan {
  refuseDuplicates(requests);
  const run = new PlacementRun(buildWorld(inventory, []), options.search ?? "heap");
  const decisions = new Array<Decision>(requests.length);
  const wanted = requests.map((request, index) => run.want(request, index));
  const leaving = run.keep(wanted, decisions);
  for (const { request, index } of run.mostConstrainedFirst(leaving)) decisions[index] = run.move(request);
  const fresh = wanted.filter(({ request }) => request.prior === undefined);
  for (const { request, index } of run.mostConstrainedFirst(fresh)) decisions[index] = run.placeNew(request);
  return summarize(decisions);
}

/**
 * One decision of a plan in full: every candidate with score or reason, seen from the finished plan, in which all other
 * requests have their place.
 */
export function explainDecision(
  key: string,
  plan: PlacementPlan,
  requests: readonly PlacementRequest[],
  inventory: Inventory,
): PlacementResult | undefined {
  const index = requests.findIndex((request) => request.key === key);
  const request = requests[index];
  const decision = plan.decisions[index];
  if (request === undefined || decision === undefined) return undefined;
  const promised: Promised[] = requests.flatMap((other, position) => {
    const placement = plan.decisions[position]?.placement;
    return position === index || placement === undefined ? [] : [{ request: other, placement }];
  });
  return explainInWorld(request, buildWorld(inventory, promised, key), decision);
}

function refuseDuplicates(requests: readonly PlacementRequest[]): void {
  const keys = new Set<string>();
  for (const { key } of requests) {
    if (keys.has(key)) throw new RangeError(`two requests have the key ${key}; give each guest its own`);
    keys.add(key);
  }
}

function summarize(decisions: Decision[]): PlacementPlan {
  const counts = { kept: 0, placed: 0, moved: 0, rejected: 0 };
  let movedBytes = 0;
  for (const { outcome, moveBytes } of decisions) {
    counts[outcome] += 1;
    if (outcome === "moved") movedBytes += moveBytes ?? 0;
  }
  return { decisions, counts, movedBytes };
}
