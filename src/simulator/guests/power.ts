/** Starting, stopping and pausing guests: the steps, each with its recorded refusals. */
import type { GuestState } from "../kernel";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { getBackend, getUsableStorage } from "../volumes/storages";
import { allocateVolume, freeVolume, getVolume, resolveVolid } from "../volumes/volumes";
import { drivesOf, volidOf } from "./drive";
import { getGuest, isTemplate, memoryMebibytes, requireUnlocked } from "./lookup";
import { isNetKey, parseNet } from "./net";
import { applyPending } from "./pending";
import { applyPendingAfterStop, guestRuns, processStarted, processStopped } from "./runtime";
import type { Work } from "./work";

const startMs = 1_000;
const stopMs = 300;
/** How long a guest's operating system takes to go down. */
const shutdownMs = 3_000;
const defaultShutdownTimeoutSeconds = 60;

export interface StartOptions {
  skipLock?: boolean;
}

/** Takes the guest's lock; during a backup it only resumes the paused process. */
export function startGuest(place: Place, vmid: number, work: Work, options: StartOptions): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, () => startUnderLock(place, vmid, work, options));
}

async function startUnderLock(place: Place, vmid: number, work: Work, options: StartOptions): Promise<void> {
  const guest = getGuest(place, vmid);
  if (isTemplate(guest)) fail("you can't start a vm if it's a template");
  if (guest.config.lock === "backup" && guest.running) {
    guestRuns(place, guest);
    return;
  }
  const hibernated = guest.config.lock === "suspended";
  if (!options.skipLock && !hibernated) requireUnlocked(guest);
  if (guest.running) fail(`VM ${vmid} already running`);
  applyPending(place, guest, work.log);
  requireVolumes(place, guest);
  requireBridges(place, guest);
  await work.pass(startMs);
  if (hibernated) dropSavedState(place, guest, work);
  processStarted(place, guest, "running");
}

function dropSavedState(place: Place, guest: GuestState, work: Work): void {
  const state = guest.config.vmstate;
  delete guest.config.lock;
  delete guest.config.vmstate;
  if (state === undefined) return;
  try {
    freeVolume(place, state, work.log);
  } catch (error) {
    work.log(errorMessage(error));
  }
}

/** Every volume of the config must be there: `volume '…' does not exist`. */
export function requireVolumes(place: Place, guest: GuestState): void {
  for (const drive of drivesOf(guest.config)) {
    const volid = volidOf(drive);
    if (volid === undefined) continue;
    const { storage } = resolveVolid(place, volid);
    getBackend(place, getUsableStorage(place, storage.storage));
    getVolume(place, volid);
  }
}

export function requireBridges(place: Place, guest: GuestState): void {
  const bridges = place.cluster.nodes[place.node]?.bridges ?? [];
  for (const [key, value] of Object.entries(guest.config)) {
    const bridge = isNetKey(key) ? parseNet(value, key).bridge : undefined;
    if (bridge !== undefined && !bridges.includes(bridge)) fail(`bridge '${bridge}' does not exist`);
  }
}

/** At once; a guest that does not run is fine. */
export function stopGuest(place: Place, vmid: number, work: Work, options: StartOptions): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    if (!guest.running) return;
    if (!options.skipLock) requireUnlocked(guest);
    await work.pass(stopMs);
    processStopped(place, guest);
    applyPendingAfterStop(place, guest);
  });
}

export interface ShutdownOptions extends StartOptions {
  timeoutSeconds?: number;
  forceStop?: boolean;
}

/** Asks the guest's operating system; without one the time runs out. */
export function shutdownGuest(place: Place, vmid: number, work: Work, options: ShutdownOptions): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    if (!guest.running) return;
    if (!options.skipLock) requireUnlocked(guest);
    await waitForPowerdown(place, guest, work, options);
    processStopped(place, guest);
    applyPendingAfterStop(place, guest);
  });
}

async function waitForPowerdown(place: Place, guest: GuestState, work: Work, options: ShutdownOptions): Promise<void> {
  const timeoutMs = 1000 * (options.timeoutSeconds ?? defaultShutdownTimeoutSeconds);
  const agent = isAgentEnabled(guest.config.agent);
  if (agent && !isAgentReady(place, guest))
    work.log(`QEMU Guest Agent is not running - VM ${guest.vmid} qga command 'guest-ping' failed - got timeout`);
  if (!guest.unresponsive && guest.qmpStatus === "running" && shutdownMs <= timeoutMs) {
    await work.pass(shutdownMs);
    return;
  }
  await work.pass(timeoutMs);
  if (!options.forceStop) fail("VM quit/powerdown failed - got timeout");
  work.log("VM still running - terminating now with SIGTERM");
}

/** Down and up again; pending changes come into force. */
export async function rebootGuest(place: Place, vmid: number, work: Work, timeoutSeconds: number | undefined): Promise<void> {
  await shutdownGuest(place, vmid, work, { timeoutSeconds });
  await startGuest(place, vmid, work, {});
}

export function suspendGuest(place: Place, vmid: number, work: Work, options: StartOptions): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    if (!options.skipLock) requireUnlocked(guest);
    await work.pass(stopMs);
    guest.qmpStatus = "paused";
    place.world.touch();
  });
}

export function resumeGuest(place: Place, vmid: number, work: Work, options: StartOptions): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    if (!options.skipLock && guest.config.lock !== "backup") requireUnlocked(guest);
    await work.pass(stopMs);
    if (guest.qmpStatus === "prelaunch") guestRuns(place, guest);
    guest.qmpStatus = "running";
    place.world.touch();
  });
}

export function resetGuest(place: Place, vmid: number, work: Work, options: StartOptions): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    if (!options.skipLock) requireUnlocked(guest);
    await work.pass(stopMs);
    guestRuns(place, guest);
  });
}

/** Saves the memory to a volume and ends the process; the config keeps `lock: suspended` until the next start. */
export function hibernateGuest(place: Place, vmid: number, work: Work, storage: string | undefined): Promise<void> {
  return place.world.withGuestLock(place.cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    requireUnlocked(guest);
    const target = storage ?? guest.config.vmstatestorage ?? firstDiskStorage(guest) ?? "local";
    const sizeBytes = stateBytes(guest);
    const stem = `vm-${vmid}-state-suspend-${new Date(place.world.clock.nowMs()).toISOString().slice(0, 10)}`;
    const volid = allocateVolume(place, { storage: target, vmid, sizeBytes, format: "raw", stem }, work.log);
    await work.pass(startMs);
    processStopped(place, guest);
    guest.config.lock = "suspended";
    guest.config.vmstate = volid;
    place.world.touch();
  });
}

/** Memory plus what QEMU's devices need. */
export function stateBytes(guest: GuestState): number {
  return (2 * memoryMebibytes(guest.config) + 500) * 1024 * 1024;
}

export function firstDiskStorage(guest: GuestState): string | undefined {
  const volid = drivesOf(guest.config)
    .map((drive) => volidOf(drive))
    .find((found) => found !== undefined);
  return volid?.split(":", 1)[0];
}

export function isAgentEnabled(agent: string | undefined): boolean {
  return /^(enabled=)?(1|on|yes|true)(,|$)/i.test(agent ?? "0") || /,enabled=1/.test(agent ?? "");
}

export function isAgentReady(place: Place, guest: GuestState): boolean {
  const since = guest.agentReadyAtMs;
  return !guest.unresponsive && guest.qmpStatus === "running" && since !== undefined && since <= place.world.clock.nowMs();
}
