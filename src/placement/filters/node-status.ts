import { isAtHome } from "../ask";
import type { NodeFilter } from "./filter";

/** Declared status of the node: cordoned keeps what it has, draining keeps nothing. */
export const nodeStatus: NodeFilter = {
  name: "node-status",
  check(ask, node) {
    const { status } = node.facts;
    if (status === "active" || (status === "cordoned" && isAtHome(ask, node))) return [];
    return [
      {
        text: `node ${node.key} is ${status}`,
        summary: status,
        remedy: `set the status of node ${node.key} back to active`,
        ifOthersMove: false,
      },
    ];
  },
};
