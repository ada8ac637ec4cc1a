/**
 * What has become of a remote migration, told from both guests and the task: it went on whether or not anybody watched.
 * Proxmox leaves the source of a successful one stopped and locked (`migrate`); a failed one unlocks it.
 */
import { TaskFailedError } from "../proxmox";
import { showProgress } from "./archive";
import { findGuest } from "./claim";
import { type MarkedGuest, readMarkedGuest } from "./marked-guest";
import type { MoveState } from "./move-state";
import { findActiveTask, GuestLockedError, refuseForeignLock, waitForTask } from "./operations";
import { TransferProgress } from "./progress";

export const PASSAGE_TASK = "qmigrate";
export const PASSAGE_TIMEOUT_MS = 72 * 3600 * 1000;
/** A request that a killed process has sent may still be on its way into a task: the proxy gives up after 30 s. */
const LATE_TASK_MS = 35_000;

/** `arrived`: the target has everything. `stayed`: for certain it has not left, and the source is free. */
export type Passage = "arrived" | "stayed";

/** After an interruption: also waits for a request that has not become a task yet. */
export async function findPassage(move: MoveState): Promise<Passage> {
  const untilMs = move.pace.nowMs() + LATE_TASK_MS;
  for (;;) {
    const passage = await awaitPassage(move);
    if (passage === "arrived" || move.pace.nowMs() >= untilMs) return passage;
    await move.pace.sleep(5_000);
  }
}

/** @throws GuestLockedError when an administrator has to look: neither went through nor back. */
export async function awaitPassage(move: MoveState): Promise<Passage> {
  await awaitTask(move);
  const { source: ref, name } = move.request;
  const source = await move.readSource();
  const { lock } = source.config.values;
  if (lock !== "migrate") refuseForeignLock(ref, source.config);
  const target = await findPassenger(move);
  const status = await ref.api.qemu.getStatus(ref.node, ref.vmid);
  if (target && target.config.values.lock === undefined) {
    const complete = target.mark?.move === undefined || (await isHandedOver(move, target));
    if (complete && status.status === "stopped") return "arrived";
    if (complete && lock === undefined)
      throw new Error(
        `${name} may have new data on both sides: vm ${ref.vmid} on ${ref.api.clusterId} was unlocked and started after its successor, vm ${target.ref.vmid} on ${target.ref.api.clusterId}, had taken over. Decide which one is right, remove the other one by hand, then run again.`,
      );
  }
  if (lock === undefined && target?.config.values.lock === undefined && target !== undefined)
    throw new GuestLockedError(
      `${name}: vm ${target.ref.vmid} on ${target.ref.api.clusterId} was unlocked, but the migration that filled it did not succeed: it may lack data. An administrator removes it ("qm destroy ${target.ref.vmid}" on node ${target.ref.node}); then run again.`,
    );
  if (lock === undefined) return "stayed";
  throw stuck(move, target, status.status === "running");
}

async function awaitTask(move: MoveState): Promise<void> {
  const { source, name } = move.request;
  const upid = await findActiveTask(source, PASSAGE_TASK);
  if (!upid) return;
  move.pace.report(`${name}: a migration is under way, waiting for it`);
  const progress = new TransferProgress(`${name}: migrating`, move.pace.nowMs);
  try {
    await waitForTask(
      source.api,
      upid,
      { timeoutMs: PASSAGE_TIMEOUT_MS, onLog: (lines) => showProgress(move.pace, progress.read(lines)) },
      move.pace,
    );
  } catch (error) {
    // How it ended shows on the guests.
    if (!(error instanceof TaskFailedError)) throw error;
  }
}

/** The guest under the journal's vmid, provided it is the one that this move sent there. */
async function findPassenger(move: MoveState): Promise<MarkedGuest | undefined> {
  const { target, id } = move.begun;
  if (target.vmid === undefined) return undefined;
  const found = await findGuest(await move.request.apiOf(target.cluster), target.vmid);
  const guest = found && (await readMarkedGuest(found));
  return guest && isPassenger(guest, id, move.request.source) ? guest : undefined;
}

/** It carries the source's own journal; once verified, the address it came from. */
export function isPassenger({ mark, ref }: MarkedGuest, moveId: string, source: { api: { clusterId: string }; vmid: number }): boolean {
  if (mark === undefined || ref.api.clusterId === source.api.clusterId) return false;
  if (mark.move !== undefined) return mark.move.id === moveId;
  return mark.source?.cluster === source.api.clusterId && mark.source.vmid === source.vmid;
}

/**
 * Whether all data is there: the task says so. One that failed behind the switch (`migration problems`) has handed a running
 * guest over all the same.
 */
async function isHandedOver(move: MoveState, target: MarkedGuest): Promise<boolean> {
  const { source } = move.request;
  const tasks = await source.api.tasks.list(source.node, { vmid: source.vmid, typeFilter: PASSAGE_TASK, source: "all" });
  const last = tasks
    .filter(({ type }) => type === PASSAGE_TASK)
    .reduce((a, b) => (b.startTimeSeconds > a.startTimeSeconds ? b : a), tasks[0]!);
  if (last?.exitStatus === "OK" || last?.exitStatus?.startsWith("WARNINGS")) return true;
  const fenced = move.source.config.values.template === "1";
  return !fenced && (await target.ref.api.qemu.getStatus(target.ref.node, target.ref.vmid)).qmpStatus === "running";
}

function stuck(move: MoveState, target: MarkedGuest | undefined, serves: boolean): GuestLockedError {
  const { source, name } = move.request;
  const { cluster, node, vmid } = move.begun.target;
  const there = target
    ? `vm ${vmid} on ${cluster}/${node} is what arrived of it. If that one runs, it has the newer data: an administrator runs "qm unlock ${vmid}" on node ${node} and leaves the source alone. If it does not run, it is incomplete: "qm destroy ${vmid} --skiplock 1" on node ${node}, then "qm unlock ${source.vmid}" on node ${source.node}.`
    : `An administrator runs "qm unlock ${source.vmid}" on node ${source.node}; if vm ${vmid} on ${cluster}/${node} is locked (create), it is what is left of this migration: "qm destroy ${vmid} --skiplock 1" there.`;
  return new GuestLockedError(
    `The migration of ${name} broke off half-way. vm ${source.vmid} on ${source.api.clusterId}/${source.node} ${serves ? "still serves" : "is stopped"} and is locked (migrate), which no API token can undo. ${there} Then run again.`,
  );
}
