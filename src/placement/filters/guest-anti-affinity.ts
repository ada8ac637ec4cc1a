import { listWords } from "../amounts";
import type { Ask } from "../ask";
import type { Rule, Shortfall } from "../model";
import { compareText } from "../order";
import { guestsWithTag, scopeWords } from "../rules";
import type { NodeState, Occupant } from "../world";
import type { NodeFilter } from "./filter";

/**
 * Hard rules that keep guests apart, both ways: the request's rules against the guests that are there, and the rules of
 * guests this run has placed against the request.
 */
export const guestAntiAffinity: NodeFilter = {
  name: "anti-affinity",
  dynamic: true,
  check(ask, node) {
    return [...ownRules(ask, node), ...rulesOfOthers(ask, node)];
  },
};

function ownRules(ask: Ask, node: NodeState): Shortfall[] {
  return ask.rules.apart.flatMap(({ rule, text }) => {
    const others = guestsWithTag(rule.value, node, rule.scope);
    return others.length === 0 ? [] : [together(node, rule, others, text)];
  });
}

function rulesOfOthers(ask: Ask, node: NodeState): Shortfall[] {
  const refused = ask.request.tags.map((tag) => tag.toLowerCase()).filter((tag) => node.cluster.tags.of(tag).isRefusedOn(node));
  if (refused.length === 0) return [];
  const samePool = ask.request.pool?.name;
  const found = node.cluster.guarded.flatMap((guarded) =>
    guarded.rules
      .filter(({ rule }) => refused.includes(rule.value.toLowerCase()) && (rule.scope === "cluster" || guarded.node === node))
      // The rule of a shared pool is the request's own rule too and has been checked as such.
      .filter(({ origin }) => origin === "guest" || guarded.guest.pool !== samePool)
      .map(({ rule, text }) => together(node, rule, [guarded.guest], `${text} of ${guarded.guest.name}`)),
  );
  // Guards are noted as guests are decided; the texts must not depend on that order.
  return found.sort((left, right) => compareText(left.text, right.text));
}

function together(node: NodeState, rule: Rule, others: readonly Pick<Occupant, "name">[], text: string): Shortfall {
  const names = listWords(
    others.map((other) => other.name),
    3,
  );
  const scope = rule.scope ?? "node";
  return {
    text: `${scopeWords(node, rule.scope)} already has ${names}, and the ${text} keeps them apart`,
    summary: `with a guest tagged ${rule.value} on the same ${scope}`,
    remedy: `add a ${scope}, or make the rule on tag ${rule.value} a should`,
    ifOthersMove: true,
  };
}
