import { formatBytes } from "../amounts";
import type { Ask } from "../ask";
import type { PoolPolicy, Shortfall } from "../model";
import { wholeNonNegative } from "../numbers";
import { cpuMilli } from "../world";
import type { ClusterFilter } from "./filter";

/**
 * The pool's limits on guests, cores, memory and storage over all clusters, counting live guests of the pool and what
 * this run has promised. A guest that is in the pool already is asked only for what it wants beyond what it holds, so
 * that lowering a limit never evicts.
 */
export const poolLimits: ClusterFilter = {
  name: "pool-limits",
  dynamic: true,
  check(ask) {
    const { pool } = ask.request;
    return pool === undefined ? [] : shortfallsOf(ask, pool);
  },
};

function shortfallsOf({ request, world, held }: Ask, pool: PoolPolicy): Shortfall[] {
  const { limits } = pool;
  const use = world.pools.get(pool.name) ?? { guests: 0, cpuMilli: 0, memoryMiB: 0, storageBytes: 0 };
  const own = held.filter((live) => live.pool === pool.name);
  const ownMost = (amount: (live: (typeof own)[number]) => number) => own.reduce((most, live) => Math.max(most, amount(live)), 0);
  const diskBytes = request.disks.reduce((sum, disk) => sum + wholeNonNegative(disk.sizeBytes), 0);
  const shortfalls: Shortfall[] = [];
  const demand = (key: keyof PoolPolicy["limits"], resource: string, unit: string, used: number, needed: number, has: number): void => {
    const limit = limits[key];
    if (limit === undefined || Number.isNaN(limit) || needed <= has || used + needed <= limit) return;
    const show = (amount: number) => (unit === "bytes" ? formatBytes(amount) : unit === "MiB" ? `${amount} MiB` : `${amount}`);
    const available = Math.max(0, limit - used);
    shortfalls.push({
      text: `pool ${pool.name} allows ${show(limit)} ${resource}, ${show(used)} used by others, ${request.name} needs ${show(needed)}`,
      summary: `pool ${pool.name} is out of ${resource}: limit ${show(limit)}, used ${show(used)}, needs ${show(needed)}`,
      remedy: `raise the pool's limit on ${resource} by ${show(needed - available)} or remove guests from pool ${pool.name}`,
      ifOthersMove: false,
      amount: { resource: `pool ${resource}`, unit, needed, available },
    });
  };
  demand("maxVms", "guests", "guests", use.guests, 1, own.length > 0 ? 1 : 0);
  demand("maxCores", "cores", "cores", use.cpuMilli / 1000, cpuMilli(request.cores) / 1000, ownMost((live) => live.cpuMilli) / 1000);
  demand(
    "maxMemoryMiB",
    "memory",
    "MiB",
    use.memoryMiB,
    wholeNonNegative(request.memoryMiB),
    ownMost((live) => live.memoryMiB),
  );
  // Live disk sizes are not known on every path; a guest whose disks are unknown is not held to have outgrown the pool.
  const disksUnknown = own.some((live) => live.disks === undefined && live.diskBytes === 0);
  demand("maxStorageBytes", "storage", "bytes", use.storageBytes, diskBytes, disksUnknown ? diskBytes : ownMost((live) => live.diskBytes));
  return shortfalls;
}
