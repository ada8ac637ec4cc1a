/** Undoing a move whose target was never started: the source serves again, target and archive go. */
import type { ProxmoxApi } from "../proxmox";
import { removeArchives } from "./archive";
import { findGuest } from "./claim";
import { ownerVmidOf } from "./drives";
import { type Identity, type MoveJournal, sameIdentity } from "./mark";
import { type MarkedGuest, MOVING_TAG, readMarkedGuest, tagsOf, writeMark } from "./marked-guest";
import { destroyGuest, findActiveTask, type GuestRef, type Pace, putConfig, refuseForeignLock, startGuest } from "./operations";
import { findOwnedGuests, waitForCreates } from "./owned-guests";

export interface RollbackRequest {
  identity: Identity;
  source: GuestRef;
  targetApi: ProxmoxApi;
  targetPool: string;
  /** Starts a source that ran before; false when the move begins anew at once. */
  restart: boolean;
}

/** Volumes are named before the first line of progress. */
const RESTORE_HEAD_LINES = 200;

/** Safe to repeat. The source comes first: it serves again even when the target cannot be cleaned up now. */
export async function rollBackMove(request: RollbackRequest, pace: Pace): Promise<void> {
  const source = await readMarkedGuest(request.source);
  if (!source?.mark || !sameIdentity(source.mark, request.identity)) return;
  const journal = source.mark.move;
  if (!journal || source.mark.phase === "retired") return;
  if (journal.step === "finishing")
    throw new Error(
      `vm ${request.source.vmid} on ${request.source.api.clusterId} cannot be rolled back: its successor may have run. Run "pulumi up" to finish the move.`,
    );
  pace.report(`${request.identity.name}: rolling the move back`);
  await stopTask(request.source, "vzdump", pace);
  const unlocked = (await readMarkedGuest(request.source)) ?? source;
  refuseForeignLock(request.source, unlocked.config);
  const marked = await writeMark(unlocked, { mark: { ...source.mark, move: { ...journal, step: "rolling-back" } } }, pace);
  await restoreSource(request, journal, pace);
  await removeTarget(request, journal, pace);
  await removeArchives(request.source, journal.storage, journal.id, pace);
  const { move: _undone, ...mark } = marked.mark!;
  await writeMark(marked, { mark: { ...mark, phase: "settled" }, tags: tagsOf(marked.config).filter((tag) => tag !== MOVING_TAG) }, pace);
}

async function restoreSource(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<void> {
  if (!journal.wasFenced) await putConfig(request.source, { set: { onboot: journal.onBoot ? 1 : 0 }, remove: ["template"] }, pace);
  if (journal.wasRunning && request.restart) await startGuest(request.source, pace);
}

async function removeTarget(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<void> {
  const { targetApi: api, identity } = request;
  const found = journal.target.vmid === undefined ? undefined : await findGuest(api, journal.target.vmid);
  if (found) {
    await stopTask(found, "qmrestore", pace);
    const guest = await readMarkedGuest(found);
    if (guest && isRestoreWreck(guest, found.pool, request.targetPool)) {
      await reclaimOrphans(found, pace);
      await destroyGuest(found, pace);
    }
  } else await waitForCreates({ api, node: journal.target.node }, pace);
  for (const guest of await findOwnedGuests(api, identity, pace))
    if (guest.mark?.phase === "claimed" || guest.mark?.phase === "restored") await destroyGuest(guest.ref, pace);
}

/**
 * Disks of a restore whose worker was killed belong to the vmid and are named by no configuration (live finding 4). Attached
 * to the guest again they go with it; a token may not delete a volume by itself.
 */
async function reclaimOrphans(wreck: GuestRef, pace: Pace): Promise<void> {
  const { api, node, vmid } = wreck;
  const restores = await api.tasks.list(node, { vmid, typeFilter: "qmrestore", source: "all" });
  const set: Record<string, string> = {};
  for (const { upid } of restores.filter((task) => task.type === "qmrestore")) {
    for (const line of await api.tasks.getLog(upid, { limit: RESTORE_HEAD_LINES })) {
      const volid = /^new volume ID is '(.+)'$/.exec(line)?.[1];
      if (volid === undefined || ownerVmidOf(volid) !== vmid || Object.values(set).includes(volid)) continue;
      if (await api.storage.findVolume(node, volid)) set[`scsi${Object.keys(set).length}`] = volid;
    }
  }
  await putConfig(wreck, { set }, pace);
}

/**
 * A failed restore leaves a guest of at most `memory: 128` and orphaned disks, without description or tags (live
 * finding 4). It is known by its vmid in our journal, by our pool, and by holding nothing.
 */
export function isRestoreWreck(guest: MarkedGuest, pool: string | undefined, expectedPool: string): boolean {
  const keys = Object.keys(guest.config.values).filter((key) => !/^unused\d+$/.test(key));
  const empty = keys.length === 0 || (keys.length === 1 && guest.config.values.memory === "128");
  return empty && pool === expectedPool;
}

async function stopTask(guest: GuestRef, type: string, pace: Pace): Promise<void> {
  const upid = await findActiveTask(guest, type);
  if (!upid) return;
  await guest.api.tasks.stop(upid);
  for (let attempt = 1; (await guest.api.tasks.getStatus(upid)).status === "running"; attempt++) {
    if (attempt > 60)
      throw new Error(
        `Task ${upid} on ${guest.api.clusterId} does not end after it was stopped. Look at it on node ${guest.node}, then run again.`,
      );
    await pace.sleep(1_000);
  }
}
