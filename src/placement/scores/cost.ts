import type { Ask } from "../ask";
import type { ClusterFacts, PlacementRequest } from "../model";
import { nonNegative } from "../numbers";
import type { ClusterState, World } from "../world";
import type { Scorer } from "./scorer";

const BYTES_PER_GIB = 1024 ** 3;
const MIB_PER_GIB = 1024;

/**
 * What the request costs per month by the cluster's declared prices: 1000 for the cheapest cluster of the pool, half for
 * one twice as dear. Compared with all clusters of the pool, full or not, so that a cluster that fills up changes no
 * score of another. A broken or missing price is unknown, not free, and worth 0.
 */
export const cost: Scorer = {
  term: "cost",
  measure(ask, node) {
    const { facts } = node.cluster;
    const price = comparablePrice(ask.request, facts);
    if (price === undefined) return { value: 0, detail: `${facts.id} declares no usable prices` };
    const lowest = lowestPrice(ask.request, ask.world);
    return { value: costPermille(price, lowest), detail: `${shown(price)} per month, the cheapest cluster asks ${shown(lowest)}` };
  },
};

/** The values alone, one per cluster, for the paths that evaluate millions. */
export function costPermilles(request: PlacementRequest, clusters: readonly ClusterState[], world: World): number[] {
  const lowest = lowestPrice(request, world);
  return clusters.map(({ facts }) => {
    const price = comparablePrice(request, facts);
    return price === undefined ? 0 : costPermille(price, lowest);
  });
}

/**
 * A share of two prices, so that the currency and its size do not matter. Free against free is the best there is. What
 * binary fractions may have lost is added before rounding down.
 */
function costPermille(price: number, lowest: number): number {
  return price <= lowest ? 1000 : Math.floor((lowest * 1000) / price + 1e-6);
}

function lowestPrice(request: Ask["request"], world: World): number {
  return world.clusters
    .filter(({ facts }) => request.pool === undefined || request.pool.clusters.includes(facts.id))
    .reduce((lowest, { facts }) => Math.min(lowest, comparablePrice(request, facts) ?? lowest), Number.MAX_SAFE_INTEGER);
}

/** Finite, so that two of them can be divided. */
function comparablePrice(request: PlacementRequest, cluster: ClusterFacts): number | undefined {
  const price = monthlyPrice(request, cluster);
  return price === undefined ? undefined : Math.min(Number.MAX_SAFE_INTEGER, price);
}

/** Six digits, without what binary fractions add. */
function shown(price: number): string {
  return `${Number(price.toPrecision(6))}`;
}

/** In the currency of the declared prices; `undefined` when none is declared or one is no number of at least 0. */
export function monthlyPrice(request: PlacementRequest, cluster: ClusterFacts): number | undefined {
  const { prices } = cluster;
  const parts: [number | undefined, number][] = [
    [prices.perCoreMonth, nonNegative(request.cores)],
    [prices.perMemoryGiBMonth, nonNegative(request.memoryMiB) / MIB_PER_GIB],
    [prices.perStorageGiBMonth, request.disks.reduce((sum, disk) => sum + nonNegative(disk.sizeBytes), 0) / BYTES_PER_GIB],
  ];
  const declared = parts.filter((part): part is [number, number] => part[0] !== undefined);
  if (declared.length === 0 || declared.some(([price]) => !Number.isFinite(price) || price < 0)) return undefined;
  return declared.reduce((sum, [price, amount]) => sum + price * amount, 0);
}
