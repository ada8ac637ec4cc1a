/**
 * What an interrupted run has started goes on without it: until that has ended, nothing tells what is still to be done. A disk
 * that is being added would be added a second time, a guest that is on its way would be sent off again.
 */
import { type GuestRef, type Pace, waitForTask } from "../migration";
import { TaskFailedError } from "../proxmox";

/** Disks of terabytes: as long as it takes, but not for ever. */
const COPY_TIMEOUT_MS = 72 * 3600 * 1000;

/** Waits until no task of these types runs for the guest, however it ends: what it has brought about shows in the guest. */
export async function awaitTasks(guest: GuestRef, types: readonly string[], pace: Pace): Promise<void> {
  const { api, node, vmid } = guest;
  for (const { upid, type, status } of await api.tasks.list(node, { vmid, source: "active" })) {
    if (status !== "running" || !types.includes(type)) continue;
    pace.report(`vm ${vmid} on ${api.clusterId}: waiting for its ${type}, which an earlier run has started`);
    try {
      await waitForTask(api, upid, { timeoutMs: COPY_TIMEOUT_MS }, pace);
    } catch (error) {
      if (!(error instanceof TaskFailedError)) throw error;
    }
  }
}
