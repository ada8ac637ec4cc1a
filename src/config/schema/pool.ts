import { z } from "zod";
import { cronToCalendarEvent } from "../calendar-event";
import type { Loss } from "../model";
import { bandwidth, clusterId, count, duration, logicalName, poolId, refined, size, text, ValueError } from "./scalars";
import { timeWindow } from "./window";

const rule = z.strictObject({
  type: z.enum(["affinity", "anti-affinity", "location", "residency", "spread"]),
  target: z.enum(["cluster", "node", "tag", "location", "provider", "tier", "jurisdiction", "storage"]),
  operator: z.enum(["must", "must_not", "should", "should_not"]),
  value: text(),
  weight: z
    .int()
    .min(1, "a weight is between 1 and 100")
    .max(100, "a weight is between 1 and 100")
    .optional()
    .describe("For should and should_not; default 50."),
  scope: z
    .enum(["cluster", "node"])
    .optional()
    .describe("How far affinity and anti-affinity between guests reach, or what spread counts on; default node."),
  max_skew: z.int().min(1, "must be at least 1").optional().describe("For spread: by how many guests two places may differ; default 1."),
  window: timeWindow.optional().describe("The rule holds only while this window is open."),
});
export type RuleFile = z.output<typeof rule>;

const strategy = z.enum(["balanced", "performance", "cost", "geographic"]);
const clusterWeights = z
  .record(clusterId(), z.int().min(0, "a weight must not be negative").max(1000, "a weight is at most 1000"))
  .describe("Cluster id → percent; 100 is neutral.");

const scheduled = z.strictObject({
  window: timeWindow,
  strategy: strategy.optional(),
  cluster_weights: clusterWeights.optional(),
});

export const placementPolicy = z.strictObject({
  strategy: strategy.optional().describe("Default balanced."),
  cluster_weights: clusterWeights.optional(),
  rules: z.array(rule).optional(),
  schedule: z
    .array(scheduled)
    .optional()
    .describe("Strategy and weights for the hours of a window; of several open windows the first in the list counts."),
});
export type PlacementPolicyFile = z.output<typeof placementPolicy>;

const loss = z.enum(["none", "node", "cluster"]);

/** Sorted, so that equal demands look equal. */
export const survive = refined(z.union([loss, z.array(loss).min(1, "must name at least one loss")]), (value): Loss[] => {
  const named = new Set(typeof value === "string" ? [value] : value);
  if (named.has("none") && named.size > 1) throw new ValueError("`none` stands beside other losses", "Write none alone, or leave it out.");
  return (["node", "cluster"] as const).filter((each) => named.has(each));
});

/** Cron with a plain minute and hour, or a calendar event of Proxmox, which is kept as it is. */
const schedule = () =>
  refined(text(), (value) => {
    const calendar = cronToCalendarEvent(value);
    if (calendar === undefined)
      throw new ValueError(
        `${JSON.stringify(value)} cannot be written as a calendar event`,
        "Write it as Proxmox does: 02:00, mon..fri 22:30, */2:00, *:0/30.",
      );
    return calendar;
  });

export const retention = z
  .strictObject({
    last: count().optional(),
    hourly: count().optional(),
    daily: count().optional(),
    weekly: count().optional(),
    monthly: count().optional(),
    yearly: count().optional(),
  })
  .refine(
    (keep) => Object.values(keep).some((value) => value !== undefined),
    "must name at least one of last, hourly, daily, weekly, monthly, yearly",
  );

const replication = z.strictObject({
  schedule: schedule().describe("Calendar event of Proxmox (02:00, mon..fri 22:30) or cron (0 2 * * *)."),
  store: z
    .union([logicalName(), z.array(logicalName()).min(1, "must name at least one store")])
    .describe("Name of a backup store that every member reaches, or names of several of which every member reaches one."),
  sync: z
    .strictObject({
      schedule: schedule().describe("When the backup servers pull from each other; calendar event of Proxmox or cron."),
      max_bandwidth: bandwidth().optional().describe("Of each pull, for example 200Mbps. Default: no limit."),
    })
    .optional()
    .describe("Copies between members that have a Proxmox Backup Server each."),
  rpo: duration().optional().describe("How old the newest backup of a guest may become."),
  keep: retention.optional().describe("Unprotected backups of a guest that stay. Default: the storage's own retention."),
});

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
  survive: survive
    .optional()
    .describe("none, node, cluster, or [node, cluster]: losses the rest must have room for. Default placement.survive."),
  replication: replication.optional().describe("Backups on a schedule, made by each member cluster."),
});
export type ResourcePoolFile = z.output<typeof resourcePool>;
