/** Which rules and which strategy hold at an instant. The instant is an input: nothing here reads a clock. */
import { describeWindow, isWithinWindow } from "../config/windows";
import type { PoolPolicy, Rule, TimeWindow } from "./model";

/** Windows are asked for the same instant over and over in one run, and a look at a time zone is slow. */
const lastAnswers = new WeakMap<TimeWindow, { instantMs: number; open: boolean }>();
const lastPolicies = new WeakMap<PoolPolicy, { instantMs: number; active: PoolPolicy }>();

/** Whether the rule holds at that instant; a rule with a window never does without one. */
export function isRuleActive({ window }: Rule, instantMs: number | undefined): boolean {
  return window === undefined || (instantMs !== undefined && isOpen(window, instantMs));
}

/** Whether what the policy says depends on the time of day. */
export function dependsOnTime(pool: PoolPolicy): boolean {
  return (pool.schedule?.length ?? 0) > 0 || pool.rules.some(({ window }) => window !== undefined);
}

/**
 * The policy as it holds at an instant (milliseconds since the epoch): without the rules whose window is closed, with the
 * strategy and weights of the first open entry of its schedule. A policy without windows is returned as it is. Rules keep
 * their window, so that explanations can name it.
 */
export function activeAt(pool: PoolPolicy, instantMs: number): PoolPolicy {
  if (!dependsOnTime(pool)) return pool;
  const known = lastPolicies.get(pool);
  if (known?.instantMs === instantMs) return known.active;
  const { schedule = [], ...rest } = pool;
  const scheduled = schedule.find(({ window }) => isOpen(window, instantMs));
  const active: PoolPolicy = { ...rest, rules: pool.rules.filter((rule) => isRuleActive(rule, instantMs)) };
  if (scheduled !== undefined) {
    active.strategy = scheduled.strategy ?? pool.strategy;
    active.clusterWeights = scheduled.clusterWeights ?? pool.clusterWeights;
    active.scheduledIn = scheduled.window;
  }
  lastPolicies.set(pool, { instantMs, active });
  return active;
}

/** `window 22:00–06:00 UTC`. */
export function windowWords(window: TimeWindow): string {
  return `window ${describeWindow(window)}`;
}

function isOpen(window: TimeWindow, instantMs: number): boolean {
  const known = lastAnswers.get(window);
  if (known?.instantMs === instantMs) return known.open;
  const open = Number.isFinite(instantMs) && isWithinWindow(window, instantMs);
  lastAnswers.set(window, { instantMs, open });
  return open;
}
