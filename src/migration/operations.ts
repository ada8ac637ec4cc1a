/**
 * Writes that survive a lost reply. Proxmox goes on with what it was asked even when the answer never arrives
 * (live finding 26), so after a lost reply we look and never blindly repeat (28).
 */
import type { ApiParams, GuestConfig, ProxmoxApi, TaskResult, Upid } from "../proxmox";
import { NotFoundError, OutcomeUnknownError, retryWhileLocked, TaskFailedError } from "../proxmox";

export interface Pace {
  sleep(ms: number): Promise<void>;
  nowMs(): number;
  signal?: AbortSignal;
  /** One line for the user, kept on the screen. */
  report(message: string): void;
  /** How far something has come; the next message replaces it. */
  progress(message: string): void;
  /** Told of every task that is started. */
  onTask?(upid: Upid): void;
}

export interface GuestRef {
  api: ProxmoxApi;
  node: string;
  vmid: number;
}

/** How long a lost reply is followed by looks. A hanging daemon answers within its proxy's 30 s. */
const LOST_REPLY_WINDOW_MS = 35_000;
/** How long a busy config file lock is waited for; Proxmox itself gives up after 10 s per call. */
const LOCK_PATIENCE_MS = 90_000;

export class GuestLockedError extends Error {
  readonly code = "GUEST_LOCKED";
}

export interface TaskSpec {
  /** Proxmox task type: `qmstart`, `vzdump`, `qmrestore`, … */
  type: string;
  /** Tells from the infrastructure whether the work is done; asked only after a lost reply. */
  isDone: () => Promise<boolean>;
  onLog?: (lines: string[]) => void;
  timeoutMs?: number;
  /** Known before waiting starts: lets the caller write the UPID into its journal. */
  onStarted?: (upid: Upid) => Promise<void>;
}

/**
 * Starts a task on a guest and waits for its end. After a lost reply the task is looked for, then its effect.
 * @returns the task's result; `undefined` when only the effect was seen.
 * @throws OutcomeUnknownError when neither task nor effect showed up; the task's own error otherwise.
 */
export async function runTask(
  guest: GuestRef,
  spec: TaskSpec,
  pace: Pace,
  start: () => Promise<Upid | undefined>,
): Promise<TaskResult | undefined> {
  const deadlineMs = pace.nowMs() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      const upid = await whileFileLocked(pace, start);
      if (upid === undefined) return undefined;
      pace.onTask?.(upid);
      await spec.onStarted?.(upid);
      return await waitForTask(guest.api, upid, spec, pace);
    } catch (error) {
      if (error instanceof OutcomeUnknownError) return await followLostReply(guest, spec, pace, error);
      // The clean-up after a stopped guest may hold its lock file for half a minute (transcripts, fact 15).
      if (!(error instanceof TaskFailedError && error.reason === "LOCKED") || pace.nowMs() > deadlineMs) throw error;
      await pace.sleep(2_000);
    }
  }
}

export function waitForTask(api: ProxmoxApi, upid: Upid, spec: Pick<TaskSpec, "onLog" | "timeoutMs">, pace: Pace): Promise<TaskResult> {
  return api.tasks.wait(upid, { onLog: spec.onLog, timeoutMs: spec.timeoutMs, signal: pace.signal });
}

async function followLostReply(guest: GuestRef, spec: TaskSpec, pace: Pace, cause: OutcomeUnknownError): Promise<TaskResult | undefined> {
  const deadlineMs = pace.nowMs() + LOST_REPLY_WINDOW_MS;
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 4_000)) {
    const upid = await findActiveTask(guest, spec.type);
    if (upid) return await waitForTask(guest.api, upid, spec, pace);
    if (await spec.isDone()) return undefined;
    if (pace.nowMs() + waitMs > deadlineMs) throw cause;
    await pace.sleep(waitMs);
  }
}

/** A task of that type running for the guest. One at a time per vmid: whatever runs is what we started. */
export async function findActiveTask(guest: GuestRef, type: string): Promise<Upid | undefined> {
  const tasks = await guest.api.tasks.list(guest.node, { vmid: guest.vmid, typeFilter: type, source: "active" });
  return tasks.find((task) => task.type === type && task.status === "running")?.upid;
}

