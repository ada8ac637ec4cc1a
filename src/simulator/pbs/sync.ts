/** Copying snapshots between datastores. Only chunks that the target does not have travel. */
import { type TaskContext, TaskInterrupted } from "../kernel";
import { linksBetween } from "../network";
import { errorMessage } from "../volumes/calls";
import { formatBytes } from "../volumes/sizes";
import type { SimulatorWorld } from "../world";
import { type Datastore, getDatastore } from "./calls";
import { aclPath } from "./datastore-access";
import { chunksOf } from "./datastore-routes";
import { connect, type Peer } from "./remotes";
import {
  type GroupId,
  groupKey,
  groupsOf,
  hasNamespace,
  listSnapshots,
  ofGroup,
  ownerOf,
  removeSnapshot,
  type Snapshot,
  snapshotKey,
  snapshotName,
} from "./snapshots";
import type { BackupServerState } from "./state";

export interface SyncRequest {
  direction: "pull" | "push";
  store: string;
  ns: string;
  /** Absent: another datastore of the same server. */
  remote?: string;
  remoteStore: string;
  remoteNs: string;
  /** Whose the new groups become. */
  owner: string;
  removeVanished: boolean;
  /** Levels of namespaces below the given one; absent: all. */
  maxDepth?: number;
  /** `type:vm`, `group:vm/100`, `regex:…`, with `exclude:` in front or not; empty: all. */
  groupFilter: readonly string[];
  /** Only the newest so many of each group. */
  transferLast?: number;
  bytesPerSecond?: number;
}

interface End {
  datastore: Datastore;
  server: BackupServerState;
  ns: string;
}

interface Sync {
  world: SimulatorWorld;
  request: SyncRequest;
  source: End;
  target: End;
  /** Whether a snapshot's group can be read at the source. */
  readable(group: GroupId): boolean;
  task: TaskContext;
  stats: { bytes: number; chunks: number; removed: number };
}

/** The worker's part. Throws `sync failed with some errors.` when a group failed; the others are done all the same. */
export async function runSync(world: SimulatorWorld, server: BackupServerState, request: SyncRequest, task: TaskContext): Promise<void> {
  const startedMs = world.clock.nowMs();
  const from = `${request.remote === undefined ? "" : `${request.remote}/`}${request.remoteStore}`;
  task.log(`sync datastore '${request.store}' ${request.direction === "push" ? "to" : "from"} '${from}'`);
  try {
    const sync = open(world, server, request, task);
    const failed = await syncNamespaces(sync);
    summarize(sync, (world.clock.nowMs() - startedMs) / 1000);
    if (failed) throw new Error("sync failed with some errors.");
  } catch (error) {
    throw error instanceof TaskInterrupted ? new Error("sync aborted", { cause: error }) : error;
  } finally {
    if (!task.killed) world.touch();
  }
}

function open(world: SimulatorWorld, server: BackupServerState, request: SyncRequest, task: TaskContext): Sync {
  const peer = request.remote === undefined ? undefined : connect(world, getRemote(server, request.remote));
  const local: End = { datastore: getDatastore(world, server, request.store), server, ns: request.ns };
  const remoteServer = peer?.server ?? server;
  const far: End = { datastore: getDatastore(world, remoteServer, request.remoteStore), server: remoteServer, ns: request.remoteNs };
  const [source, target] = request.direction === "push" ? [local, far] : [far, local];
  const readable = request.direction === "push" || peer === undefined ? () => true : readableBy(peer, source);
  if (request.direction === "push" && peer) requireWritable(peer, far);
  return { world, request, source, target, readable, task, stats: { bytes: 0, chunks: 0, removed: 0 } };
}

function getRemote(server: BackupServerState, name: string) {
  const remote = server.remotes[name];
  if (!remote) throw new Error(`no such remote '${name}'`);
  return remote;
}

/** Datastore.Read for everything, Datastore.Backup for own groups. */
function readableBy(peer: Peer, { datastore }: End): Sync["readable"] {
  return (group) => {
    const path = aclPath(datastore.name, group.ns);
    return peer.has(path, "Datastore.Read") || (peer.has(path, "Datastore.Backup") && ownerOf(datastore, group) === peer.authid);
  };
}

function requireWritable(peer: Peer, { datastore, ns }: End): void {
  if (!peer.has(aclPath(datastore.name, ns), "Datastore.Backup")) throw new Error("permission check failed");
}

