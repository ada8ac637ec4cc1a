/** From a live snapshot and the declared federation to the plain data placement works on. */
import { type Cluster, type Federation, mergeCapacityRules, type PlacementPolicy, type PoolLimits, type ResourcePool } from "../config";
import type {
  ClusterFacts,
  GuestFacts,
  Inventory,
  LinkFacts,
  NodeFacts,
  PoolPolicy,
  Rule,
  StorageFacts,
  SurvivalDemand,
} from "../placement";
import type { GuestRow } from "../proxmox";
import type { ClusterSnapshot, FederationSnapshot, ReachableCluster } from "./snapshot";

const MIB = 1024 * 1024;

/** Tells which identity a guest carries (its identity tag, or the mark of one whose tags are not set yet). */
export type KeyOf = (cluster: string, guest: GuestRow) => string | undefined;

/** @param instantMs for which moment is to be decided: which time windows are open then */
export function toInventory(snapshot: FederationSnapshot, keyOf: KeyOf, instantMs?: number): Inventory {
  const { federation } = snapshot;
  const survive = federation.resourcePools.flatMap(demandOf);
  return {
    clusters: federation.clusters.map((cluster) => toClusterFacts(federation, cluster, snapshot.clusters.get(cluster.id)!, keyOf)),
    links: federation.clusters.flatMap(linksOf),
    ...(instantMs === undefined ? {} : { instantMs }),
    survive,
    ...(survive.length === 0 ? {} : { poolRules: poolRulesOf(federation) }),
  };
}

function poolRulesOf({ resourcePools }: Federation): Record<string, Rule[]> {
  return Object.fromEntries(resourcePools.map(({ name, placementPolicy }) => [name, placementPolicy.rules]));
}

function demandOf({ name, clusters, survive = [] }: ResourcePool): SurvivalDemand[] {
  return survive.length === 0 ? [] : [{ pool: name, clusters, losses: survive }];
}

function toClusterFacts(federation: Federation, cluster: Cluster, snapshot: ClusterSnapshot, keyOf: KeyOf): ClusterFacts {
  return {
    id: cluster.id,
    reachable: snapshot.reachable,
    ...(snapshot.reachable ? {} : { unreachableReason: snapshot.reason }),
    status: cluster.status,
    tier: cluster.tier,
    provider: cluster.provider,
    location: cluster.location,
    jurisdiction: cluster.jurisdiction,
    tags: cluster.tags,
    prices: cluster.prices,
    maxVms: cluster.capabilities.maxVms,
    capacityRules: mergeCapacityRules(federation.placement, cluster.placement),
    storageClasses: storageClassesOf(cluster),
    networks: [...new Set([...Object.keys(cluster.network.networks), ...cluster.network.bridges])],
    images: Object.keys(cluster.images),
    templates: Object.keys(cluster.templates),
    nodes: snapshot.reachable ? liveNodes(cluster, snapshot, keyOf) : declaredNodes(cluster),
    storages: snapshot.reachable ? liveStorages(cluster, snapshot) : [],
  };
}

/** Logical class → storage id: declared classes, then performance tiers, then the storages' own names; `""` is the default. */
export function storageClassesOf(cluster: Cluster): Record<string, string> {
  const classes: Record<string, string> = {};
  for (const backend of cluster.storage.backends) classes[backend.name] = backend.name;
  for (const backend of [...cluster.storage.backends].reverse())
    if (backend.performanceTier) classes[backend.performanceTier] = backend.name;
  Object.assign(classes, cluster.storage.classes);
  const primary = cluster.storage.primary ?? cluster.storage.backends[0]?.name;
  if (primary) classes[""] = primary;
  return classes;
}

