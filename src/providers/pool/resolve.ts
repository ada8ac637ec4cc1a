/** Which pool a resource belongs to: by name from federation.yaml, or as the program defines it. */
import type { ResourcePool } from "../../config";
import type { Inputs } from "../inputs";
import { type Session, UserError } from "../session";
import { type PoolDefinition, poolDefinition } from "./spec";

export async function resolvePool(session: Session, pool: string | undefined, inputs: Inputs): Promise<ResourcePool> {
  if (inputs.__poolDefinition !== undefined) return toResourcePool(poolDefinition.parse(inputs.__poolDefinition));
  const name = pool ?? (await session.federation()).defaultPool;
  if (name === undefined)
    throw new UserError("pool is missing: name one of resource_pools, or set federation.default_pool in federation.yaml.");
  return session.poolOf(name);
}

function toResourcePool(definition: PoolDefinition): ResourcePool {
  const { limits } = definition;
  return {
    name: definition.name,
    description: definition.description,
    clusters: definition.clusters,
    limits: { maxVms: limits.maxVms, maxCores: limits.maxCores, maxMemoryBytes: limits.maxMemory, maxStorageBytes: limits.maxStorage },
    placementPolicy: definition.placementPolicy,
  };
}
