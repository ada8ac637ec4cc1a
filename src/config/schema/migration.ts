import { z } from "zod";
import type { MigrationMethod } from "../model";
import { backupServerApi } from "./connection";
import { bandwidth, clusterId, count, duration, logicalName, nodeName, storageId, text } from "./scalars";
import { timeWindow } from "./window";

const method = () =>
  z
    .enum(["backup-restore", "storage", "storage-migration", "offline"])
    .transform((value): MigrationMethod => (value === "storage-migration" ? "storage" : value));

const path = z.strictObject({
  source_cluster: clusterId(),
  target_cluster: clusterId(),
  method: method().optional().describe("Default: default_method."),
  max_bandwidth: bandwidth().optional().describe("For example 500Mbps."),
  compression_enabled: z.boolean().optional().describe("Default true."),
  encryption_required: z.boolean().optional().describe("Default false."),
  backup_store: logicalName().optional().describe("Name of a backup store; default: the only one both clusters reach."),
  migration_window: timeWindow.optional().describe("When a move may start; default: that of migration_policies."),
  warm: z.boolean().optional().describe("Back the running guest up first, so that only changes travel while it is down. Default: on PBS."),
  live_restore: z.boolean().optional().describe("Start the target while its data still arrives (PBS only). Default false."),
  keep_source: duration().optional().describe("How long the stopped source is kept; default: that of migration_policies."),
  node_names: z.record(nodeName(), nodeName()).optional().describe("Source node → target node, for replication jobs; default: same name."),
  ha_names: z.record(logicalName(), logicalName()).optional().describe("Source HA group or rule → that of the target; default: same name."),
});
export type MigrationPathFile = z.output<typeof path>;

export const migrationPolicies = z.strictObject({
  default_method: method().optional().describe("Method of routes without a path. Absent: such moves are refused."),
  pre_migration_checks: z
    .array(z.enum(["verify_network_connectivity", "check_storage_compatibility", "validate_vm_configuration", "ensure_backup_exists"]))
    .optional(),
  paths: z.array(path).optional(),
  migration_window: timeWindow.optional().describe("When moves may start; absent: at any time."),
  outside_window: z.enum(["wait", "refuse"]).optional().describe("What a move does outside its window. Default refuse."),
  max_window_wait: duration().optional().describe("Longest wait for a window to open. Default 24h."),
  keep_source: duration().optional().describe("How long the stopped source of a finished move is kept. Default: not at all."),
  audit_log: text().optional().describe("File to which one line of JSON per move is appended."),
  parallel_transfers_per_link: count()
    .optional()
    .describe("Moves that transfer over one link at a time, sharing its bandwidth. Default 4."),
});
export type MigrationPoliciesFile = z.output<typeof migrationPolicies>;

export const backupStore = z.strictObject({
  name: logicalName(),
  type: z.enum(["pbs", "nfs", "cifs", "dir"]),
  storages: z
    .record(
      clusterId(),
      z.union([
        storageId(),
        z.strictObject({
          storage: storageId().describe("Storage id under which this cluster writes its archives."),
          from: z
            .record(clusterId(), storageId())
            .optional()
            .describe("Source cluster → storage id under which this cluster sees that cluster's archives."),
        }),
      ]),
    )
    .describe("Cluster id → its storage id for the store."),
  api: backupServerApi.optional().describe("Type pbs: the server's own API, for syncing with the store of another site."),
  site: clusterId().optional().describe("Cluster it stands beside: transfers between the two do not count on links."),
});
export type BackupStoreFile = z.output<typeof backupStore>;
