/** Moving by an archive: the stopped source is backed up to a store both clusters reach, and restored over a claim. */
import type { Volume } from "../proxmox";
import { bandwidthLimit, ensureArchive, removeArchives, showProgress, waitUntilVisible } from "./archive";
import { findGuest } from "./claim";
import { claimTarget } from "./claim-target";
import { requireEncrypted } from "./encryption";
import { stopAndFenceSource } from "./fence";
import { formatDescription, type MoveJournal, type MoveStep } from "./mark";
import { MOVING_TAG, readMarkedGuest } from "./marked-guest";
import type { MoveMethod } from "./move-method";
import { type MoveState, withTag } from "./move-state";
import { destroyGuest, type GuestRef, isRunning, type Pace, runTask, stopTask } from "./operations";
import { findOwnedGuests, waitForCreates } from "./owned-guests";
import { TransferProgress } from "./progress";
import { freeLeftovers, isRestoreWreck, reclaimOrphans } from "./restore-wreck";
import type { RollbackRequest } from "./rollback";
import { storeOf } from "./route";

const RESTORE_TIMEOUT_MS = 72 * 3600 * 1000;

export const backupRestore: MoveMethod = {
  name: "backup-restore",
  fencedSteps: new Set(["backing-up", "backed-up", "restoring", "verified", "finishing"]),
  takeTarget: claimTarget,
  // Both queues are before the shutdown: nobody waits for them switched off.
  carry: (move, target) =>
    move.request.onLink(async (bitsPerSecond) => {
      const { beside } = storeOf(move.request.route);
      const toStore = beside === "source" ? undefined : bitsPerSecond;
      const archive = await move.request.inTurn(async () => {
        await warmUp(move, toStore);
        await stopAndFenceSource(move);
        return backUp(move, toStore);
      });
      await restore(move, target, archive, beside === "target" ? undefined : bitsPerSecond);
    }),
  stopWork: (source, _journal, pace) => stopTask(source, "vzdump", pace),
  removeTarget,
  cleanUp: async (source, { storage, id }, pace) => {
    if (storage !== undefined) await removeArchives(source, storage, id, pace);
  },
};

/**
 * A backup of the running guest: the store then holds nearly all chunks, and the one that counts sends only what has changed
 * since (the stopped guest is read again as a whole: QEMU's dirty bitmap ends with its process). It also proves before any
 * downtime that the target sees what the source writes.
 */
async function warmUp(move: MoveState, bitsPerSecond: number | undefined): Promise<void> {
  const { source, route, name } = move.request;
  if (!route.warm || !(move.begun.step === "preparing" || move.begun.step === "warming")) return;
  if (!(await isRunning(source))) return;
  move.stopIfCancelled();
  if (move.begun.step === "preparing") await move.change({ step: "warming" });
  move.pace.report(`${name}: backing up to ${storeOf(route).name} while it runs`);
  const archive = await ensureArchive(
    source,
    route,
    move.begun.id,
    { kind: "warm", bitsPerSecond, stage: `${name}: backing up, running` },
    move.pace,
  );
  await waitUntilVisible(move.request.target, archive, source.vmid, route, move.pace);
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
  if ((await move.readTarget(target)).mark?.phase === "restored") return;
  move.stopIfCancelled();
  const { route, name, tags, text, source } = move.request;
  const volid = await waitUntilVisible(move.request.target, archive, source.vmid, route, move.pace);
  if (route.encrypted) await requireEncrypted(move.request, archive);
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
    () =>
      target.api.qemu.create(target.node, {
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
        description: formatDescription(text, move.targetMark("restored")),
        ...bandwidthLimit(bitsPerSecond),
      }),
  );
  await freeLeftovers(await move.readTarget(target), move.pace);
}

/** Claim, restored guest or what a failed restore has left. */
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
