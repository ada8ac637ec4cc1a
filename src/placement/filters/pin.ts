import type { ClusterFilter, NodeFilter } from "./filter";

/** The request is pinned to a cluster. */
export const pinnedCluster: ClusterFilter = {
  name: "pin",
  check({ request }, { facts }) {
    const cluster = request.pin?.cluster;
    if (cluster === undefined || cluster === facts.id) return [];
    return [
      {
        text: `${request.name} is pinned to cluster ${cluster}, this is ${facts.id}`,
        summary: `not the pinned cluster ${cluster}`,
        remedy: `remove the pin to cluster ${cluster}`,
        ifOthersMove: false,
      },
    ];
  },
};

/** The request is pinned to a node. */
export const pinnedNode: NodeFilter = {
  name: "pin",
  check({ request }, node) {
    const pin = request.pin?.node;
    if (pin === undefined || pin === node.facts.name || pin === node.key) return [];
    return [
      {
        text: `${request.name} is pinned to node ${pin}, this is ${node.facts.name}`,
        summary: `not the pinned node ${pin}`,
        remedy: `remove the pin to node ${pin}`,
        ifOthersMove: false,
      },
    ];
  },
};