/** Stops the guest's running task of that type and waits until it has ended. */
export async function stopTask(guest: GuestRef, type: string, pace: Pace): Promise<void> {
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

/** Repeats a call that was refused for the guest's lock file: nothing was done, waiting helps (live finding 28). */
export function whileFileLocked<T>(pace: Pace, call: () => Promise<T>): Promise<T> {
  return retryWhileLocked(call, { timeoutMs: LOCK_PATIENCE_MS, signal: pace.signal, clock: { ...pace, random: Math.random } });
}

/** Sets and deletes configuration keys; safe to repeat since the values are absolute. */
export async function putConfig(
  guest: GuestRef,
  changes: { set?: Record<string, string | number>; remove?: string[] },
  pace: Pace,
): Promise<void> {
  const params: ApiParams = { ...changes.set };
  if (changes.remove && changes.remove.length > 0) params.delete = changes.remove.join(",");
  if (Object.keys(params).length === 0) return;
  await repeatAfterLostReply(pace, () => whileFileLocked(pace, () => guest.api.qemu.updateConfig(guest.node, guest.vmid, params)));
}

/** For calls whose repetition changes nothing. */
export async function repeatAfterLostReply<T>(pace: Pace, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError) || attempt === 4) throw error;
      await pace.sleep(500 * 2 ** attempt);
    }
  }
}

export async function isRunning({ api, node, vmid }: GuestRef): Promise<boolean> {
  return (await api.qemu.getStatus(node, vmid)).status === "running";
}

export async function startGuest(guest: GuestRef, pace: Pace): Promise<void> {
  try {
    await runTask(guest, { type: "qmstart", isDone: () => isRunning(guest) }, pace, () => guest.api.qemu.start(guest.node, guest.vmid));
  } catch (error) {
    // "VM 1700 already running" (live finding 28): somebody, or our lost start, was faster.
    if (error instanceof TaskFailedError && (await isRunning(guest))) return;
    throw error;
  }
}

/** Asks the guest to shut down; with `force` the plug is pulled when it does not. */
export async function shutDownGuest(guest: GuestRef, policy: { timeoutSeconds: number; force: boolean }, pace: Pace): Promise<void> {
  const isStopped = async () => (await guest.api.qemu.getStatus(guest.node, guest.vmid)).status === "stopped";
  if (await isStopped()) return;
  await runTask(guest, { type: "qmshutdown", isDone: isStopped, timeoutMs: (policy.timeoutSeconds + 60) * 1000 }, pace, () =>
    guest.api.qemu.shutdown(guest.node, guest.vmid, { timeoutSeconds: policy.timeoutSeconds, forceStop: policy.force }),
  );
}

export async function stopGuest(guest: GuestRef, pace: Pace): Promise<void> {
  const isStopped = async () => (await guest.api.qemu.getStatus(guest.node, guest.vmid)).status === "stopped";
  if (await isStopped()) return;
  await runTask(guest, { type: "qmstop", isDone: isStopped }, pace, () => guest.api.qemu.stop(guest.node, guest.vmid));
}

/**
 * Destroys a guest that the caller has proven to be ours. Unattached volumes of the vmid stay: Proxmox would take other
 * guests' disks with them (live finding 25).
 */
export async function destroyGuest(guest: GuestRef, pace: Pace): Promise<void> {
  const isGone = async () => (await guest.api.qemu.findConfig(guest.node, guest.vmid)) === undefined;
  try {
    const config = await guest.api.qemu.findConfig(guest.node, guest.vmid);
    if (!config) return;
    refuseForeignLock(guest, config);
    if (config.values.protection === "1") await putConfig(guest, { set: { protection: 0 } }, pace);
    await stopGuest(guest, pace);
    await runTask(guest, { type: "qmdestroy", isDone: isGone }, pace, () => guest.api.qemu.delete(guest.node, guest.vmid, { purge: true }));
  } catch (error) {
    // Somebody else was faster at any of these steps: gone is gone.
    if ((error instanceof NotFoundError || error instanceof TaskFailedError) && (await isGone())) return;
    throw error;
  }
}

/** A lock whose worker is gone can only be removed by root on the node (live finding 27). */
export function refuseForeignLock(guest: GuestRef, config: GuestConfig): void {
  const lock = config.values.lock;
  if (lock === undefined) return;
  throw new GuestLockedError(
    `Guest ${guest.vmid} on ${guest.api.clusterId}/${guest.node} is locked (${lock}). If no task of it runs any more, an administrator must run "qm unlock ${guest.vmid}" on node ${guest.node}; an API token cannot. Then run the same command again.`,
  );
}
