import type { ClusterFilter } from "./filter";

/** The cluster belongs to the request's pool. */
export const poolMember: ClusterFilter = {
  name: "pool",
  check({ request }, { facts }) {
    const { pool } = request;
    if (pool === undefined || pool.clusters.includes(facts.id)) return [];
    return [
      {
        text: `${facts.id} is not in pool ${pool.name}`,
        summary: `not in pool ${pool.name}`,
        remedy: `add ${facts.id} to the clusters of pool ${pool.name}`,
        ifOthersMove: false,
      },
    ];
  },
};
