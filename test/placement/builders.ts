import type {
  ClusterFacts,
  GuestFacts,
  Inventory,
  NodeFacts,
  PlacementRequest,
  PoolPolicy,
  Rule,
  StorageFacts,
} from "../../src/placement/model";

/** Plain numbers for tables: no over-commit, no reserve, so that a node of 8 cores takes 8. */
export const PLAIN_RULES: ClusterFacts["capacityRules"] = {
  overcommit: { cpu: 1, memory: 1, storage: 1 },
  reserve: { cpu: 0, memory: 0, storage: 0 },
  pressureThreshold: { cpu: 1, memory: 1, storage: 1 },
};

export const GIB = 1024 ** 3;

export function node(name: string, extra: Partial<NodeFacts> = {}): NodeFacts {
  return { name, online: true, status: "active", tags: [], cores: 8, memoryMiB: 16384, guests: [], ...extra };
}

let nextVmid = 100;

export function guest(extra: Partial<GuestFacts> = {}): GuestFacts {
  nextVmid += 1;
  return { vmid: nextVmid, cores: 1, memoryMiB: 1024, tags: [], running: true, ...extra };
}

export function storage(id: string, nodes: string[], extra: Partial<StorageFacts> = {}): StorageFacts {
  return { storage: id, nodes, shared: true, totalBytes: 1000 * GIB, usedBytes: 0, ...extra };
}

export function cluster(id: string, nodes: NodeFacts[], extra: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    id,
    reachable: true,
    status: "active",
    tier: "primary",
    tags: [],
    prices: {},
    capacityRules: PLAIN_RULES,
    storageClasses: { "": "main", fast: "main" },
    networks: ["lan"],
    images: ["debian"],
    templates: ["golden"],
    nodes,
    storages: [
      storage(
        "main",
        nodes.map(({ name }) => name),
      ),
    ],
    ...extra,
  };
}

export function inventory(...clusters: ClusterFacts[]): Inventory {
  return { clusters, links: [] };
}

export function pool(extra: Partial<PoolPolicy> = {}): PoolPolicy {
  return { name: "production", clusters: ["a", "b"], strategy: "balanced", clusterWeights: {}, rules: [], limits: {}, ...extra };
}

export function rule(text: string, extra: Partial<Rule> = {}): Rule {
  const [type, operator, target, ...value] = text.split(" ");
  return { type, operator, target, value: value.join(" "), ...extra } as Rule;
}

export function request(key: string, extra: Partial<PlacementRequest> = {}): PlacementRequest {
  return { key, name: key, cores: 1, memoryMiB: 1024, disks: [], networks: [], tags: [], rules: [], residency: [], ...extra };
}
