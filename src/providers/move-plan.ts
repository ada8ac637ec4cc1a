/** Planning a move to another cluster: route, window, everything that would make it fail, and what the preview says. */
import type { ResourcePool } from "../config";
import {
  dataDrivesOf,
  estimateMove,
  hasPrivilege,
  isIdentityTag,
  isRemote,
  type MigrationSummary,
  ownerVmidOf,
  type PreflightFacts,
  planRoute,
  preflight,
  type RemoteFacts,
  type Route,
  summarizeMove,
  windowRefusal,
} from "../migration";
import type { GuestConfig, GuestRow, ProxmoxApi, StorageRow } from "../proxmox";
import { addressesOf, findClashes } from "./address-clashes";
import { type ClusterFacts, readClusterFacts } from "./cluster-facts";
import { listImages } from "./images";
import { readMembershipFacts } from "./membership-facts";
import { getRemoteEndpoint } from "./remote-endpoint";
import { type Session, UserError } from "./session";
import { readSyncFacts } from "./sync-facts";
import { findUnverified } from "./verification-facts";
import type { Whereabouts } from "./whereabouts";

export interface MoveIntent {
  /** `VM web-1`, `Disk data`. */
  what: string;
  here: Whereabouts & { home: NonNullable<Whereabouts["home"]> };
  /** For people: `vm 100`, `owner vm 100`. */
  guest: string;
  placement: { cluster: string; node: string };
  pool: ResourcePool;
  disks: { storage: string; sizeBytes: number }[];
  /** Where restore puts every disk at first. */
  restoreStorage: string | undefined;
  bridges: string[];
  /** Plain keys as declared: what the target will have of them. */
  declared: Record<string, string>;
  reason: string | undefined;
  /** It follows a guest that moves: no window holds it back. */
  follows: boolean;
  /** What of its disks would be lost by becoming what is declared, in words; absent: nothing changes about them. */
  findLostDisks?: (config: GuestConfig) => string[];
  /** Whether it is to run there; absent: it cannot be sent by remote migration (disks, guests of no program). */
  running?: boolean;
}

export type PlannedMove = { route: Route; migration: MigrationSummary } | { failure: string };

/** An archive of nearly empty disks; a store without even that much room fails for sure. */
const LEAST_ARCHIVE_SHARE = 0.01;
/** They take a disk's whole size at once; others only what is written. */
const THICK_TYPES = ["lvm"];

export async function planMove(session: Session, intent: MoveIntent): Promise<PlannedMove> {
  const { what, here, placement, guest, follows } = intent;
  const { home, unfinished } = here;
  const where = `${what} must leave ${home.cluster}/${home.row.node} for ${placement.cluster}/${placement.node}`;
  const routed = planRoute(await session.federation(), home.cluster, placement.cluster);
  if (!routed.ok) return { failure: `${where}, but ${routed.reason}.` };
  // What does not run is not started while its data arrive: disks and guests at rest are restored first.
  const route = intent.running === true ? routed.route : withoutLive(routed.route);
  if (isRemote(route) && intent.running === undefined)
    return {
      failure: `${where}, but method ${route.method} moves only VMs that a program declares: set method: backup-restore for the path from ${route.source} to ${route.target} in migration_policies.paths.`,
    };
  const closed = unfinished || follows || session.overrideWindow ? undefined : windowRefusal(route, session.pace.nowMs());
  if (closed !== undefined) return { failure: `${where}, but ${closed}.` };
  // An unfinished move has passed these checks, and its source is fenced on purpose.
  const findings = unfinished ? [] : preflight(route, await gatherFacts(session, route, intent));
  if (findings.length > 0) return { failure: `${where}, but cannot be moved: ${findings.join("; ")}.` };
  const source = await session.cluster(home.cluster);
  const bytes = intent.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const unverified = await findUnverified(session, route);
  const migration = summarizeMove(route, estimateMove(route, bytes, source), {
    from: `${home.cluster}/${home.row.node} (${guest})`,
    to: `${placement.cluster}/${placement.node}`,
    reason: intent.reason ?? `its place on ${source.id} no longer holds`,
    ...(unverified === undefined ? {} : { unverified }),
  });
  return { route, migration };
}

