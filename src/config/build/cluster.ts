import type { CapacityRules, Cluster, ClusterNetwork, ClusterStorage } from "../model";
import type { CapacityRulesFile } from "../schema/capacity";
import type { ClusterFile } from "../schema/cluster";
import { toConnection } from "./connection";

/** Of a cluster without findings. */
export function toCluster(cluster: ClusterFile): Cluster {
  const id = (cluster.id ?? cluster.region)!;
  const { prices, capabilities } = cluster;
  return {
    id,
    name: cluster.name ?? id,
    provider: cluster.provider,
    location: typeof cluster.location === "string" ? { name: cluster.location } : cluster.location,
    jurisdiction: cluster.jurisdiction,
    region: cluster.region ?? id,
    // The guide's factor of `secondary` is 1: a cluster without a tier is neither preferred nor avoided.
    tier: cluster.tier ?? "secondary",
    status: cluster.status ?? "active",
    ...(cluster.fenced === undefined ? {} : { fenced: cluster.fenced }),
    ...(cluster.returned === undefined ? {} : { returned: cluster.returned }),
    tags: cluster.tags ?? [],
    metadata: cluster.metadata ?? {},
    connection: toConnection(cluster),
    capabilities: {
      maxVms: capabilities?.max_vms,
      ceph: capabilities?.supports_ceph,
      ha: capabilities?.supports_ha,
      backup: capabilities?.backup_enabled,
      liveMigration: capabilities?.live_migration,
      nestedVirtualization: capabilities?.nested_virtualization,
    },
    network: toNetwork(cluster.network),
    storage: toStorage(cluster.storage),
    images: cluster.images ?? {},
    templates: cluster.templates ?? {},
    nodes: (cluster.nodes ?? []).map((node) => ({
      name: node.name,
      cores: node.cores,
      memoryBytes: node.memory,
      status: node.status ?? "active",
      tags: node.tags ?? [],
      hardwareClass: node.hardware_class,
    })),
    prices: {
      perCoreMonth: prices?.core_month,
      perMemoryGiBMonth: prices?.memory_gib_month,
      perStorageGiBMonth: prices?.storage_gib_month,
      perEgressGiB: prices?.egress_gib,
    },
    vmidRange: cluster.vmid_range,
    placement: toCapacityRules(cluster.placement),
  };
}

export function toCapacityRules(rules: CapacityRulesFile | undefined): CapacityRules {
  return {
    ...(rules?.overcommit ? { overcommit: rules.overcommit } : {}),
    ...(rules?.reserve ? { reserve: rules.reserve } : {}),
    ...(rules?.pressure_threshold ? { pressureThreshold: rules.pressure_threshold } : {}),
  };
}

function toNetwork(network: ClusterFile["network"]): ClusterNetwork {
  const networks = Object.entries(network?.networks ?? {}).map(
    ([name, target]) => [name, typeof target === "string" ? { bridge: target } : target] as const,
  );
  return {
    publicSubnet: network?.public_subnet,
    privateSubnet: network?.private_subnet,
    vlanRange: network?.vlan_range,
    bridges: network?.bridges ?? [],
    networks: Object.fromEntries(networks),
    uplinkBitsPerSecond: network?.uplink_speed,
    crossConnects: (network?.cross_connects ?? network?.cross_connect ?? []).map((link) => ({
      targetCluster: link.target_cluster,
      type: link.type,
      latencyMs: link.latency,
      bandwidthBitsPerSecond: link.bandwidth,
    })),
  };
}

function toStorage(storage: ClusterFile["storage"]): ClusterStorage {
  return {
    primary: storage?.primary_storage,
    classes: storage?.classes ?? {},
    backends: (storage?.backends ?? []).map((backend) => ({
      name: backend.name,
      type: backend.type,
      capacityBytes: backend.capacity,
      availableBytes: backend.available,
      performanceTier: backend.performance_tier,
      features: backend.features ?? [],
    })),
    replicationTargets: (storage?.replication_targets ?? []).map((target) => ({
      targetCluster: target.target_cluster,
      targetStorage: target.target_storage,
      schedule: target.schedule,
      type: target.type ?? "async",
    })),
  };
}
