import type { Shortfall } from "../model";
import { describeRule, isDoubleNegation } from "../rules";
import type { ClusterFilter } from "./filter";

/** A request whose figures mean nothing is refused everywhere, rather than placed as if it needed nothing. */
export const requestValid: ClusterFilter = {
  name: "request",
  check({ request }) {
    const shortfalls: Shortfall[] = [];
    const amounts: [string, number][] = [
      ["cores", request.cores],
      ["memoryMiB", request.memoryMiB],
      ...request.disks.map((disk): [string, number] => [`disk ${disk.name} sizeBytes`, disk.sizeBytes]),
    ];
    for (const [name, value] of amounts) {
      if (Number.isFinite(value) && value >= 0) continue;
      shortfalls.push({
        text: `${request.name} asks for ${name} ${value}, which is no amount`,
        summary: `cannot be asked for ${name} ${value}`,
        remedy: `give ${name} as a finite number of at least 0`,
        ifOthersMove: false,
      });
    }
    for (const rule of [...(request.pool?.rules ?? []), ...request.rules].filter(isDoubleNegation)) {
      shortfalls.push({
        text: `rule "${describeRule(rule)}" is a double negation`,
        summary: `cannot follow rule "${describeRule(rule)}"`,
        remedy: `write "affinity ${rule.operator === "must_not" ? "must" : "should"}" if guests shall be together, or drop the rule`,
        ifOthersMove: false,
      });
    }
    return shortfalls;
  },
};
