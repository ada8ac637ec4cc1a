/** Moving by an archive: the stopped source is backed up to a store both clusters reach, and restored over a claim. */
import type { Volume } from "../proxmox";
import { bandwidthLimit, ensureArchive, RESTORE_TIMEOUT_MS, removeArchives, requireSound, showProgress, waitUntilVisible } from "./archive";
import { endVerification, verifyForLive } from "./archive-verification";
import { findGuest } from "./claim";
import { claimTarget, requireClaim } from "./claim-target";
import { requireEncrypted } from "./encryption";
import { stopAndFenceSource } from "./fence";
import { refuseForeignVolumes } from "./foreign-volumes";
import { findLiveRestore, liveOverrides, receiveLive, restoreLive, takeUpLiveRestore, willRestoreLive } from "./live-restore";
import { formatDescription, type Mark, type MoveJournal, type MoveStep } from "./mark";
import { type MarkedGuest, MOVING_TAG, readMarkedGuest } from "./marked-guest";
import type { MoveMethod } from "./move-method";
import { type MoveState, withTag } from "./move-state";
import { destroyGuest, type GuestRef, isRunning, type Pace, runTask, stopTask } from "./operations";
import { findOwnedGuests, waitForCreates } from "./owned-guests";
import { bringAcross, removeSynced } from "./pbs-sync";
import { TransferProgress } from "./progress";
import { freeLeftovers, isRestoreWreck, reclaimOrphans } from "./restore-wreck";
import type { RollbackRequest } from "./rollback";
import { storeOf } from "./route";
import { isStranded, strandedAt } from "./stranded";

export const backupRestore: MoveMethod = {
  name: "backup-restore",
  fencedSteps: new Set(["backing-up", "backed-up", "restoring", "verified", "finishing"]),
  takeUp: takeUpLiveRestore,
  takeTarget: async (move) => {
    const target = await claimTarget(move);
    await refuseForeignVolumes(target);
    return target;
  },
  carry: async (move, target) => {
    // What has been restored needs no store any more: it may be the store that is gone.
    const isRestored = (await move.readTarget(target)).mark?.phase === "restored";
    if (!isRestored && !isRestoredLive(move.begun)) await transfer(move, target);
    if (isRestoredLive(move.begun)) await receiveLive(move, target);
  },
  canRollBack,
  stopWork: (source, _journal, pace) => stopTask(source, "vzdump", pace),
  removeTarget,
  cleanUp: async (source, { storage, sync, verification, id }, pace, backupServerOf) => {
    await endVerification(source.vmid, { verification, id }, pace, backupServerOf);
    await removeSynced(source.vmid, { sync, id }, pace, backupServerOf);
    if (storage !== undefined) await removeArchives(source, storage, id, pace);
  },
};

/** The target runs, or may. */
function isRestoredLive({ live, step }: MoveJournal): boolean {
  return live === true && step === "finishing";
}

