import { isAtHome } from "../ask";
import type { NodeFilter } from "./filter";

/**
 * Nothing lands on a node that is offline. What is there stays: a reboot is no reason to restore a guest elsewhere, and
 * nothing can be moved off a node that does not answer. Declare it draining to make its guests leave.
 */
export const nodeOnline: NodeFilter = {
  name: "node-online",
  check(ask, node) {
    if (node.facts.online || isAtHome(ask, node)) return [];
    return [
      {
        text: `node ${node.key} is offline`,
        summary: "offline",
        remedy: `start node ${node.key}`,
        ifOthersMove: false,
      },
    ];
  },
};
