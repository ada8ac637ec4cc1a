/** Whether anybody has shown that the backups of a pool can be restored. Pure. */
import type { Federation } from "../../config";
import type { DrillEntry } from "./log";

const DAY_MS = 86_400_000;
const DEFAULT_PERIOD_MS = 90 * DAY_MS;

/** Of a pool with `replication`. */
export interface RestoreProof {
  pool: string;
  /** Index in `resource_pools`. */
  index: number;
  /** The newest restore that succeeded. */
  newest?: { at: string; name: string; target: string; rtoSeconds?: number };
  /** Since the newest success, or the log's beginning. */
  failuresSince: number;
  /** How long one success counts. */
  periodMs: number;
  /** `unlogged`: no log is kept. `late`: the newest success is older than the period. */
  state: "tested" | "late" | "never" | "unlogged";
}

/** @param log in the order of the file; `undefined` where none is kept */
export function restoreProofs(federation: Federation, log: readonly DrillEntry[] | undefined, nowMs: number): RestoreProof[] {
  const periodMs = federation.failover?.drillPeriodMs ?? DEFAULT_PERIOD_MS;
  return federation.resourcePools.flatMap(({ name: pool, replication }, index): RestoreProof[] => {
    if (!replication) return [];
    if (log === undefined) return [{ pool, index, failuresSince: 0, periodMs, state: "unlogged" }];
    const own = log
      .filter((entry) => entry.federation === federation.name && entry.pool === pool)
      .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const last = own.findLastIndex(({ result }) => result === "restored");
    const failuresSince = own.length - 1 - last;
    const newest = own[last];
    if (!newest) return [{ pool, index, failuresSince, periodMs, state: "never" }];
    const { at, name, target, rtoSeconds } = newest;
    const found = { at, name, target, ...(rtoSeconds === undefined ? {} : { rtoSeconds }) };
    const state = nowMs - Date.parse(at) > periodMs ? "late" : "tested";
    return [{ pool, index, newest: found, failuresSince, periodMs, state }];
  });
}

/** What is to be objected to; `undefined` for a pool whose restore is tested. */
export function proofProblem({ pool, state, newest, failuresSince, periodMs }: RestoreProof, nowMs: number): string | undefined {
  const days = (spanMs: number) => `${Math.floor(spanMs / DAY_MS)} d`;
  const failed = failuresSince === 0 ? "" : `, and ${failuresSince} failed since`;
  switch (state) {
    case "tested":
      return undefined;
    case "unlogged":
      return `nothing records whether the backups of pool \`${pool}\` can be restored`;
    case "never":
      return failuresSince === 0
        ? `no restore of pool \`${pool}\` has ever been tested`
        : `no restore of pool \`${pool}\` has ever succeeded (tried: ${failuresSince})`;
    case "late":
      return `the last tested restore of pool \`${pool}\` was ${days(nowMs - Date.parse(newest?.at ?? ""))} ago (${newest?.name})${failed}; one is due every ${days(periodMs)}`;
  }
}