/** A disk's owner never runs: until somebody is given its volume, nothing is on the target that the source has not. */
async function canRollBack(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<boolean> {
  const { identity, targetApi } = request;
  if (identity.kind === "disk")
    return (await findOwnedGuests(targetApi, identity, pace)).every(({ mark }) => mark?.attachedTo === undefined);
  return isRestoredLive(journal) && (await findLiveRestore({ identity, targetApi, journal }, pace)) === "failed";
}

/** Both queues are before the shutdown: nobody waits for them switched off. */
function transfer(move: MoveState, target: GuestRef): Promise<void> {
  return move.request.onLink(async (bitsPerSecond) => {
    const { beside, type, sync } = storeOf(move.request.route);
    const toStore = beside === "source" || sync ? undefined : bitsPerSecond;
    // Over the link without holding the node's turn: the next guest is backed up meanwhile.
    if (sync) await proveWarm(move, await move.request.inTurn(() => warmUp(move, toStore)), bitsPerSecond);
    const archive = await move.request.inTurn(async () => {
      if (!sync) await proveWarm(move, await warmUp(move, toStore), bitsPerSecond);
      await stopAndFenceSource(move);
      return backUp(move, toStore);
    });
    await bringAcross(move, archive, "final", bitsPerSecond);
    // Proxmox takes a limit for archives of a backup server, and does nothing with it.
    await restore(move, target, archive, beside === "target" || type === "pbs" ? undefined : bitsPerSecond);
  });
}

/**
 * A backup of the running guest: the store then holds nearly all chunks, and the one that counts sends only what has changed
 * since (the stopped guest is read again as a whole: QEMU's dirty bitmap ends with its process). It also proves before any
 * downtime that the target sees what the source writes.
 */
async function warmUp(move: MoveState, bitsPerSecond: number | undefined): Promise<Volume | undefined> {
  const { source, route, name } = move.request;
  if (!route.warm || !(move.begun.step === "preparing" || move.begun.step === "warming")) return undefined;
  if (!(await isRunning(source))) return undefined;
  move.stopIfCancelled();
  if (move.begun.step === "preparing") await move.change({ step: "warming" });
  move.pace.report(`${name}: backing up to ${storeOf(route).name} while it runs`);
  return ensureArchive(source, route, move.begun.id, { kind: "warm", bitsPerSecond, stage: `${name}: backing up, running` }, move.pace);
}

async function proveWarm(move: MoveState, archive: Volume | undefined, bitsPerSecond: number | undefined): Promise<void> {
  if (!archive) return;
  const { source, route, target } = move.request;
  await bringAcross(move, archive, "warm", bitsPerSecond);
  await waitUntilVisible(target, archive, source.vmid, route, move.pace);
  requireSound(archive);
  if (willRestoreLive(move)) await verifyForLive(move, archive, "warm");
  await move.readSource();
}

async function backUp(move: MoveState, bitsPerSecond: number | undefined): Promise<Volume> {
  const { source, route, name } = move.request;
  if (BEFORE_BACKUP.has(move.begun.step)) await move.change({ step: "backing-up" });
  move.pace.report(`${name}: backing up to ${storeOf(route).name}`);
  const archive = await ensureArchive(
    source,
    route,
    move.begun.id,
    { kind: "final", bitsPerSecond, stage: `${name}: backing up` },
    move.pace,
  );
  await move.readSource();
  if (move.begun.step === "backing-up") await move.change({ step: "backed-up", archive: archive.volid, archiveBytes: archive.sizeBytes });
  return archive;
}

const BEFORE_BACKUP: ReadonlySet<MoveStep> = new Set(["preparing", "warming", "stopping"]);

async function restore(move: MoveState, target: GuestRef, archive: Volume, bitsPerSecond: number | undefined): Promise<void> {
  move.stopIfCancelled();
  const { route, name, tags, text, source } = move.request;
  const volid = await waitUntilVisible(move.request.target, archive, source.vmid, route, move.pace);
  requireSound(archive);
  if (route.encrypted) await requireEncrypted(move.request, archive);
  const params = (phase: Mark["phase"]) => ({
    vmid: target.vmid,
    archive: volid,
    storage: move.request.target.storage,
    // Over our own claim, or over what is left of our own restore: neither holds data.
    force: 1,
    template: 0,
    onboot: 0,
    protection: 0,
    name,
    tags: withTag(tags, MOVING_TAG).join(";"),
    description: formatDescription(text, move.targetMark(phase)),
    ...bandwidthLimit(bitsPerSecond),
  });
  const live = liveOverrides(move);
  if (live) await verifyForLive(move, archive, "final");
  await requireClaim(move, target);
  if (live) {
    await restoreLive(move, target, { ...live, ...params("claimed") });
    return;
  }
  if (move.begun.step !== "restoring") await move.change({ step: "restoring" });
  move.pace.report(`${name}: restoring on ${route.target}/${target.node}`);
  const progress = new TransferProgress(`${name}: restoring`, move.pace.nowMs);
  await runTask(
    target,
    {
      type: "qmrestore",
      timeoutMs: RESTORE_TIMEOUT_MS,
      isDone: async () => (await readMarkedGuest(target))?.mark?.phase === "restored",
      onLog: (lines) => showProgress(move.pace, progress.read(lines)),
      onStarted: (restoreUpid) => move.change({ restoreUpid }),
    },
    move.pace,
    () => target.api.qemu.create(target.node, params("restored")),
  );
  await freeLeftovers(await move.readTarget(target), move.pace);
}

function isUnderWay({ mark }: MarkedGuest, { source, identity }: RollbackRequest): boolean {
  if (mark?.phase === "claimed" || mark?.phase === "restored") return true;
  // Of a disk even the finished copy, while its source is not retired.
  return identity.kind === "disk" && mark?.source?.cluster === source.api.clusterId && mark.source.vmid === source.vmid;
}

/** Claim, restored guest or what a failed restore has left. */
async function removeTarget(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<void> {
  const { targetApi: api, identity } = request;
  const found = journal.target.vmid === undefined ? undefined : await findGuest(api, journal.target.vmid);
  if (found) {
    await stopTask(found, "qmrestore", pace);
    const guest = await readMarkedGuest(found);
    if (guest && (await isStranded(guest, identity, { pool: found.pool, expectedPool: request.targetPool })))
      request.onStranded?.(await strandedAt(found));
    else if (guest && isRestoreWreck(guest, found.pool, request.targetPool)) {
      await reclaimOrphans(found, pace);
      await destroyGuest(found, pace);
    }
  } else await waitForCreates({ api, node: journal.target.node }, pace);
  for (const guest of await findOwnedGuests(api, identity, pace))
    if (isUnderWay(guest, request) && !(await isStranded(guest, identity, { expectedPool: request.targetPool })))
      await destroyGuest(guest.ref, pace);
}
