/** What a failed restore leaves at the target, and taking it away. */
import type { GuestConfig } from "../proxmox";
import { ownerVmidOf } from "./drives";
import type { MarkedGuest } from "./marked-guest";
import { type GuestRef, type Pace, putConfig } from "./operations";

/** Volumes are named before the first line of progress. */
const RESTORE_HEAD_LINES = 200;

/**
 * A failed restore leaves a guest of at most `memory: 128` and orphaned disks, without description or tags (live
 * finding 4). It is known by its vmid in our journal, by our pool, and by holding nothing.
 */
export function isRestoreWreck(guest: MarkedGuest, pool: string | undefined, expectedPool: string): boolean {
  const keys = Object.keys(guest.config.values).filter((key) => !/^unused\d+$/.test(key));
  const empty = keys.length === 0 || (keys.length === 1 && guest.config.values.memory === "128");
  return empty && pool === expectedPool;
}

/** What a restore makes of the guest before its data come: nothing tells whose it is. */
export function isBareRestore({ values }: GuestConfig): boolean {
  return Object.keys(values).every((key) => key === "memory" || key === "lock" || /^unused\d+$/.test(key));
}

/**
 * Disks of a restore whose worker was killed belong to the vmid and are named by no configuration (live finding 4). Attached
 * to the guest again they go with it; a token may not delete a volume by itself.
 */
export async function reclaimOrphans(wreck: GuestRef, pace: Pace): Promise<void> {
  const { api, node, vmid } = wreck;
  const restores = await api.tasks.list(node, { vmid, typeFilter: "qmrestore", source: "all" });
  const set: Record<string, string> = {};
  for (const { upid } of restores.filter((task) => task.type === "qmrestore")) {
    for (const line of await api.tasks.getLog(upid, { limit: RESTORE_HEAD_LINES })) {
      const volid = /^new volume ID is '(.+)'$/.exec(line)?.[1];
      if (volid === undefined || ownerVmidOf(volid) !== vmid || Object.values(set).includes(volid)) continue;
      if (await api.storage.findVolume(node, volid)) set[`scsi${Object.keys(set).length}`] = volid;
    }
  }
  await putConfig(wreck, { set }, pace);
}

/** Disks of an earlier, killed restore become `unusedN` of the guest (live finding 5); an archive carries none. */
export async function freeLeftovers(target: MarkedGuest, pace: Pace): Promise<void> {
  const { values } = target.config;
  const leftovers = Object.keys(values).filter((key) => /^unused\d+$/.test(key) && ownerVmidOf(values[key]!) === target.ref.vmid);
  await putConfig(target.ref, { remove: leftovers }, pace);
}
