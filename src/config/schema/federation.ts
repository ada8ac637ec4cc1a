/** The whole file. Keys are those of the multi-site guide and the CSI cloud-config, plus ours. */
import { z } from "zod";
import { capacityRules } from "./capacity";
import { cluster } from "./cluster";
import { backupStore, migrationPolicies } from "./migration";
import { placementPolicy, resourcePool, survive } from "./pool";
import { age, bridgeName, clusterId, duration, federationName, poolId, text } from "./scalars";

const controllerVmid = () => z.int().min(101, "must be more than 100").max(999_999_999, "vmids end at 999999999").optional();

export const federationFile = z.strictObject({
  name: federationName().optional().describe("Name of the federation; part of the mark on every guest."),
  clusters: z.array(cluster).optional(),
  federation: z
    .strictObject({
      name: federationName().optional().describe("Same as the top-level name."),
      primary_cluster: clusterId().optional(),
      failover_priority: z.array(clusterId()).optional().describe("Cluster ids, first choice first."),
      sync_interval: duration().optional().describe("A bare number is in seconds. Default 300s."),
      health_check_interval: duration().optional().describe("A bare number is in seconds. Default 60s."),
      default_pool: poolId().optional().describe("Proxmox pool of resources that name none."),
    })
    .optional(),
  resource_pools: z.array(resourcePool).optional(),
  placement_policy: placementPolicy.optional().describe("Policy of pools that have none of their own."),
  migration_policies: migrationPolicies.optional(),
  backup_stores: z.array(backupStore).optional().describe("Places for archives that several clusters reach."),
  placement: capacityRules
    .extend({ survive: survive.optional().describe("Default of every pool's survive. Default none.") })
    .optional()
    .describe("Capacity rules of every cluster, and what every pool has to survive."),
  failover: z
    .strictObject({
      max_age: duration().optional().describe("A newest backup older than this is not restored. Default: any age."),
      drill_bridge: bridgeName().optional().describe("Bridge without a way out, on every cluster that drills restore to."),
      drill_log: text()
        .optional()
        .describe("File to which one line of JSON per drilled VM is appended. Default: drills.jsonl beside migration_policies.audit_log."),
      drill_period: age().optional().describe("How long a drill proves that a pool can be restored. Default 90d."),
    })
    .optional()
    .describe("Restoring the guests of a lost cluster elsewhere, and drills."),
  features: z
    .strictObject({
      provider: z.enum(["default", "capmox"]).optional(),
      controllerVmID: controllerVmid().describe("VM id in the names of the CSI plugin's disks. Default 9999."),
      controllerVMID: controllerVmid().describe("Spelling of the plugin's documentation; the plugin itself ignores it."),
    })
    .optional()
    .describe("CSI cloud-config: settings of the plugin."),
});
export type FederationFile = z.output<typeof federationFile>;

/** Root keys with this prefix are the user's own, for anchors. */
export const EXTENSION_PREFIX = "x-";
