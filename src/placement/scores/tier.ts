import type { Scorer } from "./scorer";

/** 1.2 : 1.0 : 0.8, as thousandths of the highest. */
const TIER_PERMILLE = { primary: 1000, secondary: 833, edge: 667 } as const;

/** The cluster's tier. */
export const tier: Scorer = {
  term: "tier",
  measure(_ask, node) {
    return { value: TIER_PERMILLE[node.cluster.facts.tier], detail: `tier ${node.cluster.facts.tier}` };
  },
};
