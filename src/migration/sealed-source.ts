/** The source of a finished remote migration: stopped, and under a lock that only an administrator can take away. */
import type { Mark } from "./mark";
import type { MarkedGuest } from "./marked-guest";
import type { GuestRef } from "./operations";
import { isRemote } from "./route";

/** What keeps an unlocked source from starting. */
export const SEALED_FENCE = { template: 1, onboot: 0 };

/** What an administrator runs on the source's node, so that the next update removes the guest. */
export function unsealCommand({ vmid }: Pick<GuestRef, "vmid">): string {
  return `qm unlock ${vmid} && qm set ${vmid} --template 1 --onboot 0`;
}

export function describeSealed(name: string, { api, node, vmid }: GuestRef): string {
  return `${name}: the former vm ${vmid} on ${api.clusterId}/${node} stays, stopped and locked (migrate), which no API token can change. An administrator runs "${unsealCommand({ vmid })}" on node ${node}; the next update then removes it`;
}

/** Whether it has been left by a remote migration that ended: a guest of the same identity and a later generation is settled. */
export function isLeftBehind({ mark }: Pick<MarkedGuest, "mark">, others: readonly (Mark | undefined)[]): boolean {
  const method = mark?.move?.method ?? "backup-restore";
  if (mark?.phase !== "moving" || mark.move?.step !== "finishing" || !isRemote({ method })) return false;
  return others.some((other) => other?.phase === "settled" && other.generation > mark.generation);
}
