/**
 * Live restore: the target runs while its data arrive from the backup server. What it writes meanwhile is nowhere else, and a
 * restore that fails takes it away. So from the request to the end of the task the journal says `finishing`: nobody starts the
 * source again, unless it is certain that the target does not run and that the restore has failed.
 */
import type { ApiParams, GuestConfig, ProxmoxApi } from "../proxmox";
import { TaskFailedError } from "../proxmox";
import { RESTORE_TIMEOUT_MS, showProgress } from "./archive";
import { findGuest } from "./claim";
import { dataDrivesOf } from "./drives";
import { type Identity, type MoveJournal, sameIdentity } from "./mark";
import { type MarkedGuest, readMarkedGuest, writeMark } from "./marked-guest";
import type { MoveState } from "./move-state";
import { findActiveTask, type GuestRef, type Pace, runTask, waitForTask } from "./operations";
import { TransferProgress } from "./progress";
import { isBareRestore } from "./restore-wreck";
import { verifyRestored } from "./verify";

/** A request that a killed process has sent may still be on its way into a task: the proxy gives up after 30 s. */
const LATE_TASK_MS = 35_000;

/** `arrived`: the target has everything. `failed`: for certain it has not, and does not run. */
export type LiveRestore = "arrived" | "failed";

export interface LiveRestoreRequest {
  identity: Identity;
  targetApi: ProxmoxApi;
  journal: MoveJournal;
}

/** The live restore has failed and the target does not run: what it wrote is lost, and the source may serve again. */
export class LiveRestoreFailedError extends Error {
  readonly code = "LIVE_RESTORE_FAILED";
}

/** What the restore is given if this move restores live, and tells why it does not where that was asked for. */
export function liveOverrides(move: MoveState): Record<string, string> | undefined {
  const shape = shapeOf(move);
  if (typeof shape !== "string") return shape;
  move.pace.report(`${move.request.name}: not restored live, since ${shape}`);
  return undefined;
}

export function willRestoreLive(move: MoveState): boolean {
  return typeof shapeOf(move) === "object";
}

/** Asked for by the path, a guest that runs, and nothing that its first start would lack; a text: what that is. */
function shapeOf({ request, source }: MoveState): Record<string, string> | string | undefined {
  const { route, running, liveShape } = request;
  return route.live && running && liveShape ? liveShape(source.config) : undefined;
}

/** @param params of the restore, its mark saying `claimed` */
export async function restoreLive(move: MoveState, target: GuestRef, params: ApiParams & { vmid: number }): Promise<void> {
  const { name } = move.request;
  // An earlier restore's task must not be taken for this one's.
  await move.change({ step: "finishing", live: true, restoreUpid: undefined });
  move.pace.report(`${name}: starting on ${target.api.clusterId}/${target.node}, its data arrive while it runs`);
  const progress = new TransferProgress(`${name}: restoring while it runs`, move.pace.nowMs);
  try {
    await runTask(
      target,
      {
        type: "qmrestore",
        timeoutMs: RESTORE_TIMEOUT_MS,
        isDone: async () => (await readLiveRestore(requestOf(move), move.pace)) === "arrived",
        onLog: (lines) => showProgress(move.pace, progress.read(lines)),
        onStarted: (restoreUpid) => move.change({ restoreUpid }),
      },
      move.pace,
      () => target.api.qemu.create(target.node, { ...params, "live-restore": 1 }),
    );
  } catch (error) {
    // The guest runs and writes: nobody who is in a hurry may throw that away. The next run waits for the restore.
    if (move.pace.signal?.aborted) throw error;
    if ((await findLiveRestore(requestOf(move), move.pace)) === "arrived") return;
    throw await takeBack(move, error);
  }
}

/** After an interruption: the restore went on by itself. */
export async function takeUpLiveRestore(move: MoveState): Promise<void> {
  if (!move.begun.live || move.begun.step !== "finishing") return;
  const { identity, apiOf } = move.request;
  const request = { identity, targetApi: await apiOf(move.begun.target.cluster), journal: move.begun };
  if ((await findLiveRestore(request, move.pace)) === "failed") move.pace.report((await takeBack(move, undefined)).message);
}

function requestOf({ begun, request }: MoveState): LiveRestoreRequest {
  return { identity: request.identity, targetApi: request.target.api, journal: begun };
}

/** Opens the way back: the source holds the state of the final backup, behind its fence. */
async function takeBack(move: MoveState, cause: unknown): Promise<LiveRestoreFailedError> {
  const { name } = move.request;
  const { vmid, cluster } = move.begun.target;
  const { finishing } = move.begun.reached ?? {};
  await move.readSource();
  await move.change({ step: "backed-up" });
  const since = finishing === undefined ? "" : ` (${new Date(finishing * 1000).toISOString()} at the earliest)`;
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new LiveRestoreFailedError(
    `${name}: the live restore to vm ${vmid} on ${cluster} has failed${why}. What ${name} wrote there since its start${since} is lost; its last state is that of the final backup, which the source holds.`,
    { cause },
  );
}

