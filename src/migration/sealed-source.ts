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

/**
 * Whether its move has ended although nobody has retired it: a guest of the same identity and a later generation is settled. After a
 * remote migration that is all there can be. After another one the next generation may still be undone, and the one after it tells
 * that an update has taken the target over while the source was out of sight.
 */
export function isLeftBehind({ mark }: Pick<MarkedGuest, "mark">, others: readonly (Mark | undefined)[]): boolean {
  if (mark?.phase !== "moving" || mark.move?.step !== "finishing") return false;
  const least = mark.generation + (isRemote({ method: mark.move.method ?? "backup-restore" }) ? 1 : 2);
  // It may be on its way elsewhere by now.
  return others.some((other) => (other?.phase === "settled" || other?.phase === "moving") && other.generation >= least);
}