function liveNodes(cluster: Cluster, snapshot: ReachableCluster, keyOf: KeyOf): NodeFacts[] {
  const guestsOfNode = new Map<string, GuestFacts[]>();
  for (const guest of snapshot.guests) {
    // A template never runs; the fenced source of a move is one while it waits for its deletion.
    if (guest.template) continue;
    const facts = toGuestFacts(guest, keyOf(cluster.id, guest));
    const list = guestsOfNode.get(guest.node);
    if (list) list.push(facts);
    else guestsOfNode.set(guest.node, [facts]);
  }
  return snapshot.nodes.map((row) => {
    const declared = cluster.nodes.find((node) => node.name === row.node);
    return {
      name: row.node,
      online: row.status === "online",
      status: declared?.status ?? "active",
      tags: declared?.tags ?? [],
      hardwareClass: declared?.hardwareClass,
      // Without Sys.Audit on the node Proxmox hides its size: then the declared one counts.
      cores: row.maxCpu ?? declared?.cores ?? 0,
      memoryMiB: Math.floor((row.maxMemoryBytes ?? declared?.memoryBytes ?? 0) / MIB),
      ...(row.memoryBytes === undefined ? {} : { usedMemoryMiB: Math.floor(row.memoryBytes / MIB) }),
      guests: guestsOfNode.get(row.node) ?? [],
    };
  });
}

function toGuestFacts(guest: GuestRow, key: string | undefined): GuestFacts {
  return {
    ...(key === undefined ? {} : { key }),
    vmid: guest.vmid,
    name: guest.name,
    cores: guest.maxCpu ?? 0,
    memoryMiB: Math.floor((guest.maxMemoryBytes ?? 0) / MIB),
    tags: guest.tags,
    pool: guest.pool,
    // Proxmox lists the boot disk only; what this run plans itself is known in full.
    ...(guest.maxDiskBytes === undefined ? {} : { diskBytes: guest.maxDiskBytes }),
    running: guest.status === "running",
  };
}

function declaredNodes(cluster: Cluster): NodeFacts[] {
  return cluster.nodes.map((node) => ({
    name: node.name,
    online: false,
    status: node.status,
    tags: node.tags,
    hardwareClass: node.hardwareClass,
    cores: node.cores ?? 0,
    memoryMiB: Math.floor((node.memoryBytes ?? 0) / MIB),
    guests: [],
  }));
}

function liveStorages(cluster: Cluster, snapshot: ReachableCluster): StorageFacts[] {
  const tierOf = new Map(cluster.storage.backends.map((backend) => [backend.name, backend.performanceTier]));
  const facts = new Map<string, StorageFacts>();
  for (const row of snapshot.storages) {
    if (row.status !== "available") continue;
    // A shared storage is one place seen from many nodes; a local one is a place per node.
    const id = row.shared ? row.storage : `${row.storage}\n${row.node}`;
    const known = facts.get(id);
    if (known) known.nodes.push(row.node);
    else
      facts.set(id, {
        storage: row.storage,
        nodes: [row.node],
        shared: row.shared,
        totalBytes: row.totalBytes ?? 0,
        usedBytes: row.usedBytes ?? 0,
        performanceTier: tierOf.get(row.storage),
      });
  }
  return [...facts.values()];
}

function linksOf(cluster: Cluster): LinkFacts[] {
  return cluster.network.crossConnects.map((link) => ({
    from: cluster.id,
    to: link.targetCluster,
    latencyMs: link.latencyMs,
    bandwidthBitsPerSecond: link.bandwidthBitsPerSecond,
  }));
}

interface DeclaredPool {
  name: string;
  clusters: string[];
  limits: PoolLimits;
  placementPolicy: PlacementPolicy;
}

/** One object per pool: what guests have in common need not be compared guest by guest. */
const policies = new WeakMap<DeclaredPool, PoolPolicy>();

/** A pool's policy in placement's units; the same object for the same pool. */
export function toPoolPolicy(pool: DeclaredPool): PoolPolicy {
  const known = policies.get(pool) ?? describePolicy(pool);
  policies.set(pool, known);
  return known;
}

function describePolicy(pool: DeclaredPool): PoolPolicy {
  const { limits } = pool;
  return {
    name: pool.name,
    clusters: pool.clusters,
    strategy: pool.placementPolicy.strategy,
    clusterWeights: pool.placementPolicy.clusterWeights,
    rules: pool.placementPolicy.rules,
    ...(pool.placementPolicy.schedule === undefined ? {} : { schedule: pool.placementPolicy.schedule }),
    limits: {
      maxVms: limits.maxVms,
      maxCores: limits.maxCores,
      maxMemoryMiB: limits.maxMemoryBytes === undefined ? undefined : Math.floor(limits.maxMemoryBytes / MIB),
      maxStorageBytes: limits.maxStorageBytes,
    },
  };
}
