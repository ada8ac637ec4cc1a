import type { PlacementRequest, Shortfall } from "../model";
import { describeRule, ruleDefect } from "../rules";
import { dependsOnTime } from "../time";
import type { ClusterFilter } from "./filter";

/** A request whose figures mean nothing is refused everywhere, rather than placed as if it needed nothing. */
export const requestValid: ClusterFilter = {
  name: "request",
  check({ request, world }) {
    return [...amountShortfalls(request), ...ruleShortfalls(request, world.instantMs)];
  },
};

/** Amounts that are none. */
export function amountShortfalls(request: PlacementRequest): Shortfall[] {
  const shortfalls: Shortfall[] = [];
  const demand = (name: string, value: number): void => {
    if (Number.isFinite(value) && value >= 0) return;
    shortfalls.push({
      text: `${request.name} asks for ${name} ${value}, which is no amount`,
      summary: `cannot be asked for ${name} ${value}`,
      remedy: `give ${name} as a finite number of at least 0`,
      ifOthersMove: false,
    });
  };
  demand("cores", request.cores);
  demand("memoryMiB", request.memoryMiB);
  for (const disk of request.disks) demand(`disk ${disk.name} sizeBytes`, disk.sizeBytes);
  return shortfalls;
}

/** Rules that validation should have refused, and rules of some hours where the hour is not known. */
export function ruleShortfalls(request: PlacementRequest, instantMs: number | undefined): Shortfall[] {
  const rules = [...(request.pool?.rules ?? []), ...request.rules];
  const defects = rules.flatMap((rule): Shortfall[] => {
    const defect = ruleDefect(rule);
    if (defect === undefined) return [];
    return [
      {
        text: `rule "${describeRule(rule)}" ${defect.why}`,
        summary: `cannot follow rule "${describeRule(rule)}"`,
        remedy: `${defect.instead}, or drop the rule`,
        ifOthersMove: false,
      },
    ];
  });
  return instantMs === undefined ? [...defects, ...timelessShortfalls(request)] : defects;
}

function timelessShortfalls({ name, pool, rules }: PlacementRequest): Shortfall[] {
  if (!rules.some(({ window }) => window !== undefined) && (pool === undefined || !dependsOnTime(pool))) return [];
  return [
    {
      text: `the policy of ${name} depends on the time of day, and for which moment to decide was not given`,
      summary: "cannot tell which time windows are open",
      remedy: "give the instant for which to decide",
      ifOthersMove: false,
    },
  ];
}
