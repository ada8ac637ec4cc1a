import type { PlacementRequest, Shortfall } from "../model";
import { describeRule, isDoubleNegation } from "../rules";
import type { ClusterFilter } from "./filter";

/** A request whose figures mean nothing is refused everywhere, rather than placed as if it needed nothing. */
export const requestValid: ClusterFilter = {
  name: "request",
  check({ request }) {
    return [...amountShortfalls(request), ...ruleShortfalls(request)];
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

/** Rules that validation should have refused. */
export function ruleShortfalls(request: PlacementRequest): Shortfall[] {
  return [...(request.pool?.rules ?? []), ...request.rules].filter(isDoubleNegation).map((rule) => ({
    text: `rule "${describeRule(rule)}" is a double negation`,
    summary: `cannot follow rule "${describeRule(rule)}"`,
    remedy: `write "affinity ${rule.operator === "must_not" ? "must" : "should"}" if guests shall be together, or drop the rule`,
    ifOthersMove: false,
  }));
}
