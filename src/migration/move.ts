/**
 * A move between clusters, whatever the method: carry the guest over, verify, start, retire the source. Every step first
 * looks whether an earlier, interrupted run has done it. The source is destroyed by nobody here: that is the delete half of
 * the replacement, and only for a source that is marked retired.
 */
import { TaskFailedError } from "../proxmox";
import { beginMove, rollbackRequest } from "./begin";
import { isSourceFenced } from "./fence";
import type { Mark } from "./mark";
import { readMarkedGuest, writeMark } from "./marked-guest";
import { joinAtTarget } from "./membership";
import { methodOf } from "./methods";
import { recordOf } from "./move-record";
import type { MoveRecord, MoveRequest } from "./move-request";
import { MoveState } from "./move-state";
import { findActiveTask, type GuestRef, isRunning, type Pace, startGuest } from "./operations";
import { rollBackMove } from "./rollback";
import { describeSealed, SEALED_FENCE } from "./sealed-source";
import { describeStranded } from "./stranded";
import { verifyRestored } from "./verify";

/** A target that was started and did not come up: neither side is touched any further until somebody has looked. */
export class TargetNotAliveError extends Error {
  readonly code = "TARGET_NOT_ALIVE";
}

/** @returns the target. On failure before its start everything is rolled back and the source runs again. */
export async function moveGuest(request: MoveRequest, pace: Pace): Promise<{ target: GuestRef; record: MoveRecord }> {
  const move = new MoveState(request, pace);
  let target: GuestRef;
  try {
    target = await runMove(move);
  } catch (error) {
    await fail(move, error);
    throw withStranded(move, error);
  }
  const record = recordOf(move, "moved");
  await request.onEnd?.(record);
  return { target, record };
}

async function runMove(move: MoveState): Promise<GuestRef> {
  await beginMove(move);
  const method = methodOf(move.begun);
  move.stopIfCancelled();
  const target = await method.takeTarget(move);
  if ((await readMarkedGuest(target))?.mark?.phase !== "settled") {
    await method.carry(move, target);
    await verify(move, target);
    await move.request.adapt(target);
    await finish(move, target);
  }
  await joinAtTarget(target, move.request.route, move.begun, move.request.running, move.pace);
  await retireSource(move, target);
  await method.cleanUp(move.request.source, move.begun, move.pace, move.request.backupServerOf);
  return target;
}

/** Rolls back where that is possible, and records the end. @throws when not even the rollback succeeded */
async function fail(move: MoveState, cause: unknown): Promise<void> {
  // Nothing was begun: there is nothing to tell.
  if (move.journal === undefined) return;
  const canGoBack = !(cause instanceof TargetNotAliveError) && move.journal.step !== "finishing";
  try {
    // A cancelled move goes back all the same: the signal ends the way there only.
    if (canGoBack) await rollBackMove(await rollbackRequest(move, true), { ...move.pace, signal: undefined });
  } catch (error) {
    const { source, route } = move.request;
    const both = new Error(
      `${messageOf(cause)}\nRolling the move back did not finish either: ${messageOf(error)}\nNothing is lost: the source (vm ${source.vmid} on ${route.source}) holds all data. Mend the cause and run again.`,
      { cause },
    );
    await move.request.onEnd?.(recordOf(move, "unfinished", both));
    throw both;
  }
  await move.request.onEnd?.(recordOf(move, canGoBack ? "rolled-back" : "unfinished", cause));
}

/** What only an administrator can remove belongs into the message that everybody reads. */
function withStranded({ stranded }: MoveState, error: unknown): unknown {
  if (stranded.length === 0) return error;
  return new Error([messageOf(error), ...stranded.map(describeStranded)].join("\n"), { cause: error });
}

