import { z } from "zod";
import { clusterId, count, poolId, size, text } from "./scalars";

const rule = z.strictObject({
  type: z.enum(["affinity", "anti-affinity", "location", "residency"]),
  target: z.enum(["cluster", "node", "tag", "location", "provider", "tier", "jurisdiction", "storage"]),
  operator: z.enum(["must", "must_not", "should", "should_not"]),
  value: text(),
  weight: z
    .int()
    .min(1, "a weight is between 1 and 100")
    .max(100, "a weight is between 1 and 100")
    .optional()
    .describe("For should and should_not; default 50."),
  scope: z.enum(["cluster", "node"]).optional().describe("How far affinity and anti-affinity between guests reach; default node."),
});
export type RuleFile = z.output<typeof rule>;

export const placementPolicy = z.strictObject({
  strategy: z.enum(["balanced", "performance", "cost", "geographic"]).optional().describe("Default balanced."),
  cluster_weights: z
    .record(clusterId(), z.int().min(0, "a weight must not be negative").max(1000, "a weight is at most 1000"))
    .optional()
    .describe("Cluster id → percent; 100 is neutral."),
  rules: z.array(rule).optional(),
});
export type PlacementPolicyFile = z.output<typeof placementPolicy>;

export const resourcePool = z.strictObject({
  name: poolId().describe("Proxmox pool id on every member cluster."),
  description: text().optional(),
  clusters: z.array(clusterId()).min(1, "must name at least one cluster").describe("Ids of the member clusters."),
  limits: z
    .strictObject({
      max_vms: count().optional(),
      max_cpu_cores: count().optional(),
      max_memory: size().optional().describe("For example 2TiB."),
      max_storage: size().optional().describe("For example 40TB."),
    })
    .optional(),
  placement_policy: placementPolicy.optional(),
});
export type ResourcePoolFile = z.output<typeof resourcePool>;
