import type { Load } from "./node-state";

/** What a pool holds, live and promised. */
export interface PoolUse {
  guests: number;
  cpuMilli: number;
  memoryMiB: number;
  storageBytes: number;
}

/** By name of the pool. */
export type PoolUses = Map<string, PoolUse>;

/** Counts a guest that came (1) or left (-1). */
export function addToPool({ pools }: { pools: PoolUses }, load: Omit<Load, "tags">, sign: 1 | -1): void {
  if (load.pool === undefined) return;
  const use = poolUse(pools, load.pool);
  use.guests += sign;
  use.cpuMilli += sign * load.cpuMilli;
  use.memoryMiB += sign * load.memoryMiB;
  use.storageBytes += sign * load.diskBytes;
}

/** What that pool holds; the object stays the same. */
export function poolUse(pools: PoolUses, pool: string): PoolUse {
  let use = pools.get(pool);
  if (use === undefined) {
    use = { guests: 0, cpuMilli: 0, memoryMiB: 0, storageBytes: 0 };
    pools.set(pool, use);
  }
  return use;
}
