/**
 * Archives between sites that have a backup server each: the target's server pulls the guest's group from the source's, by a sync
 * job of our own that runs only when it is told to. The job's id is the move's, so an interrupted run finds it again.
 */
import type { BackupLocation, BackupServerApi, ProxmoxApi, SnapshotRef, StorageDefinition, Upid, Volume } from "../proxmox";
import { type ArchiveKind, archiveNote } from "./archive";
import { locationOf } from "./datastore";
import type { MoveJournal, SyncedPlace } from "./mark";
import type { MoveState } from "./move-state";
import { type Pace, repeatAfterLostReply } from "./operations";
import { type Route, type RouteSync, storeOf } from "./route";

/** What of a backup server's API a move needs. */
export interface SyncServer extends Pick<BackupServerApi, "serverId" | "getPermissions"> {
  snapshots: Pick<BackupServerApi["snapshots"], "list" | "find" | "setProtected" | "verify" | "delete">;
  syncJobs: Pick<BackupServerApi["syncJobs"], "find" | "ensure" | "getState" | "run" | "delete">;
  tasks: Pick<BackupServerApi["tasks"], "list" | "wait" | "stop">;
}

/** Client of a backup store's own API, by the store's name. */
export type BackupServerOf = (store: string) => Promise<SyncServer>;

/** The group over a thin line: as long as it takes, but not for ever. */
const SYNC_TIMEOUT_MS = 72 * 3600 * 1000;
/** A backup of somebody else's that ends while we count is all that makes a second run necessary. */
const MOST_RUNS = 3;

/** Of a storage of type pbs. @throws when the token does not see where on its server it is */
export async function definitionOf(api: ProxmoxApi, storage: string): Promise<{ definition: StorageDefinition; at: BackupLocation }> {
  const definition = (await api.listStorageDefinitions()).find((candidate) => candidate.storage === storage);
  const at = definition && locationOf(definition);
  if (!at)
    throw new Error(
      `Storage ${storage} of ${api.clusterId} names no datastore that its archives could be synced with: it must be of type pbs, and the token needs Datastore.AllocateSpace on /storage/${storage} to see it.`,
    );
  return { definition, at };
}

/** Where the target will look for the archive; written into the journal before anything is synced. */
export async function readSyncedPlace(route: Route, { store }: RouteSync, target: ProxmoxApi): Promise<SyncedPlace> {
  const { at } = await definitionOf(target, storeOf(route).readStorage);
  return { store, ...at };
}

/** The comment of our job begins with it: nobody else's is ever changed. */
function jobMark(moveId: string): string {
  return archiveNote(moveId);
}

function jobId(moveId: string): string {
  return `fed-move-${moveId}`;
}

export async function serverOf({ store }: SyncedPlace, backupServerOf: BackupServerOf | undefined): Promise<SyncServer> {
  if (backupServerOf) return backupServerOf(store);
  throw new Error(`archives of the move are on backup store ${store}, and nobody here can reach its API`);
}

/** `pbs:backup/vm/100/2026-01-05T02:00:00Z` */
export function snapshotOf({ volid }: Volume): SnapshotRef {
  const [, id, time] = /:backup\/vm\/(\d+)\/([^/]+)$/.exec(volid) ?? [];
  const timeSeconds = time === undefined ? Number.NaN : Date.parse(time) / 1000;
  if (id === undefined || Number.isNaN(timeSeconds)) throw new Error(`${volid} is not an archive of a VM on a Proxmox Backup Server`);
  return { type: "vm", id, timeSeconds };
}

/**
 * Has the archive pulled to the target's backup server and protects it there; what an interrupted run has brought is not brought
 * again. Does nothing where both clusters use one store.
 */
export async function bringAcross(move: MoveState, archive: Volume, kind: ArchiveKind, bitsPerSecond: number | undefined): Promise<void> {
  const { sync: place, id } = move.begun;
  if (!place) return;
  const server = await serverOf(place, move.request.backupServerOf);
  const snapshot = snapshotOf(archive);
  const hasArrived = async (): Promise<boolean> => {
    const found = await server.snapshots.find(place, snapshot);
    // One that is still being written has no size.
    return found?.sizeBytes !== undefined && found.notes?.trim() === archiveNote(id, kind);
  };
  await awaitRun(server, await findRun(server, jobId(id)), move.pace);
  for (let run = 1; !(await hasArrived()); run++) {
    if (run > MOST_RUNS) throw notArrived(move, archive, place);
    move.stopIfCancelled();
    await awaitRun(server, await startRun(move, server, archive, bitsPerSecond), move.pace);
  }
  // Neither a prune job there nor a job that removes what has vanished may take it before it is restored.
  await repeatAfterLostReply(move.pace, () => server.snapshots.setProtected(place, snapshot, true));
}