function withoutLive({ live: _live, verifiedBy: _nobody, ...route }: Route): Route {
  return route;
}

async function gatherFacts(session: Session, route: Route, intent: MoveIntent): Promise<PreflightFacts> {
  const { here, placement, pool } = intent;
  const { cluster, row } = here.home;
  const [source, target] = await Promise.all([session.client(cluster), session.client(route.target)]);
  const [config, sourceSide, targetSide] = await Promise.all([
    source.qemu.getConfig(row.node, row.vmid),
    readClusterFacts(session, cluster),
    readClusterFacts(session, route.target),
  ]);
  const rows = (await session.reachable(cluster))?.storages ?? [];
  const there = (await session.reachable(route.target))?.storages.filter(({ node }) => node === placement.node) ?? [];
  const store = rows.find(({ storage, node }) => storage === route.store?.writeStorage && node === row.node);
  const guests = (await session.reachable(route.target))?.guests ?? [];
  const bytes = intent.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const { migration } = await session.federation();
  const targetVolids = await findVolumesOf(target, placement.node, row.vmid, there, session);
  // Volumes are listed later than guests: one that has come meanwhile, as another resource of this run, is no unknown.
  const isNew = async () => targetVolids.length > 0 && (await session.locate(route.target, row.vmid)) !== undefined;
  return {
    guest: row,
    config,
    sourcePermissions: sourceSide.permissions,
    targetPermissions: targetSide.permissions,
    pool: pool.name,
    targetNode: placement.node,
    targetStorages: [...new Set([...(intent.restoreStorage === undefined ? [] : [intent.restoreStorage]), ...storagesOf(intent)])],
    targetBridges: intent.bridges,
    ...(intent.bridges.length === 0 ? {} : { targetNodeBridges: await target.listBridges(placement.node) }),
    targetNodeStorages: there.filter(({ status }) => status === "available").map(({ storage }) => storage),
    targetRoom: roomOf(intent, there),
    ...(store?.totalBytes === undefined || store.usedBytes === undefined ? {} : { storeFreeBytes: store.totalBytes - store.usedBytes }),
    leastArchiveBytes: Math.ceil(bytes * LEAST_ARCHIVE_SHARE),
    attachedVolids: await attachedVolids(session, cluster, row, config),
    sourceStore: sourceSide.storages.find(({ storage }) => storage === route.store?.writeStorage),
    targetStore: targetSide.storages.find(({ storage }) => storage === route.store?.readStorage),
    ...(await readSyncFacts(session, route)),
    versions: { source: sourceSide.major, target: targetSide.major },
    vmidTaken: guests.some(({ vmid }) => vmid === row.vmid) || (await isNew()),
    ...(await readMembershipFacts(session, route, { row, placement, storages: storagesOf(intent) })),
    images: {
      targetVolids,
      source: sourceSide.storages,
      target: targetSide.storages,
    },
    ...(intent.findLostDisks ? { lostDisks: intent.findLostDisks(config) } : {}),
    clashes: await findClashes(session, route.target, addressesOf({ ...config.values, ...intent.declared })),
    ...(isRemote(route) ? { remote: await readRemoteFacts(session, route, intent, { sourceSide, targetSide, there }) } : {}),
    ...(migration.preMigrationChecks.includes("ensure_backup_exists") && route.store
      ? { hasBackup: await hasBackup(source, row, route.store.writeStorage) }
      : {}),
  };
}

