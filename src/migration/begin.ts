/** The beginning of a move: the journal of an interrupted run is taken up where it still holds, else a new one is written. */
import { randomBytes } from "node:crypto";
import { findGuest } from "./claim";
import { isSourceFenced } from "./fence";
import { type MoveJournal, sameIdentity } from "./mark";
import { readMarkedGuest } from "./marked-guest";
import { readMembership } from "./membership";
import { methodOf } from "./methods";
import type { MoveState } from "./move-state";
import { findActiveTask, type GuestRef, refuseForeignLock, waitForTask } from "./operations";
import { readSyncedPlace } from "./pbs-sync";
import { type RollbackRequest, rollBackMove } from "./rollback";
import { awaitWindow, isWindowOpen } from "./window";

/** A scheduled backup of a big guest may take its time. */
const FOREIGN_BACKUP_TIMEOUT_MS = 72 * 3600 * 1000;

export async function beginMove(move: MoveState): Promise<void> {
  const { route, source, target, name } = move.request;
  let previous = (await move.readSource()).mark?.move;
  if (previous) {
    move.journal = previous;
    await methodOf(previous).takeUp?.(move);
    previous = move.begun;
    if (await canResume(move, previous)) {
      move.pace.report(`${name}: taking up the move ${previous.id} at step ${previous.step}`);
      return;
    }
    // A guest that has to wait for its window waits at work.
    const waits = !isWindowOpen(route, move.pace.nowMs());
    if (previous.step !== "finishing") await rollBackMove(await rollbackRequest(move, waits), move.pace);
    else await methodOf(previous).cleanUp(source, previous, move.pace, move.request.backupServerOf);
    await move.readSource();
  }
  if (previous?.step !== "finishing") await awaitWindow(name, route, move.pace);
  await waitForRunningBackup(move);
  const status = await source.api.qemu.getStatus(source.node, source.vmid);
  const { values } = move.source.config;
  await move.writeJournal({
    id: randomBytes(6).toString("hex"),
    method: route.method,
    target: { cluster: route.target, node: target.node },
    ...(route.store ? { storage: route.store.writeStorage } : {}),
    ...(route.store?.sync ? { sync: await readSyncedPlace(route, route.store.sync, target.api) } : {}),
    // An earlier attempt has shut it down: it is still a guest that runs.
    wasRunning: status.status === "running" || (previous?.wasRunning ?? false),
    // Behind the fence of an attempt that was not rolled back, it shows what that one has made of it.
    onBoot: previous?.onBoot ?? values.onboot === "1",
    wasFenced: previous?.wasFenced ?? values.template === "1",
    ...(route.keepSourceMs === undefined ? {} : { keepMs: route.keepSourceMs }),
    step: "preparing",
    // Put to rest by an earlier attempt, HA shows as not managing it any more.
    ...(previous?.ha ? { ha: previous.ha } : {}),
    ...(await readMembership(source, status.ha.managed)),
    ...(move.stranded.length > 0 ? { stranded: move.stranded } : {}),
    startedAt: previous?.startedAt ?? new Date(move.pace.nowMs()).toISOString(),
  });
}

/** Undoing this move; with `restart` a source that ran before runs again. */
export async function rollbackRequest(move: MoveState, restart: boolean): Promise<RollbackRequest> {
  const { identity, source, target, apiOf, backupServerOf } = move.request;
  const targetApi = await apiOf(move.begun.target.cluster);
  const { tellStranded: onStranded } = move;
  return { identity, source, targetApi, targetPool: target.pool, restart, keepsJournal: !restart, backupServerOf, onStranded };
}

/**
 * Whether the interrupted run's work is still good: the same place by the same method is wanted, and the source has stood
 * still behind its fence ever since that counts. False: begin anew from the source.
 */
async function canResume(move: MoveState, previous: MoveJournal): Promise<boolean> {
  const { route, target, name, source } = move.request;
  const method = methodOf(previous);
  const freed = method.fencedSteps.has(previous.step) && !(await isSourceFenced(move));
  if (previous.step === "finishing") {
    const sameCluster = previous.target.cluster === route.target;
    const successor = await findStarted(move, previous);
    // Removed by hand: the source is what is left of the guest.
    if (!successor) return false;
    if (freed)
      throw new Error(
        `${name} may have new data on both sides: vm ${source.vmid} on ${route.source} was unfenced or started after its successor, vm ${successor.vmid} on ${previous.target.cluster}, had been started. Decide which one is right, remove the other one by hand, then run again.`,
      );
    if (!sameCluster)
      throw new Error(
        `${name} has all but arrived on ${previous.target.cluster} (vm ${successor.vmid}). Let it finish there first: allow that cluster again, run "pulumi up", then change the plan.`,
      );
    return true;
  }
  const samePlace = previous.target.cluster === route.target && previous.target.node === target.node;
  return samePlace && method.name === route.method && previous.step !== "rolling-back" && !freed;
}

/** The guest that was started at the target. @throws when what has its vmid does not tell whose it is */
async function findStarted({ request, source }: MoveState, { target }: MoveJournal): Promise<GuestRef | undefined> {
  const found = target.vmid === undefined ? undefined : await findGuest(await request.apiOf(target.cluster), target.vmid);
  const guest = found && (await readMarkedGuest(found));
  if (!guest || (guest.mark && !sameIdentity(guest.mark, request.identity))) return undefined;
  if (guest.mark) return found;
  // A copy has the UUID of what it is a copy of.
  if (guest.config.values.smbios1 !== source.config.values.smbios1) return undefined;
  throw new Error(
    `vm ${target.vmid} on ${target.cluster}/${guest.ref.node} no longer carries the mark of ${request.name}, which had been started there: neither side is touched. Restore the proxmox-federation block of its description from a backup of it, or remove the guest by hand if the source (vm ${source.ref.vmid} on ${source.ref.api.clusterId}) is the right one. Then run again.`,
  );
}

/** A scheduled backup may hold the guest; ours of an interrupted run too. */
async function waitForRunningBackup(move: MoveState): Promise<void> {
  const { source, name } = move.request;
  const upid = await findActiveTask(source, "vzdump");
  if (upid) {
    move.pace.report(`${name}: waiting for a backup that is running already`);
    await waitForTask(source.api, upid, { timeoutMs: FOREIGN_BACKUP_TIMEOUT_MS }, move.pace);
  }
  refuseForeignLock(source, (await move.readSource()).config);
}
