/** What a move will carry and cost, as ranges: said in the preview before anything happens. Pure. */
import type { Cluster } from "../config";
import { formatBandwidth, formatDuration, formatSize } from "../config";
import type { Route } from "./route";

export interface MoveEstimate {
  /** Size of the disks; upper bound of what travels. */
  diskBytes: number;
  /** Seconds from shutdown to running again, lowest and highest; absent without a known limit. */
  downtimeSeconds?: [number, number];
  /** Price of the transfer in the prices' currency; absent without a price. */
  transferPrice?: number;
}

/** Shutdown, claim, verification and boot: what a move takes beside carrying bytes. */
const FIXED_SECONDS: [number, number] = [20, 180];
/** Compressed, mostly empty disks at best; incompressible full ones at worst. */
const TRAVELLING_SHARE: [number, number] = [0.1, 1];

export function estimateMove(route: Route, diskBytes: number, source: Cluster): MoveEstimate {
  const price = source.prices.perEgressGiB;
  return {
    diskBytes,
    ...(route.bitsPerSecond === undefined ? {} : { downtimeSeconds: downtimeRange(diskBytes, route.bitsPerSecond) }),
    ...(price === undefined ? {} : { transferPrice: Math.round((diskBytes / 1024 ** 3) * price * 100) / 100 }),
  };
}

function downtimeRange(diskBytes: number, bitsPerSecond: number): [number, number] {
  // The archive is written and read again: twice over the way at worst, once when the store sits beside one side.
  const seconds = (diskBytes * 8) / bitsPerSecond;
  return [Math.round(FIXED_SECONDS[0] + seconds * TRAVELLING_SHARE[0]), Math.round(FIXED_SECONDS[1] + 2 * seconds * TRAVELLING_SHARE[1])];
}

/** `migration` as it shows in `pulumi preview --diff`. */
export interface MigrationSummary {
  from: string;
  to: string;
  method: string;
  store: string;
  transfer: string;
  downtime: string;
  reason: string;
}

export function summarizeMove(route: Route, estimate: MoveEstimate, where: { from: string; to: string; reason: string }): MigrationSummary {
  const rate =
    route.bitsPerSecond === undefined
      ? "no limit declared"
      : `at most ${formatBandwidth(route.bitsPerSecond)}, limited by ${route.limitedBy}`;
  const price = estimate.transferPrice === undefined ? "" : `, about ${estimate.transferPrice} for the traffic`;
  return {
    from: where.from,
    to: where.to,
    method: `${route.method}: the VM is stopped, backed up, restored there and started`,
    store: `${route.store.name} (${route.store.type}${route.store.type === "pbs" ? "" : "; a warm pass would gain nothing on a directory store"})`,
    transfer: `up to ${formatSize(estimate.diskBytes)} (${rate}${price})`,
    downtime: estimate.downtimeSeconds === undefined ? "unknown: declare a bandwidth for the path" : formatRange(estimate.downtimeSeconds),
    reason: where.reason,
  };
}

function formatRange([low, high]: [number, number]): string {
  return `${formatSeconds(low)} to ${formatSeconds(high)}`;
}

/** Whole minutes from two minutes on: an estimate that names seconds would pretend. */
function formatSeconds(seconds: number): string {
  return formatDuration((seconds < 120 ? seconds : Math.round(seconds / 60) * 60) * 1000);
}