async function startRun(move: MoveState, server: SyncServer, archive: Volume, bitsPerSecond: number | undefined): Promise<Upid> {
  const { source, target, route, name } = move.request;
  const { id, sync: place } = move.begun;
  const { name: from, writeStorage, readStorage, sync } = storeOf(route);
  if (!place || !sync) throw new Error(`the route from ${route.source} to ${route.target} has no backup server to sync to`);
  const [{ at: far }, { definition }, volumes, group] = await Promise.all([
    definitionOf(source.api, writeStorage),
    definitionOf(target.api, readStorage),
    source.api.storage.listContent(source.node, writeStorage, { content: "backup", vmid: source.vmid }),
    server.snapshots.list(place, { type: "vm", id: String(source.vmid) }),
  ]);
  const newer = volumes.filter(({ createdAtSeconds = 0 }) => createdAtSeconds > (archive.createdAtSeconds ?? 0));
  // A group has one owner. Of a new one it is whoever the target's storage signs in as, who may then read it without further rights.
  const owner = group.find((snapshot) => snapshot.owner !== undefined)?.owner ?? definition.raw.username;
  await repeatAfterLostReply(move.pace, () =>
    server.syncJobs.ensure(
      {
        id: jobId(id),
        direction: "pull",
        local: place,
        remote: sync.remote,
        far,
        ...(typeof owner === "string" ? { owner } : {}),
        groupFilter: [`group:vm/${source.vmid}`],
        maxDepth: 0,
        // Ours, and what others have backed up since: Proxmox takes the newest ones only.
        transferLast: 1 + newer.length,
        removeVanished: false,
        ...(bitsPerSecond === undefined ? {} : { limitBytesPerSecond: Math.max(1, Math.floor(bitsPerSecond / 8)) }),
      },
      jobMark(id),
    ),
  );
  move.pace.report(`${name}: syncing from ${from} to ${sync.store}`);
  const upid = await server.syncJobs.run(jobId(id));
  move.pace.onTask?.(upid);
  return upid;
}

/** Of the job, if it runs now. */
async function findRun(server: SyncServer, job: string): Promise<Upid | undefined> {
  const { lastRunUpid, lastRunExitStatus } = await server.syncJobs.getState(job);
  return lastRunExitStatus === undefined ? lastRunUpid : undefined;
}

async function awaitRun(server: SyncServer, upid: Upid | undefined, pace: Pace): Promise<void> {
  if (upid !== undefined) await server.tasks.wait(upid, { timeoutMs: SYNC_TIMEOUT_MS, signal: pace.signal });
}

function notArrived({ request: { route, source } }: MoveState, { volid }: Volume, place: SyncedPlace): Error {
  const { name, sync } = storeOf(route);
  return new Error(
    `Archive ${volid} did not arrive in datastore ${place.datastore} of backup store ${place.store}, though the sync ended well. The token of remote ${sync?.remote} there must be allowed to read vm/${source.vmid} on ${name} (Datastore.Read), and no newer backup of that vmid may lie in namespace ${place.namespace || "(root)"} already. Look at the task on the backup server.`,
  );
}

/** Ends the job and removes what it has brought: our own snapshots, known by their notes. Safe to repeat. */
export async function removeSynced(
  vmid: number,
  { sync: place, id }: Pick<MoveJournal, "sync" | "id">,
  pace: Pace,
  backupServerOf: BackupServerOf | undefined,
): Promise<void> {
  if (!place) return;
  const server = await serverOf(place, backupServerOf);
  // The job goes last: without one nothing has been brought.
  if (!(await server.syncJobs.find(jobId(id)))) return;
  await endRun(server, jobId(id), pace);
  const ours = [archiveNote(id, "final"), archiveNote(id, "warm")];
  for (const snapshot of await server.snapshots.list(place, { type: "vm", id: String(vmid) })) {
    if (!ours.includes(snapshot.notes?.trim() ?? "")) continue;
    if (snapshot.protected) await repeatAfterLostReply(pace, () => server.snapshots.setProtected(place, snapshot, false));
    await repeatAfterLostReply(pace, () => server.snapshots.delete(place, snapshot));
  }
  await repeatAfterLostReply(pace, () => server.syncJobs.delete(jobId(id), jobMark(id)));
}

async function endRun(server: SyncServer, job: string, pace: Pace): Promise<void> {
  const upid = await findRun(server, job);
  if (upid === undefined) return;
  await server.tasks.stop(upid);
  for (let attempt = 1; (await findRun(server, job)) !== undefined; attempt++) {
    if (attempt > 60)
      throw new Error(`Task ${upid} on ${server.serverId} does not end after it was stopped. Look at it there, then run again.`);
    await pace.sleep(1_000);
  }
}
