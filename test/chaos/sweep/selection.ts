/** Which points are tried: all, every so-many-th, a shard, one. */
import { FAULTS, pointName } from "./faults";
import type { Point } from "./sweep";

export interface Selection {
  isSample: boolean;
  scenarios(name: string): boolean;
  /** Points of each scenario, spread evenly; absent: all. */
  perScenario?: number;
  /** `scenario:index:fault`; parts may be left out from the end, or be `*`. */
  only?: string[];
  shard: { index: number; count: number };
}

/** What every `npm test` tries. */
const SAMPLE_SCENARIOS = ["vm create", "vm move cold", "disk grow", "pool create"];
const SAMPLE_POINTS = 6;

export function selection(environment: Record<string, string | undefined>): Selection {
  const { CHAOS_ONLY, CHAOS_SHARD, CHAOS_POINTS, CHAOS_ALL } = environment;
  const [index = 1, count = 1] = (CHAOS_SHARD ?? "1/1").split("/").map(Number);
  const only = CHAOS_ONLY?.split(":");
  const isSample = CHAOS_ALL === undefined && only === undefined;
  const wanted = (name: string) => (only ? isMatch(only[0], name) : !isSample || SAMPLE_SCENARIOS.includes(name));
  const perScenario = CHAOS_POINTS === undefined ? (isSample ? SAMPLE_POINTS : undefined) : Number(CHAOS_POINTS);
  return {
    isSample,
    scenarios: wanted,
    ...(perScenario === undefined ? {} : { perScenario }),
    ...(only ? { only } : {}),
    shard: { index, count },
  };
}

export function selectPoints(points: Point[], scenario: string, { only, perScenario, shard }: Selection): Point[] {
  const named = only
    ? points.filter(({ call, fault }) =>
        pointName(scenario, call, fault)
          .split(":")
          .every((part, at) => isMatch(only[at], part)),
      )
    : points;
  const mine = named.filter((_, at) => at % shard.count === shard.index - 1);
  if (perScenario === undefined || mine.length <= perScenario) return mine;
  // A stride that has no factor in common with the number of faults meets all of them.
  const stride = Math.max(1, Math.floor(mine.length / perScenario));
  const offset = stride % FAULTS.length === 0 ? 1 : 0;
  return Array.from({ length: perScenario }, (_, nth) => mine[Math.min(mine.length - 1, nth * (stride + offset))]!);
}

function isMatch(pattern: string | undefined, part: string): boolean {
  return pattern === undefined || pattern === "" || pattern === "*" || pattern === part;
}
