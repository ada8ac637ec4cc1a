import type { ClusterFilter } from "./filter";

/** Nothing lands on a cluster that did not answer. What is there already never gets this far: it stays. */
export const reachable: ClusterFilter = {
  name: "reachable",
  check(_ask, { facts }) {
    if (facts.reachable) return [];
    const reason = facts.unreachableReason === undefined ? "" : `: ${facts.unreachableReason}`;
    return [
      {
        text: `${facts.id} is unreachable${reason}`,
        summary: "unreachable",
        remedy: `restore the connection to ${facts.id}`,
        ifOthersMove: false,
      },
    ];
  },
};
