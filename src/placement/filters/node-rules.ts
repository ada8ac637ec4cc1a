import { storageIds } from "../ask";
import { nodeMatches } from "../rules";
import type { NodeFilter } from "./filter";
import { ruleShortfall } from "./rule-shortfall";

/** Hard rules of any type on nodes, on tags of places and on storages. */
export const nodeRules: NodeFilter = {
  name: "node-rules",
  check(ask, node) {
    const { node: hard } = ask.rules;
    if (hard.length === 0) return [];
    const storages = storageIds(ask, node.cluster).map((id) => id ?? "");
    return hard
      .filter((applies) => nodeMatches(applies, node, storages, ask.request) !== (applies.direction === "towards"))
      .map((applies) => ruleShortfall(applies, node.key));
  },
};
