/**
 * What has become of a remote migration, told from both guests and the task: it went on whether or not anybody watched.
 * Proxmox leaves the source of a successful one stopped and locked (`migrate`); a failed one unlocks it.
 */
import { type ProxmoxApi, TaskFailedError } from "../proxmox";
import { showProgress } from "./archive";
import { findGuest } from "./claim";
import type { MoveJournal } from "./mark";
import { type MarkedGuest, readMarkedGuest } from "./marked-guest";
import { findActiveTask, GuestLockedError, type GuestRef, type Pace, refuseForeignLock, waitForTask } from "./operations";
import { TransferProgress } from "./progress";

export const PASSAGE_TASK = "qmigrate";
export const PASSAGE_TIMEOUT_MS = 72 * 3600 * 1000;
/** A request that a killed process has sent may still be on its way into a task: the proxy gives up after 30 s. */
const LATE_TASK_MS = 35_000;

/** `arrived`: the target has everything. `stayed`: for certain it has not left, and the source is free. */
export type Passage = "arrived" | "stayed";

/** A remote migration that was asked for, as the journal knows it. */
export interface PassageRequest {
  name: string;
  source: GuestRef;
  targetApi: ProxmoxApi;
  journal: MoveJournal;
}

/** After an interruption: also waits for a request that has not become a task yet. */
export async function findPassage(request: PassageRequest, pace: Pace): Promise<Passage> {
  const untilMs = pace.nowMs() + LATE_TASK_MS;
  for (;;) {
    const passage = await awaitPassage(request, pace);
    if (passage === "arrived" || pace.nowMs() >= untilMs) return passage;
    await pace.sleep(5_000);
  }
}

/** @throws GuestLockedError when an administrator has to look: neither went through nor back. */
export async function awaitPassage(request: PassageRequest, pace: Pace): Promise<Passage> {
  await awaitTask(request, pace);
  const { source: ref, name } = request;
  const source = await readMarkedGuest(ref);
  if (!source)
    throw new Error(`vm ${ref.vmid} is no longer on ${ref.api.clusterId}/${ref.node}: it was moved or deleted meanwhile. Run again.`);
  const { lock } = source.config.values;
  if (lock !== "migrate") refuseForeignLock(ref, source.config);
  const target = await findPassenger(request);
  const status = await ref.api.qemu.getStatus(ref.node, ref.vmid);
  if (target && target.config.values.lock === undefined) {
    const complete = target.mark?.move === undefined || (await isHandedOver(source, target));
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
  throw stuck(request, target, status.status === "running");
}

async function awaitTask({ source, name }: PassageRequest, pace: Pace): Promise<void> {
  const upid = await findActiveTask(source, PASSAGE_TASK);
  if (!upid) return;
  pace.report(`${name}: a migration is under way, waiting for it`);
  const progress = new TransferProgress(`${name}: migrating`, pace.nowMs);
  try {
    await waitForTask(
      source.api,
      upid,
      { timeoutMs: PASSAGE_TIMEOUT_MS, onLog: (lines) => showProgress(pace, progress.read(lines)) },
      pace,
    );
  } catch (error) {
    // How it ended shows on the guests.
    if (!(error instanceof TaskFailedError)) throw error;
  }
}

/** The guest under the journal's vmid, provided it is the one that this move sent there. */
async function findPassenger({ journal: { target, id }, targetApi, source }: PassageRequest): Promise<MarkedGuest | undefined> {
  if (target.vmid === undefined) return undefined;
  const found = await findGuest(targetApi, target.vmid);
  const guest = found && (await readMarkedGuest(found));
  return guest && isPassenger(guest, id, source) ? guest : undefined;
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
async function isHandedOver({ ref: source, config }: MarkedGuest, target: MarkedGuest): Promise<boolean> {
  const tasks = await source.api.tasks.list(source.node, { vmid: source.vmid, typeFilter: PASSAGE_TASK, source: "all" });
  const last = tasks
    .filter(({ type }) => type === PASSAGE_TASK)
    .reduce((a, b) => (b.startTimeSeconds > a.startTimeSeconds ? b : a), tasks[0]!);
  if (last?.exitStatus === "OK" || last?.exitStatus?.startsWith("WARNINGS")) return true;
  // A fenced source was sent at rest: there was nothing to hand over while it ran.
  return config.values.template !== "1" && (await target.ref.api.qemu.getStatus(target.ref.node, target.ref.vmid)).qmpStatus === "running";
}

function stuck({ source, name, journal }: PassageRequest, target: MarkedGuest | undefined, serves: boolean): GuestLockedError {
  const { cluster, node, vmid } = journal.target;
  const there = target
    ? `vm ${vmid} on ${cluster}/${node} is what arrived of it. If that one runs, it has the newer data: an administrator runs "qm unlock ${vmid}" on node ${node} and leaves the source alone. If it does not run, it is incomplete: "qm destroy ${vmid} --skiplock 1" on node ${node}, then "qm unlock ${source.vmid}" on node ${source.node}.`
    : `An administrator runs "qm unlock ${source.vmid}" on node ${source.node}; if vm ${vmid} on ${cluster}/${node} is locked (create), it is what is left of this migration: "qm destroy ${vmid} --skiplock 1" there.`;
  return new GuestLockedError(
    `The migration of ${name} broke off half-way. vm ${source.vmid} on ${source.api.clusterId}/${source.node} ${serves ? "still serves" : "is stopped"} and is locked (migrate), which no API token can undo. ${there} Then run again.`,
  );
}
