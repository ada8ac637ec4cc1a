/** What a failed restore leaves at the target, and taking it away. */
import type { GuestConfig } from "../proxmox";
import { ownerVmidOf } from "./drives";
import type { MarkedGuest } from "./marked-guest";
import { type GuestRef, type Pace, putConfig } from "./operations";

/** Volumes are named before the first line of progress. */
const HEAD_LINES = 200;

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
  const volids = await findUnnamedVolumes(wreck);
  await putConfig(wreck, { set: Object.fromEntries(volids.map((volid, index) => [`scsi${index}`, volid])) }, pace);
}

/** Volumes that a create or restore of the guest has made, that are still there, and that its configuration does not name. */
export async function findUnnamedVolumes(guest: GuestRef): Promise<string[]> {
  const { api, node, vmid } = guest;
  const config = await api.qemu.findConfig(node, vmid);
  const named = new Set(Object.values(config?.values ?? {}).map((line) => line.split(",")[0]));
  const found: string[] = [];
  for (const volid of await findMadeVolumes(guest)) if (!named.has(volid) && (await api.storage.findVolume(node, volid))) found.push(volid);
  return found;
}

/** As the logs of our creates and restores of this vmid name them; some may be gone. */
export async function findMadeVolumes({ api, node, vmid }: GuestRef): Promise<string[]> {
  const made = new Set<string>();
  const tasks = await api.tasks.list(node, { vmid, source: "all" });
  for (const { upid } of tasks.filter(({ type }) => type === "qmrestore" || type === "qmcreate")) {
    for (const line of await api.tasks.getLog(upid, { limit: HEAD_LINES })) {
      const volid = /^new volume ID is '(.+)'$/.exec(line)?.[1] ?? /: successfully created disk '([^',]+)/.exec(line)?.[1];
      if (volid !== undefined && ownerVmidOf(volid) === vmid) made.add(volid);
    }
  }
  return [...made];
}

/**
 * Disks of an earlier, killed restore become `unusedN` of the guest (live finding 5); an archive carries none. Only those that our
 * restores have made: what else has the vmid in its name may be another cluster's.
 */
export async function freeLeftovers(target: MarkedGuest, pace: Pace): Promise<void> {
  const { values } = target.config;
  const unused = Object.keys(values).filter((key) => /^unused\d+$/.test(key));
  if (unused.length === 0) return;
  const made = await findMadeVolumes(target.ref);
  await putConfig(target.ref, { remove: unused.filter((key) => made.includes(values[key]!)) }, pace);
}
