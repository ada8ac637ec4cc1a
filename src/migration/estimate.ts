/** What a move will carry and cost, as ranges: said in the preview before anything happens. Pure. */
import type { Cluster } from "../config";
import { formatBandwidth, roundedDuration, roundedSize } from "../config";
import { isRemote, type Route } from "./route";
import { describeWindow } from "./window";

export interface MoveEstimate {
  /** Size of the disks; upper bound of what travels in one direction. */
  diskBytes: number;
  /** Seconds of the whole move, lowest and highest; absent without a known limit. */
  durationSeconds?: [number, number];
  /** Seconds from shutdown to running again, lowest and highest; absent without a known limit. */
  downtimeSeconds?: [number, number];
  /** Price of the transfer in the prices' currency; absent without a price. */
  transferPrice?: number;
}

/** Shutdown, claim, verification and boot: what a move takes beside carrying bytes. */
const FIXED_SECONDS: [number, number] = [20, 180];
/** Compressed, mostly empty disks at best; incompressible full ones at worst. */
const TRAVELLING_SHARE: [number, number] = [0.1, 1];
/** What a guest changes between the warm backup and its shutdown. */
const CHANGED_SHARE: [number, number] = [0.005, 0.2];

export function estimateMove(route: Route, diskBytes: number, source: Cluster): MoveEstimate {
  const price = source.prices.perEgressGiB;
  return {
    diskBytes,
    ...(route.bitsPerSecond === undefined ? {} : timesOf(route, diskBytes, route.bitsPerSecond)),
    ...(price === undefined ? {} : { transferPrice: Math.round((diskBytes / 1024 ** 3) * price * 100) / 100 }),
  };
}

/** A running guest stands still while the last of its memory travels. */
const SWITCH_SECONDS: [number, number] = [1, 10];

function timesOf(route: Route, diskBytes: number, bitsPerSecond: number): Pick<MoveEstimate, "durationSeconds" | "downtimeSeconds"> {
  const seconds = (diskBytes * 8) / bitsPerSecond;
  const range = (low: number, high: number): [number, number] => [
    Math.round(FIXED_SECONDS[0] + seconds * low),
    Math.round(FIXED_SECONDS[1] + seconds * high),
  ];
  const [low, high] = TRAVELLING_SHARE;
  const [calm, busy] = CHANGED_SHARE;
  if (isRemote(route)) {
    // Once over the link, raw volumes with their holes; what a running guest writes meanwhile is sent again.
    const sent = range(low, high + (route.method === "storage" ? busy : 0));
    return { durationSeconds: sent, downtimeSeconds: route.method === "storage" ? SWITCH_SECONDS : sent };
  }
  // The archive goes over the link on its way to the store, on its way from there, or both.
  // Between two servers it does once, whatever stands where.
  const synced = route.store?.sync !== undefined;
  const backUp = route.store?.beside === "source" && !synced ? 0 : 1;
  const restore = route.store?.beside === "target" || synced ? 0 : 1;
  const cold = range(low, (backUp + restore) * high);
  // Restored live, it runs while its data come back.
  const restoreDown = route.live ? 0 : restore;
  if (!route.warm) return { durationSeconds: cold, downtimeSeconds: route.live ? range(backUp * low, backUp * high) : cold };
  return {
    durationSeconds: range(low + backUp * calm, (backUp + restore) * high + backUp * busy),
    // What went ahead does not travel while it is down; all of it is restored.
    downtimeSeconds: range(backUp * calm + (route.store?.beside === "source" ? restoreDown * low : 0), restoreDown * high + backUp * busy),
  };
}

/** `migration` as it shows in `pulumi preview --diff`, which cuts each value off after 150 characters. */
export interface MigrationSummary {
  from: string;
  to: string;
  method: string;
  store: string;
  transfer: string;
  /** Of the rate, and whose limit it is. */
  limit: string;
  duration: string;
  downtime: string;
  /** Only of a live restore: what it puts at risk. */
  risk?: string;
  /** Only of a live restore: who verifies the archive, and when. */
  verification?: string;
  /** Only where moves have a window. */
  window?: string;
  /** Only where the source is kept: how long. */
  source?: string;
  reason: string;
}

export interface MoveContext {
  from: string;
  to: string;
  reason: string;
  /** Why no backup server verifies the archive of a live restore; absent: one does. */
  unverified?: string;
}

