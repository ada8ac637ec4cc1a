"use strict";
/** Synthetic federations for the benchmarks; the same numbers give the same federation. */

const MIB = 1024 ** 2;

const CAPACITY = {
  overcommit: { cpu: 4, memory: 1, storage: 1.5 },
  reserve: { cpu: 0.1, memory: 0.15, storage: 0.1 },
  pressureThreshold: { cpu: 0.75, memory: 0.7, storage: 0.8 },
};

/** A small linear generator: the benchmarks need repeatable figures, not good randomness. */
function generator(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

/** Clusters of 100 nodes each, with three sizes of hardware. */
function federation(nodeCount) {
  const random = generator(7);
  const clusters = [];
  for (let first = 0; first < nodeCount; first += 100) {
    const id = `cluster-${String(first / 100).padStart(3, "0")}`;
    const nodes = Array.from({ length: Math.min(100, nodeCount - first) }, (_, index) => {
      const size = [64, 96, 128][random(3)];
      return {
        name: `node-${String(index).padStart(3, "0")}`,
        online: true,
        status: "active",
        tags: [],
        cores: size,
        memoryMiB: size * 8192,
        guests: [],
      };
    });
    clusters.push({
      id,
      reachable: true,
      status: "active",
      tier: ["primary", "secondary", "edge"][random(3)],
      provider: `provider-${random(4)}`,
      location: { name: ["Amsterdam", "Helsinki", "Singapore", "New York"][random(4)] },
      tags: [],
      prices: { perCoreMonth: 5 + random(5), perMemoryGiBMonth: 2 },
      capacityRules: CAPACITY,
      storageClasses: { "": "main" },
      networks: ["lan"],
      images: ["debian"],
      templates: [],
      nodes,
      storages: [{ storage: "main", nodes: nodes.map(({ name }) => name), shared: true, totalBytes: 2 ** 52, usedBytes: 0 }],
    });
  }
  return { clusters, links: [] };
}

/**
 * @param shapes how many different sizes there are; 0 makes every guest's size its own
 */
function guests(count, shapes, pool) {
  const random = generator(11);
  const sizes = Array.from({ length: shapes }, () => ({ cores: 1 + random(8), memoryMiB: 1024 * (1 + random(16)), diskMiB: 32_768 }));
  return Array.from({ length: count }, (_, index) => {
    const key = `vm-${String(index).padStart(7, "0")}`;
    const own = { cores: 1 + random(8), memoryMiB: 1024 + (index % 16_000), diskMiB: 32_768 + index };
    const { cores, memoryMiB, diskMiB } = shapes === 0 ? own : sizes[random(shapes)];
    return {
      key,
      name: key,
      cores,
      memoryMiB,
      disks: [{ name: "scsi0", storageClass: "", sizeBytes: diskMiB * MIB }],
      networks: ["lan"],
      tags: [],
      rules: [],
      residency: [],
      pool,
    };
  });
}

function poolOf(inventory, extra = {}) {
  return {
    name: "production",
    clusters: inventory.clusters.map(({ id }) => id),
    strategy: "balanced",
    clusterWeights: {},
    rules: [],
    limits: {},
    ...extra,
  };
}

/** The federation once the plan has been carried out, and the same requests with their places as prior. */
function applied(inventory, requests, plan) {
  const byPlace = new Map();
  const again = requests.map((request, index) => {
    const { placement } = plan.decisions[index];
    if (placement === undefined) return request;
    const place = `${placement.cluster}/${placement.node}`;
    if (!byPlace.has(place)) byPlace.set(place, []);
    byPlace.get(place).push({
      key: request.key,
      vmid: 100 + index,
      name: request.name,
      cores: request.cores,
      memoryMiB: request.memoryMiB,
      tags: request.tags,
      pool: request.pool?.name,
      running: true,
    });
    return withPrior(request, placement);
  });
  const clusters = inventory.clusters.map((cluster) => ({
    ...cluster,
    nodes: cluster.nodes.map((node) => ({ ...node, guests: byPlace.get(`${cluster.id}/${node.name}`) ?? [] })),
  }));
  return { inventory: { clusters, links: [] }, requests: again };
}

/**
 * Written out, as the providers and the CLI build their requests. `{ ...request, prior }` would measure something else in
 * Node 20, where V8 gives each object built like that a hidden class of its own; see the case `replan-copied`.
 */
function withPrior({ key, name, cores, memoryMiB, disks, networks, tags, rules, residency, pool }, prior) {
  return { key, name, cores, memoryMiB, disks, networks, tags, rules, residency, pool, prior };
}

module.exports = { applied, federation, guests, poolOf };