/** Once: afterwards the target is adapted and no longer equal in everything. */
async function verify(move: MoveState, target: GuestRef): Promise<void> {
  if (move.begun.step === "verified" || move.begun.step === "finishing") return;
  move.stopIfCancelled();
  move.pace.report(`${move.request.name}: verifying`);
  verifyRestored(await move.readSource(), await move.readTarget(target));
  await move.change({ step: "verified" });
}

async function finish(move: MoveState, target: GuestRef): Promise<void> {
  if (move.begun.step !== "finishing") {
    move.stopIfCancelled();
    await requireFenced(move);
    // Written before the start: whoever reads the journal from now on must not start the source again.
    await move.change({ step: "finishing" });
  }
  if (move.request.running) await start(move, target);
  await settle(move, target);
}

/** The last moment at which the source can still be the guest. */
async function requireFenced(move: MoveState): Promise<void> {
  const { ref } = await move.readSource();
  if (await isSourceFenced(move)) return;
  throw new Error(
    `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} was unfenced or started by hand while ${move.request.name} was moved: what it has written since is not in the copy. The copy is removed; run again.`,
  );
}

async function start(move: MoveState, target: GuestRef): Promise<void> {
  const { name, route, source } = move.request;
  try {
    // A guest that was carried over running already does.
    if (!(await isRunning(target))) {
      move.pace.report(`${name}: starting on ${route.target}/${target.node}`);
      await startGuest(target, move.pace);
    }
  } catch (error) {
    const mayHaveRun = methodOf(move.begun).sealsSource || move.begun.live;
    const canGoBack = !mayHaveRun && error instanceof TaskFailedError && (await standsStill(target));
    if (canGoBack) await move.change({ step: "verified" });
    throw error;
  }
  try {
    await move.request.waitUntilAlive(target);
  } catch (error) {
    throw new TargetNotAliveError(
      `${name} runs on ${route.target}/${target.node} as vm ${target.vmid}, but is not verified: ${messageOf(error)}. The source (vm ${source.vmid} on ${route.source}) stays stopped and fenced. Look at the guest, then run again.`,
      { cause: error },
    );
  }
}

/** Only a start that has failed for certain leaves the way back open: one that nobody watched may still succeed. */
async function standsStill(target: GuestRef): Promise<boolean> {
  if (await findActiveTask(target, "qmstart")) return false;
  return (await target.api.qemu.getStatus(target.node, target.vmid)).status === "stopped";
}

async function settle(move: MoveState, target: GuestRef): Promise<void> {
  const { tags, text, onBoot, demands } = move.request;
  const guest = await move.readTarget(target);
  const { id } = move.begun;
  const lastMove = { id, at: new Date(move.pace.nowMs()).toISOString() };
  const mark: Mark = { ...move.targetMark("settled"), ...(demands === undefined ? {} : { demands }), lastMove };
  // Not earlier: a target that starts with its node could meet its source after a rollback.
  const set: Record<string, number> = onBoot === undefined ? {} : { onboot: onBoot ? 1 : 0 };
  await writeMark(guest, { mark, text, tags, set }, move.pace);
}

/** The journal stays in the mark: it names the archive that is still to be removed. */
async function retireSource(move: MoveState, target: GuestRef): Promise<void> {
  const source = await move.readSource();
  const sealed = methodOf(move.begun).sealsSource;
  if (sealed && source.config.values.lock !== undefined) {
    move.pace.report(describeSealed(move.request.name, source.ref));
    return;
  }
  const { keepSourceMs } = move.request.route;
  const successor = { cluster: target.api.clusterId, vmid: target.vmid };
  // An interrupted run has set the end already.
  const keepUntil = source.mark!.keepUntil ?? (keepSourceMs && new Date(move.pace.nowMs() + keepSourceMs).toISOString());
  const mark: Mark = { ...source.mark!, phase: "retired", successor, ...(keepUntil ? { keepUntil } : {}) };
  // One that an administrator has unlocked meanwhile was never fenced.
  move.source = await writeMark(source, { mark, ...(sealed ? { set: SEALED_FENCE } : {}) }, move.pace);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