/** All data are there: verified as far as a guest that has run can be, and marked as restored. */
export async function receiveLive(move: MoveState, target: GuestRef): Promise<void> {
  const guest = await move.readTarget(target);
  if (guest.mark?.phase !== "claimed") return;
  const source = await move.readSource();
  const { api, vmid, node } = source.ref;
  // Its size was given with the restore, as declared; how it differs from the source's is no sign of a bad copy.
  const { cores, sockets, memory } = guest.config.values;
  const expected = { ...source, config: { ...source.config, values: withDefined(source.config.values, { cores, sockets, memory }) } };
  verifyRestored(
    expected,
    guest,
    `Nothing is undone, since it has run: vm ${vmid} on ${api.clusterId}/${node} stays stopped and fenced with the state of the final backup. Look at both and remove the one that is wrong by hand, then run again.`,
  );
  await writeMark(guest, { mark: move.targetMark("restored") }, move.pace);
}

function withDefined(values: GuestConfig["values"], changes: Record<string, string | undefined>): Record<string, string> {
  const all = Object.entries({ ...values, ...changes });
  return Object.fromEntries(all.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

/**
 * What has become of a live restore; also waits for a request that has not become a task yet.
 * @throws when only an administrator can tell or help: then nothing is started or undone
 */
export async function findLiveRestore(request: LiveRestoreRequest, pace: Pace): Promise<LiveRestore> {
  const untilMs = pace.nowMs() + LATE_TASK_MS;
  for (;;) {
    const found = await readLiveRestore(request, pace);
    if (found !== "not-begun") return found;
    if (pace.nowMs() >= untilMs) return "failed";
    await pace.sleep(5_000);
  }
}

async function readLiveRestore(request: LiveRestoreRequest, pace: Pace): Promise<LiveRestore | "not-begun"> {
  const { targetApi, journal, identity } = request;
  const { vmid } = journal.target;
  const found = vmid === undefined ? undefined : await findGuest(targetApi, vmid);
  if (!found) return "not-begun";
  await awaitTask(found, identity.name, pace);
  const guest = await readMarkedGuest(found);
  if (!guest) return "not-begun";
  const phase = guest.mark && sameIdentity(guest.mark, identity) ? guest.mark.phase : undefined;
  if (phase !== undefined && phase !== "claimed") return "arrived";
  // Somebody else's by now: then ours is gone.
  if (phase === undefined && !isBareRestore(guest.config)) return "not-begun";
  const untouched = phase === "claimed" && dataDrivesOf(guest.config).length === 0 && guest.config.values.lock === undefined;
  if (untouched) return journal.restoreUpid === undefined ? "not-begun" : "failed";
  const exitStatus = await exitStatusOf(found, journal);
  if (isGood(exitStatus)) return "arrived";
  const { status } = await targetApi.qemu.getStatus(found.node, found.vmid);
  if (status === "stopped" && exitStatus !== undefined) return "failed";
  throw new Error(describeStuck(guest, identity.name, status === "stopped" ? undefined : exitStatus));
}

async function awaitTask(target: GuestRef, name: string, pace: Pace): Promise<void> {
  const upid = await findActiveTask(target, "qmrestore");
  if (!upid) return;
  pace.report(`${name}: a live restore is under way, waiting for it`);
  const progress = new TransferProgress(`${name}: restoring while it runs`, pace.nowMs);
  try {
    await waitForTask(
      target.api,
      upid,
      { timeoutMs: RESTORE_TIMEOUT_MS, onLog: (lines) => showProgress(pace, progress.read(lines)) },
      pace,
    );
  } catch (error) {
    // How it ended is read from the task itself.
    if (!(error instanceof TaskFailedError)) throw error;
  }
}

/** Of the task in the journal, else of the guest's newest restore: it was claimed for this one. */
async function exitStatusOf({ api, node, vmid }: GuestRef, { restoreUpid }: MoveJournal): Promise<string | undefined> {
  const tasks = (await api.tasks.list(node, { vmid, typeFilter: "qmrestore", source: "all" })).filter(({ type }) => type === "qmrestore");
  const known = tasks.find(({ upid }) => upid === restoreUpid);
  if (known) return known.exitStatus;
  return tasks.sort((a, b) => b.startTimeSeconds - a.startTimeSeconds)[0]?.exitStatus;
}

function isGood(exitStatus: string | undefined): boolean {
  return exitStatus === "OK" || (exitStatus?.startsWith("WARNINGS") ?? false);
}

function describeStuck({ ref: { api, node, vmid }, config }: MarkedGuest, name: string, exitStatus: string | undefined): string {
  const where = `vm ${vmid} on ${api.clusterId}/${node}`;
  if (exitStatus === undefined)
    return `${name}: how the live restore of ${where} ended cannot be told, since its task is not listed any more. Neither side was started or undone. If the guest is complete, set "phase":"restored" in the proxmox-federation block of its description; if not, an administrator runs, "qm destroy ${vmid}" on node ${node}. Then run again.`;
  const unlock = config.values.lock === undefined ? "" : `qm unlock ${vmid} && `;
  return `${name}: the live restore of ${where} broke off (${exitStatus}), and the guest still runs, on a disk that may be incomplete. Neither side was started or undone; the source stays stopped and fenced. Save what the guest has written since its start, if that matters; then an administrator runs "${unlock}qm stop ${vmid}" on node ${node}. The next run rolls back to the state of the final backup.`;
}
