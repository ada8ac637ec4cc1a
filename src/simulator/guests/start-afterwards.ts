/** `start=1` of a create or restore. */
import type { TaskContext } from "../kernel";
import { errorMessage, type Place } from "../volumes/calls";
import { startGuest } from "./power";

/** A start that fails does not undo the guest: its reason goes into the log. */
export async function startAfterwards(place: Place, vmid: number, task: TaskContext): Promise<void> {
  try {
    await startGuest(place, vmid, task, {});
  } catch (error) {
    if (task.killed) throw error;
    task.log(errorMessage(error));
  }
}
