import { type Ask, storageIds } from "../ask";
import { type AppliedRule, clusterMatches, concernsGuests, isClusterLevel, nodeMatches } from "../rules";
import { skewBeyond } from "../spread";
import { countTag } from "../tag-index";
import type { NodeState } from "../world";

/** Points of one `should` of weight 1. At weight 100 a rule outweighs most of what a strategy can tell two nodes apart by. */
export const POINTS_PER_WEIGHT = 4;

/** Points for every `should` and `should_not` the node satisfies; nothing for the others. */
export function preferencePoints(ask: Ask, node: NodeState): { term: string; points: number; detail: string }[] {
  return ask.rules.soft.map((applies) => {
    const satisfied = satisfiesPreference(ask, applies, node);
    return {
      term: "rule",
      points: satisfied ? applies.weight * POINTS_PER_WEIGHT : 0,
      detail: `${satisfied ? "satisfies" : "does not satisfy"} the ${applies.text} of weight ${applies.weight}`,
    };
  });
}

/** Whether the node is what the rule prefers. */
export function satisfiesPreference(ask: Ask, applies: AppliedRule, node: NodeState): boolean {
  return isThere(ask, applies, node) === (applies.direction === "towards");
}

function isThere(ask: Ask, applies: AppliedRule, node: NodeState): boolean {
  const { rule } = applies;
  if (rule.type === "spread") return skewBeyond(ask, applies, node) === undefined;
  if (concernsGuests(rule, ask.world.placeTags)) {
    return countTag(rule.scope === "cluster" ? node.cluster : node, rule.value.toLowerCase()) > 0;
  }
  if (isClusterLevel(rule)) return clusterMatches(rule, node.cluster.facts, ask.world);
  const storages = storageIds(ask, node.cluster).map((id) => id ?? "");
  return nodeMatches(applies, node, storages, ask.request);
}
