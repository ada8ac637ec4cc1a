import { type PlacementPlan, placeMany } from "../many/place-many";
import type { Decision } from "../many/placement-run";
import type { Inventory, PlacementRequest } from "../model";
import { compareText } from "../order";
import { buildWorld } from "../world";
import { costOf, RepairCase } from "./case";
import { addCosts, FREE, localBytesOf } from "./cost";
import { scopesOf } from "./scope";
import { searchRepair } from "./search";

export interface RepairOptions {
  /**
   * Whether guests whose place is good may be moved so that others get one. Default false: then only those that break a rule
   * move, and a guest that fits nowhere is refused.
   */
  makeRoom?: boolean;
  /** With `makeRoom`: how many guests may be moved for others, per part of the federation. Default 8. */
  mostDisplaced?: number;
  /** Steps of search per part of the federation; more find better plans in tight places. Default 50,000. */
  steps?: number;
}

export interface RepairPlan extends PlacementPlan {
  /** Bytes inside clusters that the moves carry: memory, and disks that leave their storage. */
  localBytes: number;
  /** Keys of guests that move only to make room for others. */
  displaced: string[];
  /** True when no cheaper plan exists (for the guests that may move): everything was looked at. */
  isProven: boolean;
}

const DEFAULT_STEPS = 50_000;
export const DEFAULT_DISPLACED = 8;

/**
 * `placeMany`, and then the cheapest way to repair what had to be repaired: first as few guests without a place as possible,
 * then the fewest bytes between clusters, then inside them. With `makeRoom`, guests that are well where they are move where
 * that gives others a place, or saves bytes. The result is never worse than that of `placeMany`, and obeys every `must`.
 *
 * Small federations are searched as a whole, larger ones around each guest in trouble.
 *
 * @throws RangeError when two requests have the same key
 */
export function repairPlacement(requests: readonly PlacementRequest[], inventory: Inventory, options: RepairOptions = {}): RepairPlan {
  const { makeRoom = false, steps = DEFAULT_STEPS, mostDisplaced = DEFAULT_DISPLACED } = options;
  const plan = placeMany(requests, inventory);
  const decisions = new Map(plan.decisions.map((decision) => [decision.key, decision]));
  const displaced = new Set<string>();
  let isProven = true;
  for (const scope of scopesOf(requests, plan.decisions, inventory)) {
    const part = new RepairCase(scope, requests, decisions, inventory, makeRoom);
    const { model } = part;
    if (model === undefined) continue;
    const found = searchRepair(model, {
      steps,
      mostDisplaced: makeRoom ? mostDisplaced : 0,
      // A small federation is searched only once: that may take longer than one of many parts.
      isThorough: scope.isWhole,
      planned: part.plannedIn(model),
      accepts: (assignment) => part.accepts(model, assignment),
    });
    isProven &&= found.isProven && scope.isWhole;
    if (found.assignment === undefined) continue;
    const better = part.decide(model, found.assignment);
    for (const decision of better.decisions) decisions.set(decision.key, decision);
    for (const key of better.displaced) displaced.add(key);
  }
  return repairPlanOf(
    plan.decisions.map(({ key }) => decisions.get(key)!),
    requests,
    inventory,
    [...displaced].sort(compareText),
    isProven,
  );
}

export function repairPlanOf(
  decisions: Decision[],
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  displaced: string[],
  isProven: boolean,
): RepairPlan {
  const counts = { kept: 0, placed: 0, moved: 0, rejected: 0 };
  const world = buildWorld(inventory, []);
  let cost = FREE;
  decisions.forEach((decision, index) => {
    counts[decision.outcome] += 1;
    if (decision.outcome === "moved") cost = addCosts(cost, costOf(requests[index]!, decision, world));
  });
  return { decisions, counts, movedBytes: cost[1], localBytes: localBytesOf(cost), displaced, isProven };
}