/** True when something failed. */
async function syncNamespaces(sync: Sync): Promise<boolean> {
  const { source, target, request, task } = sync;
  if (!hasNamespace(source.datastore, source.ns))
    throw new Error(`Querying namespaces failed - HTTP error 400 Bad Request - namespace not found`);
  const depth = (ns: string) => (ns === "" ? 0 : ns.split("/").length);
  const below = ["", ...source.datastore.state.namespaces].filter(
    (ns) =>
      (source.ns === "" || ns === source.ns || ns.startsWith(`${source.ns}/`)) &&
      depth(ns) - depth(source.ns) <= (request.maxDepth ?? Number.POSITIVE_INFINITY),
  );
  let failed = false;
  for (const ns of below) {
    const inner = ns.slice(source.ns.length).replace(/^\//, "");
    const targetNs = [target.ns, inner].filter((part) => part !== "").join("/");
    task.log("----");
    task.log(`Syncing ${describe(source.datastore, ns)} into ${describe(target.datastore, targetNs)}`);
    createNamespaces(target.datastore, targetNs, task);
    failed = (await syncGroups(sync, ns, targetNs)) || failed;
  }
  return failed;
}

function describe({ name }: Datastore, ns: string): string {
  return ns === "" ? `datastore '${name}', root namespace` : `datastore '${name}', namespace '${ns}'`;
}

function createNamespaces({ state }: Datastore, ns: string, task: TaskContext): void {
  const parts = ns.split("/").filter((part) => part !== "");
  parts.forEach((_, index) => {
    const whole = parts.slice(0, index + 1).join("/");
    if (state.namespaces.includes(whole)) return;
    state.namespaces.push(whole);
    task.log(`Created namespace ${whole}`);
  });
}

async function syncGroups(sync: Sync, ns: string, targetNs: string): Promise<boolean> {
  const { source, request, task, readable } = sync;
  const groups = groupsOf(listSnapshots(source.datastore).filter((found) => found.ns === ns)).filter(readable);
  const wanted = groups.filter((group) => passesFilter(group, request.groupFilter));
  task.log(`found ${wanted.length} groups to sync (out of ${groups.length} total)`);
  let failed = false;
  for (const [index, group] of wanted.entries()) {
    const targetGroup = { ...group, ns: targetNs };
    const name = `${group.type}/${group.id}`;
    try {
      claimGroup(sync, targetGroup);
      await syncGroup(sync, group, targetGroup, { done: index, total: wanted.length });
    } catch (error) {
      if (task.killed || error instanceof TaskInterrupted) throw error;
      task.log(`sync group ${name} failed - ${errorMessage(error)}`);
      failed = true;
    }
  }
  if (request.removeVanished) removeVanishedGroups(sync, wanted, targetNs);
  return failed;
}

function passesFilter({ type, id }: GroupId, filters: readonly string[]): boolean {
  const matches = (filter: string) => {
    const [, kind = "", value = ""] = /^(?:include:|exclude:)?(group|type|regex):(.+)$/.exec(filter) ?? [];
    if (kind === "type") return type === value;
    return kind === "group" ? `${type}/${id}` === value : new RegExp(value).test(`${type}/${id}`);
  };
  const excludes = filters.filter((filter) => filter.startsWith("exclude:"));
  const includes = filters.filter((filter) => !filter.startsWith("exclude:"));
  return (includes.length === 0 || includes.some(matches)) && !excludes.some(matches);
}

/** Only a group's owner may add to it. */
function claimGroup({ target, request }: Sync, group: GroupId): void {
  const { state } = target.datastore;
  const exists = ofGroup(listSnapshots(target.datastore), group).length > 0;
  if (!exists) state.owners[groupKey(group)] = request.owner;
  const owner = ownerOf(target.datastore, group);
  if (owner !== request.owner) throw new Error(`owner check failed (${request.owner} != ${owner})`);
}

async function syncGroup(sync: Sync, group: GroupId, targetGroup: GroupId, place: { done: number; total: number }): Promise<void> {
  const { source, target, request, task } = sync;
  const own = ofGroup(listSnapshots(source.datastore), group);
  const lastSeconds = ofGroup(listSnapshots(target.datastore), targetGroup).at(-1)?.timeSeconds ?? Number.NEGATIVE_INFINITY;
  const cutoff = request.transferLast === undefined ? 0 : Math.max(0, own.length - request.transferLast);
  const due = own.filter((found, index) => found.timeSeconds >= lastSeconds && (index >= cutoff || found.timeSeconds === lastSeconds));
  const skipped = own.filter(({ timeSeconds }) => timeSeconds < lastSeconds).length;
  if (skipped > 0) task.log(`skipped: ${skipped} snapshot(s) - older than the newest snapshot present on sync target`);
  for (const [index, found] of due.entries()) {
    await copySnapshot(sync, found, targetGroup);
    const fraction = (place.done + (index + 1) / due.length) / place.total;
    task.log(
      `percentage done: ${(100 * fraction).toFixed(2)}% (${place.done}/${place.total} groups, ${index + 1}/${due.length} snapshots in group #${place.done + 1})`,
    );
  }
  if (request.removeVanished) removeVanishedSnapshots(sync, own, targetGroup);
}

async function copySnapshot(sync: Sync, found: Snapshot, targetGroup: GroupId): Promise<void> {
  const { world, source, target, request, task, stats } = sync;
  const name = snapshotName(found);
  const key = snapshotKey({ ...targetGroup, timeSeconds: found.timeSeconds });
  const present = target.datastore.backend.volumes[key];
  task.log(`${present ? "re-sync" : "sync"} snapshot ${name}`);
  const { volume } = found;
  const targetBackend = target.datastore.backend;
  if (!present) {
    const chunks = [...new Set(chunksOf(found))].filter((chunk) => !targetBackend.chunks[chunk]);
    const bytes = chunks.length * world.blockBytes;
    const startedMs = world.clock.nowMs();
    await task.pass(500);
    const damaged = chunks.filter((chunk) => !source.datastore.backend.chunks[chunk]).length;
    if (damaged > 0) throw new Error(`unable to read ${damaged} chunks of ${name}`);
    const through = [`backend:${source.datastore.backend.id}`, ...linksOf(sync), `backend:${targetBackend.id}`];
    await task.transfer(bytes, through, request.bytesPerSecond);
    for (const chunk of chunks) targetBackend.chunks[chunk] = true;
    const seconds = Math.max(0.01, (world.clock.nowMs() - startedMs) / 1000);
    task.log(`downloaded ${formatBytes(bytes)} (${formatBytes(bytes / seconds)}/s)`);
    stats.bytes += bytes;
    stats.chunks += chunks.length;
  }
  // Protection and verification belong to a datastore; notes and contents to the backup.
  targetBackend.volumes[key] = {
    ...structuredClone(volume),
    volname: key,
    protected: present?.protected ?? false,
    verification: present?.verification,
  };
  task.log(present ? "no data changes" : `sync snapshot ${name} done`);
}

function linksOf({ world, source, target }: Sync): string[] {
  if (source.server === target.server) return [];
  const from = source.server.site ?? source.server.id;
  return linksBetween(world.state, from, target.server.site ?? target.server.id);
}

function removeVanishedSnapshots({ target, task, stats }: Sync, own: readonly Snapshot[], targetGroup: GroupId): void {
  const times = new Set(own.map(({ timeSeconds }) => timeSeconds));
  for (const old of ofGroup(listSnapshots(target.datastore), targetGroup)) {
    if (times.has(old.timeSeconds)) continue;
    if (old.volume.protected) {
      task.log(`don't delete vanished snapshot ${snapshotName(old)} (protected)`);
      continue;
    }
    task.log(`delete vanished snapshot ${snapshotName(old)}`);
    removeSnapshot(target.datastore, old);
    stats.removed += 1;
  }
}

/** Groups of the same owner that the source no longer has. */
function removeVanishedGroups({ target, request, task, stats }: Sync, wanted: readonly GroupId[], targetNs: string): void {
  const names = new Set(wanted.map(({ type, id }) => `${type}/${id}`));
  const snapshots = listSnapshots(target.datastore).filter((found) => found.ns === targetNs);
  for (const group of groupsOf(snapshots)) {
    const name = `${group.type}/${group.id}`;
    if (names.has(name) || ownerOf(target.datastore, group) !== request.owner || !passesFilter(group, request.groupFilter)) continue;
    task.log(`delete vanished group '${name}'`);
    const own = ofGroup(snapshots, group);
    const doomed = own.filter(({ volume }) => !volume.protected);
    for (const found of doomed) removeSnapshot(target.datastore, found);
    stats.removed += doomed.length;
    if (doomed.length < own.length) task.log(`kept some protected snapshots of group '${name}'`);
  }
}

function summarize({ request, task, stats }: Sync, seconds: number): void {
  const verb = request.direction === "push" ? "pushed" : "pulled";
  if (stats.bytes === 0) task.log(`Summary: sync job found no new data to ${request.direction}`);
  else {
    const rate = formatBytes(stats.bytes / Math.max(0.01, seconds));
    task.log(`Summary: sync job ${verb} ${formatBytes(stats.bytes)} in ${stats.chunks} chunks (average rate: ${rate}/s)`);
  }
  if (request.removeVanished) task.log(`Summary: removed vanished: snapshots: ${stats.removed}, groups: 0, namespaces: 0`);
}
