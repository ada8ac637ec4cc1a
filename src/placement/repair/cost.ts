import type { CarriedBytes } from "../moves/carried-bytes";

/**
 * What a repair costs, the first difference decides: guests that stay where they may not be (or get no place), bytes between
 * clusters, then moves between clusters, bytes inside clusters and moves inside clusters, these three in one whole number.
 */
export type Cost = readonly [unplaced: number, linkBytes: number, lesser: number];

export const FREE: Cost = [0, 0, 0];
export const UNPLACED: Cost = [1, 0, 0];

const BYTES_PER_MIB = 2 ** 20;
/** Room for a thousand moves below one MiB, and for 4 PiB of memory below one move between clusters: exact up to 2^53. */
const LOCAL_MIB = 2 ** 10;
const LINK_MOVE = 2 ** 42;

export function moveCost({ linkBytes, localBytes }: CarriedBytes, isBetweenClusters: boolean): Cost {
  return [0, linkBytes, isBetweenClusters ? LINK_MOVE : Math.ceil(localBytes / BYTES_PER_MIB) * LOCAL_MIB + 1];
}

/** The goals one by one, in their order after the guests without a place. */
export function costParts([, linkBytes, lesser]: Cost) {
  const inside = lesser % LINK_MOVE;
  return {
    linkBytes,
    linkMoves: Math.floor(lesser / LINK_MOVE),
    localMiB: Math.floor(inside / LOCAL_MIB),
    localMoves: inside % LOCAL_MIB,
  };
}

/** Bytes inside clusters that a sum of costs stands for, to the MiB. */
export function localBytesOf(cost: Cost): number {
  return costParts(cost).localMiB * BYTES_PER_MIB;
}

export function addCosts(left: Cost, right: Cost): Cost {
  return [left[0] + right[0], left[1] + right[1], left[2] + right[2]];
}

/** Below zero when the first is cheaper. */
export function compareCosts(left: Cost, right: Cost): number {
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}
