import type { Rule } from "../model";
import { clusterMatches } from "../rules";
import type { ClusterFilter } from "./filter";
import { ruleShortfall } from "./rule-shortfall";

/** Hard location rules on clusters. */
export const locationRules: ClusterFilter = hardRules("location", (type) => type === "location");

/** Hard affinity and anti-affinity rules on clusters, providers, tiers, places and jurisdictions. */
export const clusterRules: ClusterFilter = hardRules("rules", (type) => type === "affinity" || type === "anti-affinity");

function hardRules(name: string, concerns: (type: Rule["type"]) => boolean): ClusterFilter {
  return {
    name,
    check(ask, { facts }) {
      return ask.rules.cluster
        .filter(({ rule }) => concerns(rule.type))
        .filter((applies) => clusterMatches(applies.rule, facts, ask.world) !== (applies.direction === "towards"))
        .map((applies) => ruleShortfall(applies, facts.id));
    },
  };
}
