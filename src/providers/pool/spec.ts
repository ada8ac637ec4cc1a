/** What a program may say about a resource pool; the same words as in federation.yaml, in camelCase. */
import { z } from "zod";
import { sizeInput } from "../schema";

export const ruleInput = z.strictObject({
  type: z.enum(["affinity", "anti-affinity", "location", "residency"]),
  target: z.enum(["cluster", "node", "tag", "location", "provider", "tier", "jurisdiction", "storage"]),
  operator: z.enum(["must", "must_not", "should", "should_not"]),
  value: z.string(),
  weight: z.int().min(1).max(100).optional(),
  scope: z.enum(["cluster", "node"]).optional(),
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
      strategy: z.enum(["balanced", "performance", "cost", "geographic"]).default("balanced"),
      clusterWeights: z.record(z.string(), z.number().min(0)).default({}),
      rules: z.array(ruleInput).default([]),
    })
    .prefault({}),
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
