import { DEFAULT_CAPACITY_RULES, mergeCapacityRules } from "../capacity";
import type { BackupStore, Federation, MigrationPolicies, PlacementPolicy, ResourcePool } from "../model";
import type { FederationFile } from "../schema/federation";
import type { BackupStoreFile, MigrationPoliciesFile } from "../schema/migration";
import type { PlacementPolicyFile, ResourcePoolFile } from "../schema/pool";
import { toCapacityRules, toCluster } from "./cluster";

const DEFAULT_NAME = "default";
const DEFAULT_SYNC_INTERVAL_MS = 300_000;
const DEFAULT_HEALTH_CHECK_INTERVAL_MS = 60_000;
/** The CSI plugin's own default. */
const DEFAULT_CONTROLLER_VMID = 9999;

/** Of a file without errors. */
export function toFederation(file: FederationFile): Federation {
  const { federation, features } = file;
  return {
    name: file.name ?? federation?.name ?? DEFAULT_NAME,
    clusters: (file.clusters ?? []).map(toCluster),
    resourcePools: (file.resource_pools ?? []).map((pool) => toPool(pool, file.placement_policy)),
    migration: toMigration(file.migration_policies),
    backupStores: (file.backup_stores ?? []).map(toBackupStore),
    primaryCluster: federation?.primary_cluster,
    failoverPriority: federation?.failover_priority ?? [],
    syncIntervalMs: federation?.sync_interval ?? DEFAULT_SYNC_INTERVAL_MS,
    healthCheckIntervalMs: federation?.health_check_interval ?? DEFAULT_HEALTH_CHECK_INTERVAL_MS,
    defaultPool: federation?.default_pool,
    placement: mergeCapacityRules(DEFAULT_CAPACITY_RULES, toCapacityRules(file.placement)),
    ...(file.placement_policy ? { placementPolicy: toPolicy(file.placement_policy) } : {}),
    // `controllerVMID` has no effect on the plugin, so it has none here.
    ...(features
      ? { csi: { provider: features.provider ?? "default", controllerVmid: features.controllerVmID ?? DEFAULT_CONTROLLER_VMID } }
      : {}),
  };
}

function toPool(pool: ResourcePoolFile, defaultPolicy: PlacementPolicyFile | undefined): ResourcePool {
  return {
    name: pool.name,
    description: pool.description,
    clusters: pool.clusters,
    limits: {
      maxVms: pool.limits?.max_vms,
      maxCores: pool.limits?.max_cpu_cores,
      maxMemoryBytes: pool.limits?.max_memory,
      maxStorageBytes: pool.limits?.max_storage,
    },
    placementPolicy: toPolicy(pool.placement_policy ?? defaultPolicy ?? {}),
  };
}

function toPolicy(policy: PlacementPolicyFile): PlacementPolicy {
  return { strategy: policy.strategy ?? "balanced", clusterWeights: policy.cluster_weights ?? {}, rules: policy.rules ?? [] };
}

function toMigration(policies: MigrationPoliciesFile | undefined): MigrationPolicies {
  return {
    defaultMethod: policies?.default_method,
    preMigrationChecks: policies?.pre_migration_checks ?? [],
    paths: (policies?.paths ?? []).map((path) => ({
      sourceCluster: path.source_cluster,
      targetCluster: path.target_cluster,
      method: path.method ?? policies?.default_method ?? "backup-restore",
      maxBandwidthBitsPerSecond: path.max_bandwidth,
      compression: path.compression_enabled ?? true,
      encryptionRequired: path.encryption_required ?? false,
      backupStore: path.backup_store,
      window: path.migration_window ?? policies?.migration_window,
    })),
    window: policies?.migration_window,
  };
}

function toBackupStore(store: BackupStoreFile): BackupStore {
  const access = Object.entries(store.storages).map(
    ([cluster, given]) =>
      [cluster, typeof given === "string" ? { storage: given, readAs: {} } : { storage: given.storage, readAs: given.from ?? {} }] as const,
  );
  return { name: store.name, type: store.type, access: Object.fromEntries(access) };
}