export function summarizeMove(route: Route, estimate: MoveEstimate, where: MoveContext): MigrationSummary {
  const price = estimate.transferPrice === undefined ? "" : `, about ${estimate.transferPrice} for the traffic`;
  const window = describeWindow(route);
  const unknown = "unknown: declare a bandwidth for the path";
  return {
    from: where.from,
    to: where.to,
    method: `${route.method}: ${describeMethod(route)}`,
    store: describeStore(route),
    transfer: `up to ${roundedSize(estimate.diskBytes)}${price}`,
    limit: describeLimit(route),
    duration: estimate.durationSeconds === undefined ? unknown : formatRange(estimate.durationSeconds),
    downtime: estimate.downtimeSeconds === undefined ? unknown : formatRange(estimate.downtimeSeconds),
    ...(route.live ? { risk: describeRisk(estimate), verification: describeVerification(route, where.unverified) } : {}),
    ...(window === undefined ? {} : { window }),
    ...(isRemote(route) ? { source: describeSealing(route) } : {}),
    ...(route.keepSourceMs === undefined || isRemote(route)
      ? {}
      : { source: `kept stopped for ${roundedDuration(route.keepSourceMs)}, then removed by the next update` }),
    reason: where.reason,
  };
}

function describeLimit(route: Route): string {
  if (route.bitsPerSecond === undefined) return "none declared";
  const unheld = isRestoreUnheld(route) ? "; a restore from a PBS ignores it: set a traffic control there" : "";
  return `${formatBandwidth(route.bitsPerSecond)}, ${route.limitedBy}, shared with parallel moves${unheld}`;
}

/** The way back from a backup server is over a link, and obeys no limit of ours. */
function isRestoreUnheld({ store }: Route): boolean {
  return store?.type === "pbs" && store.beside !== "target" && !store.sync;
}

function describeRisk({ durationSeconds }: MoveEstimate): string {
  const most = durationSeconds === undefined ? "" : ` (at most ${roundedDuration(durationSeconds[1] * 1000)})`;
  return `if the restore fails, what the VM wrote since its start there${most} is lost: the source starts again as at its final backup`;
}

function describeVerification({ verifiedBy, warm }: Route, unverified: string | undefined): string {
  if (verifiedBy === undefined || unverified !== undefined) return `none: ${unverified ?? "the backup store has no api in backup_stores"}`;
  return warm
    ? `${verifiedBy} reads the whole first backup while the VM still runs; a damaged one ends the move`
    : `${verifiedBy} reads the whole archive while the VM is down; a damaged one ends the move`;
}

/** Said before anything happens: the move ends with work for an administrator. */
function describeSealing({ source, keepSourceMs }: Route): string {
  const kept = keepSourceMs === undefined ? "" : `, not before ${roundedDuration(keepSourceMs)}`;
  return `stays on ${source}, stopped and locked, until an administrator runs "qm unlock" there; removed by an update after that${kept}`;
}

function describeMethod(route: Route): string {
  if (route.method === "storage") return "Proxmox sends the VM there while it runs (a stopped one as it stands)";
  if (route.method === "offline") return "the VM is stopped, Proxmox sends it there, and it is started";
  if (!route.warm)
    return `the VM is stopped, backed up, ${route.live ? "and started there while its data arrive" : "restored there and started"}`;
  return route.live
    ? "the VM is backed up while it runs, then stopped, its changes are backed up, and it starts there while its data arrive"
    : "the VM is backed up while it runs, stopped, backed up again (only changes travel), restored there and started";
}

function describeStore({ store, encrypted }: Route): string {
  if (!store) return "none: disks go from node to node, under the target's API token, which the source's node is given";
  const notes = [
    store.type as string,
    ...(store.sync ? ["pulled from server to server"] : []),
    ...(store.type === "pbs" ? [] : ["a warm pass would gain nothing on a directory store"]),
    ...(encrypted ? ["encrypted with the client key of both clusters"] : []),
  ];
  return `${store.sync ? `${store.name} → ${store.sync.store}` : store.name} (${notes.join("; ")})`;
}

function formatRange([low, high]: [number, number]): string {
  return `${roundedDuration(low * 1000)} to ${roundedDuration(high * 1000)}`;
}
