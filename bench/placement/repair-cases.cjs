"use strict";
/**
 * Random federations of up to 12 nodes with something to repair: tight memory, groups that may not share a node (or
 * cluster), drained nodes and clusters, storage classes that only some clusters have, local disks, pinned guests. The same
 * seed gives the same case.
 */
const GIB = 2 ** 30;

function repairCase(seed) {
  const random = randomOf(seed);
  const nodeCount = random.between(3, 12);
  const clusterCount = random.between(1, Math.min(3, Math.floor(nodeCount / 2)));
  const fill = random.pick([0.5, 0.7, 0.8, 0.9, 0.97]);
  const clusters = Array.from({ length: clusterCount }, (_, index) => emptyCluster(`c${index}`, random));
  for (let index = 0; index < nodeCount; index++) addNode(clusters[index % clusterCount], random);
  const groups = Array.from({ length: random.between(1, 4) }, (_, index) => `group-${index}`);
  const pool = {
    name: "production",
    clusters: clusters.map(({ id }) => id),
    strategy: random.pick(["balanced", "performance", "cost"]),
    clusterWeights: {},
    rules: groups.map((value, index) => ({ type: "anti-affinity", target: "tag", operator: "must", value, scope: index === 3 ? "cluster" : "node" })),
    limits: {},
  };
  const requests = [];
  for (const cluster of clusters) {
    for (const node of cluster.nodes) fillNode(cluster, node, fill, pool, requests, random);
    finishStorages(cluster, random);
  }
  groups.forEach((group, index) => tagSome(group, index === 3 ? clusterCount : nodeCount, requests, random));
  trouble(clusters, requests, random);
  for (const cluster of clusters) {
    const guests = cluster.nodes.reduce((sum, node) => sum + node.guests.length, 0);
    if (random.chance(0.2)) cluster.maxVms = guests + random.between(0, 4);
  }
  const links = clusters.flatMap(({ id: from }) => clusters.filter(({ id }) => id !== from).map(({ id: to }) => ({ from, to, bandwidthBitsPerSecond: 1e9 })));
  return { requests, inventory: { clusters, links } };
}

function emptyCluster(id, random) {
  const hasFast = random.chance(0.6);
  return {
    id,
    reachable: true,
    status: "active",
    tier: "primary",
    tags: [],
    prices: {},
    capacityRules: {
      overcommit: { cpu: 4, memory: 1, storage: 1.5 },
      reserve: { cpu: 0.1, memory: 0.15, storage: 0.1 },
      pressureThreshold: { cpu: 0.75, memory: 0.7, storage: 0.8 },
    },
    storageClasses: { "": "main", local: "scratch", ...(hasFast ? { fast: "flash" } : {}) },
    networks: ["lan"],
    images: [],
    templates: [],
    nodes: [],
    storages: [],
  };
}

function addNode(cluster, random) {
  cluster.nodes.push({
    name: `${cluster.id}n${cluster.nodes.length}`,
    online: true,
    status: "active",
    tags: [],
    cores: random.pick([8, 16, 32]),
    memoryMiB: random.pick([16, 32, 48, 64]) * 1024,
    guests: [],
  });
}



function fillNode(cluster, node, fill, pool, requests, random) {
  const limit = node.memoryMiB * 0.85;
  let used = 0;
  for (;;) {
    const memoryMiB = random.pick([1, 2, 3, 4, 6, 8, 12]) * 1024;
    if (used + memoryMiB > limit * fill) return;
    used += memoryMiB;
    const vmid = 100 + requests.length * 2 + (random.chance(0.5) ? 1 : 0);
    const name = `vm-${requests.length}-${vmid}`;
    const isOurs = random.chance(0.85);
    const cores = random.pick([1, 1, 2, 4]);
    const tags = [];
    const disks = Array.from({ length: random.between(1, 2) }, (_, index) => ({
      name: `scsi${index}`,
      storageClass: random.chance(0.15) ? "local" : cluster.storageClasses.fast !== undefined && random.chance(0.3) ? "fast" : "",
      sizeBytes: random.pick([8, 20, 32, 50, 100, 250]) * GIB,
    }));
    const storages = disks.map(({ storageClass }) => cluster.storageClasses[storageClass]);
    const live = disks.map(({ sizeBytes }, index) => ({ storage: storages[index], sizeBytes }));
    if (!isOurs) {
      node.guests.push({ vmid, name, cores, memoryMiB, tags, running: true, disks: live });
      continue;
    }
    node.guests.push({ key: name, vmid, name, cores, memoryMiB, tags, pool: pool.name, running: true, disks: live });
    const pin = random.chance(0.06) ? { cluster: cluster.id } : random.chance(0.03) ? { node: node.name } : undefined;
    requests.push({
      key: name,
      name,
      cores,
      memoryMiB,
      disks,
      networks: ["lan"],
      pool,
      tags,
      rules: [],
      residency: [],
      pin,
      prior: { cluster: cluster.id, node: node.name, storages },
    });
  }
}

/** A group that there would be room for, members wherever they happen to be: some of them together. */
function tagSome(group, most, requests, random) {
  const size = random.between(1, Math.max(1, Math.floor(most * 0.7)));
  // Live guest and request share the list of tags.
  for (let member = 0; member < size && requests.length > 0; member++) {
    const { tags } = random.pick(requests);
    if (!tags.includes(group)) tags.push(group);
  }
}

/** Sizes that leave some room, or little. */
function finishStorages(cluster, random) {
  const held = (storage, nodes) =>
    nodes.reduce((sum, node) => sum + node.guests.flatMap(({ disks }) => disks).reduce((own, disk) => own + (disk.storage === storage ? disk.sizeBytes : 0), 0), 0);
  const sized = (storage, nodes, shared) => {
    const usedBytes = held(storage, nodes);
    const totalBytes = Math.ceil((usedBytes * random.pick([1.15, 1.3, 2]) + 200 * GIB) / GIB) * GIB;
    cluster.storages.push({ storage, nodes: nodes.map(({ name }) => name), shared, totalBytes, usedBytes, allocatedBytes: usedBytes });
  };
  sized("main", cluster.nodes, true);
  if (cluster.storageClasses.fast !== undefined) sized("flash", cluster.nodes, true);
  for (const node of cluster.nodes) sized("scratch", [node], false);
}

function trouble(clusters, requests, random) {
  const nodes = clusters.flatMap((cluster) => cluster.nodes);
  if (random.chance(0.7)) random.pick(nodes).status = "draining";
  if (random.chance(0.3)) random.pick(nodes).status = "draining";
  if (random.chance(0.2)) random.pick(nodes).status = "cordoned";
  if (clusters.length > 1 && random.chance(0.2)) random.pick(clusters).status = random.pick(["draining", "cordoned"]);
  for (const request of requests) {
    if (random.chance(0.03)) request.rules.push({ type: "affinity", target: "node", operator: "must_not", value: request.prior.node });
    if (random.chance(0.02)) request.rules.push({ type: "location", target: "cluster", operator: "must_not", value: request.prior.cluster });
  }
}

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed) {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  // Neighbouring seeds begin alike.
  for (let skipped = 0; skipped < 8; skipped++) next();
  return {
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)],
  };
}

module.exports = { repairCase };
