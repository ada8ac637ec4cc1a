import type { Ask } from "../ask";
import { guestsWithTag, hasTag, scopeWords } from "../rules";
import { countTag } from "../tag-index";
import type { NodeFilter } from "./filter";

/**
 * Hard rules that bring guests together. The first guest of a group, one that carries the tag itself while no other
 * does anywhere, may go wherever else it fits.
 */
export const guestAffinity: NodeFilter = {
  name: "affinity",
  dynamic: true,
  check(ask, node) {
    return ask.rules.together
      .filter(({ rule }) => guestsWithTag(rule.value, node, rule.scope).length === 0 && !isFirstOfGroup(ask, rule.value))
      .map(({ rule, text }) => ({
        text: `${scopeWords(node, rule.scope)} has no guest tagged ${rule.value}, which the ${text} asks for`,
        summary: `without a guest tagged ${rule.value} on the same ${rule.scope ?? "node"}`,
        remedy: `place a guest tagged ${rule.value} first, or drop the rule`,
        ifOthersMove: true,
      }));
  },
};

function isFirstOfGroup(ask: Ask, tag: string): boolean {
  if (!hasTag(ask.request.tags, tag)) return false;
  return ask.world.clusters.every((cluster) => countTag(cluster, tag.toLowerCase()) === 0);
}
