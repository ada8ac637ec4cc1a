/** What a program may say about a resource pool; the same words as in federation.yaml, in camelCase. */
import { z } from "zod";
import { timeWindow, WEEKDAYS, type Weekday } from "../../config";
import { sizeInput } from "../schema";

/** As in federation.yaml, or as it was read from there. */
const windowInput = z.union([
  timeWindow,
  z.strictObject({
    days: z.array(z.enum(WEEKDAYS as [Weekday, ...Weekday[]])),
    startMinute: z.int(),
    endMinute: z.int(),
    timezone: z.string(),
  }),
]);
const strategy = z.enum(["balanced", "performance", "cost", "geographic"]);
const clusterWeights = z.record(z.string(), z.number().min(0));

export const ruleInput = z.strictObject({
  type: z.enum(["affinity", "anti-affinity", "location", "residency", "spread"]),
  target: z.enum(["cluster", "node", "tag", "location", "provider", "tier", "jurisdiction", "storage"]),
  operator: z.enum(["must", "must_not", "should", "should_not"]),
  value: z.string(),
  weight: z.int().min(1).max(100).optional(),
  scope: z.enum(["cluster", "node"]).optional(),
  maxSkew: z.int().min(1).optional(),
  window: windowInput.optional(),
});

const amount = z.int().min(1).optional();

/** As federation.yaml has it after loading: the schedule is a calendar event of Proxmox. */
const replication = z.strictObject({
  schedule: z.string().min(1),
  store: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  sync: z.strictObject({ schedule: z.string().min(1), maxBandwidthBitsPerSecond: z.number().positive().optional() }).optional(),
  rpoMs: z.int().min(1).optional(),
  keep: z.strictObject({ last: amount, hourly: amount, daily: amount, weekly: amount, monthly: amount, yearly: amount }).optional(),
});

export const poolDefinition = z.strictObject({
  name: z.string().regex(/^[A-Za-z][A-Za-z0-9._-]*$/, "must be a Proxmox pool id: a letter, then letters, digits and . _ -"),
  description: z.string().optional(),
  clusters: z.array(z.string()).min(1),
  limits: z
    .strictObject({
      maxVms: z.int().min(0).optional(),
      maxCores: z.int().min(0).optional(),
      maxMemory: sizeInput.optional(),
      maxStorage: sizeInput.optional(),
    })
    .prefault({}),
  placementPolicy: z
    .strictObject({
      strategy: strategy.default("balanced"),
      clusterWeights: clusterWeights.default({}),
      rules: z.array(ruleInput).default([]),
      schedule: z
        .array(z.strictObject({ window: windowInput, strategy: strategy.optional(), clusterWeights: clusterWeights.optional() }))
        .optional(),
    })
    .prefault({}),
  replication: replication.optional(),
});

export type PoolDefinition = z.output<typeof poolDefinition>;

/** Arguments of the ResourcePool resource: a name alone takes the rest from federation.yaml. */
export const resourcePoolSchema = z.strictObject({
  name: poolDefinition.shape.name,
  description: z.string().optional(),
  clusters: z.array(z.string()).min(1).optional(),
  limits: poolDefinition.shape.limits.optional(),
  placementPolicy: poolDefinition.shape.placementPolicy.optional(),
});
