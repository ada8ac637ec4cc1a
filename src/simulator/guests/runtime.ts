/** A guest's QEMU process: what starting and stopping it changes. */
import type { GuestState } from "../kernel";
import type { Place } from "../volumes/calls";
import { findVolume } from "../volumes/volumes";
import { drivesOf, volidOf } from "./drive";
import { applyPending } from "./pending";

/** The agent answers this long after a start. */
const agentDelayMs = 2_000;

export function processStarted(place: Place, guest: GuestState, qmpStatus: "running" | "paused" | "prelaunch"): void {
  const { world, cluster } = place;
  const nowMs = world.clock.nowMs();
  guest.running = true;
  guest.qmpStatus = qmpStatus;
  guest.startedAtMs = nowMs;
  guest.runningConfig = { ...guest.config };
  if (qmpStatus === "running") guestRuns(place, guest);
  else delete guest.agentReadyAtMs;
  world.event("process-started", { cluster: cluster.id, node: guest.node, vmid: guest.vmid, qmpStatus });
  world.touch();
}

/** The guest itself runs now: two copies of one identity show as two of these events. */
export function guestRuns(place: Place, guest: GuestState): void {
  guest.qmpStatus = "running";
  guest.agentReadyAtMs = place.world.clock.nowMs() + agentDelayMs;
  place.world.event("started", {
    cluster: place.cluster.id,
    node: guest.node,
    vmid: guest.vmid,
    smbios1: guest.config.smbios1,
    name: guest.config.name,
  });
  place.world.touch();
}

/** Process gone: pending changes come into force, dirty bitmaps are lost. */
export function processStopped(place: Place, guest: GuestState): void {
  const hasRun = guest.qmpStatus === "running" || guest.qmpStatus === "paused";
  dropBitmaps(place, guest);
  guest.running = false;
  guest.qmpStatus = "stopped";
  delete guest.startedAtMs;
  delete guest.runningConfig;
  delete guest.agentReadyAtMs;
  delete guest.backupMemory;
  place.world.event(hasRun ? "stopped" : "process-stopped", { cluster: place.cluster.id, node: guest.node, vmid: guest.vmid });
  place.world.touch();
}

/** Changes that waited for the guest to stop; on a locked guest they go on waiting. */
export function applyPendingAfterStop(place: Place, guest: GuestState): void {
  if (guest.config.lock === undefined) applyPending(place, guest, () => {});
}

function dropBitmaps(place: Place, guest: GuestState): void {
  for (const drive of drivesOf(guest.runningConfig ?? guest.config)) {
    const volid = volidOf(drive);
    const found = volid === undefined ? undefined : findVolumeQuietly(place, volid);
    if (found) delete found.volume.dirty;
  }
}

/** The process may outlive a storage: its volume is just not found then. */
function findVolumeQuietly(place: Place, volid: string) {
  try {
    return findVolume(place, volid);
  } catch {
    return undefined;
  }
}
