/** Undoing a move whose target was never started: the source serves again, and what was made elsewhere goes. */
import { type ProxmoxApi, TaskFailedError } from "../proxmox";
import { type Identity, type MoveJournal, type StrandedGuest, sameIdentity } from "./mark";
import { MOVING_TAG, readMarkedGuest, tagsOf, writeMark } from "./marked-guest";
import { returnToHa } from "./membership";
import { methodOf } from "./methods";
import { findActiveTask, type GuestRef, isRunning, type Pace, putConfig, refuseForeignLock, startGuest, waitForTask } from "./operations";
import type { BackupServerOf } from "./pbs-sync";

export interface RollbackRequest {
  identity: Identity;
  source: GuestRef;
  targetApi: ProxmoxApi;
  targetPool: string;
  /** Starts a source that ran before; false when the move begins anew at once. */
  restart: boolean;
  /** The journal of the next move takes this one's place at once: until then it tells that a stopped source ran before. */
  keepsJournal?: boolean;
  /** Client of a backup store's server; asked only where archives were synced. */
  backupServerOf?: BackupServerOf;
  /** Told of what is left at the target, which no token can remove. */
  onStranded?: (guest: StrandedGuest) => void;
}

/** Safe to repeat. The source comes first: it serves again even when the target cannot be cleaned up now. */
export async function rollBackMove(request: RollbackRequest, pace: Pace): Promise<void> {
  const source = await readMarkedGuest(request.source);
  if (!source?.mark || !sameIdentity(source.mark, request.identity)) return;
  const journal = source.mark.move;
  if (!journal || source.mark.phase === "retired") return;
  const method = methodOf(journal);
  if (journal.step === "finishing" && !(await method.canRollBack?.(request, journal, pace)))
    throw new Error(
      `vm ${request.source.vmid} on ${request.source.api.clusterId} cannot be rolled back: its successor may have run. Run "pulumi up" to finish the move.`,
    );
  pace.report(`${request.identity.name}: rolling the move back`);
  await method.stopWork(request.source, journal, pace);
  const unlocked = (await readMarkedGuest(request.source)) ?? source;
  refuseForeignLock(request.source, unlocked.config);
  const marked = await writeMark(unlocked, { mark: { ...source.mark, move: { ...journal, step: "rolling-back" } } }, pace);
  // A target that has run once goes before the source starts: what somebody starts by hand meanwhile would be a second copy.
  if (journal.live) await method.removeTarget(request, journal, pace);
  await restoreSource(request, journal, pace);
  if (!journal.live) await method.removeTarget(request, journal, pace);
  await method.cleanUp(request.source, journal, pace, request.backupServerOf);
  if (request.keepsJournal) return;
  const { move: _undone, ...mark } = marked.mark!;
  await writeMark(marked, { mark: { ...mark, phase: "settled" }, tags: tagsOf(marked.config).filter((tag) => tag !== MOVING_TAG) }, pace);
}

async function restoreSource(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<void> {
  if (!journal.wasFenced) await putConfig(request.source, { set: { onboot: journal.onBoot ? 1 : 0 }, remove: ["template"] }, pace);
  if (journal.wasRunning && request.restart) {
    // A shutdown that nobody watched to its end may still be under way: a start now would be followed by its success.
    await waitForShutdown(request.source, pace);
    if (!(await isRunning(request.source))) await startGuest(request.source, pace);
  }
  await returnToHa(request.source, journal, pace);
}

async function waitForShutdown(source: GuestRef, pace: Pace): Promise<void> {
  const upid = await findActiveTask(source, "qmshutdown");
  if (!upid) return;
  try {
    await waitForTask(source.api, upid, {}, pace);
  } catch (error) {
    // The guest did not obey, and runs on.
    if (!(error instanceof TaskFailedError)) throw error;
  }
}