/** Each storage is listed once per run, however many guests go there. */
async function findVolumesOf(
  api: ProxmoxApi,
  node: string,
  vmid: number,
  rows: readonly StorageRow[],
  session: Session,
): Promise<string[]> {
  const listings = rows
    .filter(({ content, status }) => status === "available" && content.includes("images"))
    .map(({ storage }) => listImages(session, { api, node }, storage));
  return (await Promise.all(listings))
    .flatMap((volumes) => volumes.map(({ volid }) => volid))
    .filter((volid) => ownerVmidOf(volid) === vmid);
}

async function readRemoteFacts(
  session: Session,
  route: Route,
  { here, placement, running }: MoveIntent,
  {
    sourceSide,
    targetSide,
    there,
  }: { sourceSide: ClusterFacts; targetSide: ClusterFacts; there: { storage: string; pluginType?: string }[] },
): Promise<RemoteFacts> {
  const target: [string, string | undefined][] = [
    ...targetSide.storages.map(({ storage, type }): [string, string] => [storage, type]),
    ...there.map(({ storage, pluginType }): [string, string | undefined] => [storage, pluginType]),
  ];
  return {
    online: route.method === "storage" && running === true && here.home.row.status === "running",
    storageTypes: {
      source: Object.fromEntries(sourceSide.storages.map(({ storage, type }) => [storage, type])),
      target: Object.fromEntries(target.flatMap(([storage, type]) => (type === undefined ? [] : [[storage, type]]))),
    },
    // Without that right the question itself is refused; the finding about the right says so.
    ...(hasPrivilege(targetSide.permissions, "/", "Sys.Audit") ? await endpointProblem(session, placement) : {}),
  };
}

/** Found now what would only show in the middle of the update. */
async function endpointProblem(
  session: Session,
  { cluster, node }: { cluster: string; node: string },
): Promise<Pick<RemoteFacts, "endpointProblem">> {
  try {
    await getRemoteEndpoint(session, cluster, node);
    return {};
  } catch (error) {
    if (error instanceof UserError) return { endpointProblem: error.message };
    throw error;
  }
}

function storagesOf({ disks }: MoveIntent): string[] {
  return [...new Set(disks.map(({ storage }) => storage))];
}

/** Restore needs room for every disk on one storage, even for those that move on from there. */
function roomOf(
  { disks, restoreStorage }: MoveIntent,
  rows: { storage: string; pluginType?: string; totalBytes?: number; usedBytes?: number }[],
) {
  const needed = new Map<string, number>();
  for (const { storage, sizeBytes } of disks) {
    needed.set(storage, (needed.get(storage) ?? 0) + sizeBytes);
    if (restoreStorage !== undefined && storage !== restoreStorage)
      needed.set(restoreStorage, (needed.get(restoreStorage) ?? 0) + sizeBytes);
  }
  return rows.flatMap(({ storage, pluginType, totalBytes, usedBytes }) => {
    const bytes = needed.get(storage);
    if (bytes === undefined || totalBytes === undefined || usedBytes === undefined) return [];
    const share = THICK_TYPES.includes(pluginType ?? "") ? 1 : LEAST_ARCHIVE_SHARE;
    return [{ storage, neededBytes: Math.ceil(bytes * share), freeBytes: totalBytes - usedBytes }];
  });
}

/** Volumes in the guest that disks of ours own: their own resources carry them over. */
async function attachedVolids(session: Session, cluster: string, row: GuestRow, config: GuestConfig): Promise<Set<string>> {
  const guests = (await session.reachable(cluster))?.guests ?? [];
  const ours = new Set(guests.filter((guest) => guest.tags.some(isIdentityTag)).map((guest) => guest.vmid));
  return new Set(
    dataDrivesOf(config)
      .filter((drive) => drive.ownerVmid !== undefined && drive.ownerVmid !== row.vmid && ours.has(drive.ownerVmid))
      .map((drive) => drive.volid),
  );
}

async function hasBackup(source: ProxmoxApi, { node, vmid }: GuestRow, storage: string): Promise<boolean> {
  return (await source.storage.listContent(node, storage, { content: "backup", vmid })).length > 0;
}
