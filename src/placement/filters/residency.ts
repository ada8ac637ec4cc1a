import { listWords } from "../amounts";
import type { Shortfall } from "../model";
import { clusterMatches, matchesLocation } from "../rules";
import type { ClusterFilter } from "./filter";
import { ruleShortfall } from "./rule-shortfall";

/** The request's own residency (any one of its entries) and residency rules: by jurisdiction, exactly, or by place. */
export const residency: ClusterFilter = {
  name: "residency",
  check(ask, { facts }) {
    const shortfalls: Shortfall[] = [];
    const { request } = ask;
    const satisfies = (entry: string) => facts.jurisdiction === entry || matchesLocation(facts, entry);
    if (request.residency.length > 0 && !request.residency.some(satisfies)) {
      const wanted = listWords(request.residency);
      const actual = [facts.jurisdiction, facts.location?.name].filter((part) => part !== undefined).join(", ");
      shortfalls.push({
        text: `${request.name} must stay in ${wanted}; ${facts.id} is in ${actual === "" ? "no declared jurisdiction or location" : actual}`,
        summary: `outside ${wanted}`,
        remedy: `add a cluster in ${wanted}, or declare the jurisdiction of the one that is`,
        ifOthersMove: false,
      });
    }
    for (const applies of ask.rules.cluster) {
      if (applies.rule.type !== "residency") continue;
      if (clusterMatches(applies.rule, facts, ask.world) !== (applies.direction === "towards")) {
        shortfalls.push(ruleShortfall(applies, facts.id));
      }
    }
    return shortfalls;
  },
};
