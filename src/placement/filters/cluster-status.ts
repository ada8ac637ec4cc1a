import { isAtHome } from "../ask";
import type { ClusterFilter } from "./filter";

/** Declared status: a cordoned cluster keeps what it has, a draining or lost one keeps nothing. */
export const clusterStatus: ClusterFilter = {
  name: "cluster-status",
  check(ask, cluster) {
    const { id, status } = cluster.facts;
    if (status === "active" || (status === "cordoned" && isAtHome(ask, cluster))) return [];
    return [
      {
        text: `${id} is ${status}`,
        summary: status,
        remedy: status === "lost" ? "bring up another cluster" : `set the status of ${id} back to active`,
        ifOthersMove: false,
      },
    ];
  },
};
