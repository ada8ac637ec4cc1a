import { DEFAULT_CAPACITY_RULES, mergeCapacityRules } from "../capacity";
import type {
  BackupStore,
  Federation,
  MigrationPolicies,
  PlacementPolicy,
  PlacementRule,
  ReplicationPolicy,
  ReplicationSync,
  ResourcePool,
} from "../model";
import type { FederationFile } from "../schema/federation";
import type { BackupStoreFile, MigrationPoliciesFile } from "../schema/migration";
import type { PlacementPolicyFile, ResourcePoolFile, RuleFile } from "../schema/pool";
import { toCapacityRules, toCluster } from "./cluster";
import { toBackupServerConnection } from "./connection";

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
    resourcePools: (file.resource_pools ?? []).map((pool) => toPool(pool, file)),
    migration: toMigration(file.migration_policies),
    backupStores: (file.backup_stores ?? []).map(toBackupStore),
    primaryCluster: federation?.primary_cluster,
    failoverPriority: federation?.failover_priority ?? [],
    ...(file.failover ? { failover: toFailover(file.failover) } : {}),
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

function toPool(pool: ResourcePoolFile, file: FederationFile): ResourcePool {
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
    placementPolicy: toPolicy(pool.placement_policy ?? file.placement_policy ?? {}),
    survive: pool.survive ?? file.placement?.survive ?? [],
    ...(pool.replication ? { replication: toReplication(pool.replication) } : {}),
  };
}

function toReplication({ rpo, sync, ...policy }: NonNullable<ResourcePoolFile["replication"]>): ReplicationPolicy {
  return { ...policy, ...(rpo === undefined ? {} : { rpoMs: rpo }), ...(sync ? { sync: toSync(sync) } : {}) };
}

function toSync({ schedule, max_bandwidth: limit }: NonNullable<NonNullable<ResourcePoolFile["replication"]>["sync"]>): ReplicationSync {
  return { schedule, ...(limit === undefined ? {} : { maxBandwidthBitsPerSecond: limit }) };
}

function toPolicy(policy: PlacementPolicyFile): PlacementPolicy {
  return {
    strategy: policy.strategy ?? "balanced",
    clusterWeights: policy.cluster_weights ?? {},
    rules: (policy.rules ?? []).map(toRule),
    ...(policy.schedule ? { schedule: policy.schedule.map(toScheduled) } : {}),
  };
}

function toScheduled({ window, strategy, cluster_weights: clusterWeights }: NonNullable<PlacementPolicyFile["schedule"]>[number]) {
  return { window, ...(strategy === undefined ? {} : { strategy }), ...(clusterWeights === undefined ? {} : { clusterWeights }) };
}

function toRule({ max_skew: maxSkew, ...rule }: RuleFile): PlacementRule {
  return { ...rule, ...(maxSkew === undefined ? {} : { maxSkew }) };
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
      ...given({
        warm: path.warm,
        liveRestore: path.live_restore,
        keepSourceMs: path.keep_source,
        nodeNames: path.node_names,
        haNames: path.ha_names,
      }),
    })),
    window: policies?.migration_window,
    ...given({
      outsideWindow: policies?.outside_window,
      longestWindowWaitMs: policies?.max_window_wait,
      keepSourceMs: policies?.keep_source,
      auditLog: policies?.audit_log,
      parallelTransfersPerLink: policies?.parallel_transfers_per_link,
    }),
  };
}

function toFailover(failover: NonNullable<FederationFile["failover"]>): Federation["failover"] {
  return given({
    maxAgeMs: failover.max_age,
    drillBridge: failover.drill_bridge,
    drillLog: failover.drill_log,
    drillPeriodMs: failover.drill_period,
  });
}

/** Without what the file does not say. */
function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function toBackupStore(store: BackupStoreFile): BackupStore {
  const access = Object.entries(store.storages).map(
    ([cluster, given]) =>
      [cluster, typeof given === "string" ? { storage: given, readAs: {} } : { storage: given.storage, readAs: given.from ?? {} }] as const,
  );
  return {
    name: store.name,
    type: store.type,
    access: Object.fromEntries(access),
    ...(store.api === undefined ? {} : { api: toBackupServerConnection(store.api) }),
    ...given({ site: store.site }),
  };
}
