import { isAtHome } from "../ask";
import type { ClusterFilter } from "./filter";

/** The cluster's own limit on guests, ours and others'. */
export const maxVms: ClusterFilter = {
  name: "max-vms",
  dynamic: true,
  check(ask, cluster) {
    const { id, maxVms: limit } = cluster.facts;
    if (limit === undefined || Number.isNaN(limit) || cluster.guests + 1 <= limit) return [];
    if (isAtHome(ask, cluster) || ask.held.some((own) => own.cluster === id)) return [];
    return [
      {
        text: `${id} allows ${limit} guests and has ${cluster.guests}`,
        summary: `at the limit of ${limit} guests`,
        remedy: `raise capabilities.max_vms of ${id}`,
        ifOthersMove: true,
        amount: { resource: "guests", unit: "guests", needed: 1, available: Math.max(0, limit - cluster.guests) },
      },
    ];
  },
};
