/**
 * Attaching an owned volume to another guest. Always with `backup=0`, or a backup of that guest would carry the disk along
 * and a restore duplicate it (live finding 22).
 */
import { isDeepStrictEqual } from "node:util";
import { dataDrivesOf, type GuestDrive, type GuestRef, type MarkedGuest, type Pace, putConfig, readMarkedGuest } from "../../migration";
import { formatDrive, inParallel, type ProxmoxApi } from "../../proxmox";
import type { DiskSpec } from "./spec";

/** scsi0 to scsi15 are the guest's own. */
const FIRST_SLOT = 16;
const LAST_SLOT = 30;

export interface Reference {
  guest: MarkedGuest;
  slot: string;
}

/** Every guest of the cluster that has the volume, the owner left out. Exact volid, never a substring. */
export async function findReferences(api: ProxmoxApi, volid: string, ownerVmid: number): Promise<Reference[]> {
  const guests = (await api.listResources())
    .filter((row) => row.kind === "guest")
    .filter(({ guestType, vmid }) => guestType === "qemu" && vmid !== ownerVmid);
  return (await inParallel(guests, ({ node, vmid }) => findReference({ api, node, vmid }, volid))).flat();
}

async function findReference(ref: GuestRef, volid: string): Promise<Reference[]> {
  const guest = await readMarkedGuest(ref);
  if (!guest) return findReferenceElsewhere(ref, volid);
  const slot = dataDrivesOf(guest.config).find((drive) => drive.volid === volid)?.slot ?? (await findHeldSlot(ref, volid));
  return slot === undefined ? [] : [{ guest, slot }];
}

/** Deleted since it was listed, or sent to another node: then it has its volumes there. */
async function findReferenceElsewhere({ api, node: former, vmid }: GuestRef, volid: string): Promise<Reference[]> {
  const row = (await api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === vmid);
  return row?.kind === "guest" && row.node !== former ? findReference({ api, node: row.node, vmid }, volid) : [];
}

/** The configuration shows what is wanted; what a running guest has not let go of shows among what is pending. */
async function findHeldSlot({ api, node, vmid }: GuestRef, volid: string): Promise<string | undefined> {
  const waiting = await api.qemu.listPending(node, vmid);
  return waiting.find(({ value, pending, delete: isLeaving }) => (isLeaving || pending !== undefined) && value?.split(",")[0] === volid)
    ?.key;
}

/** A guest other than the owner that has the volume, in words. */
export async function describeUser(owner: MarkedGuest, volid: string): Promise<string | undefined> {
  const [user] = await findReferences(owner.ref.api, volid, owner.ref.vmid);
  return user && `vm ${user.guest.ref.vmid} on ${owner.ref.api.clusterId} has it attached as ${user.slot}`;
}

/** The slot it is attached to, or shall be. */
export async function slotFor(guest: GuestRef, volid: string): Promise<string> {
  const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
  const existing = dataDrivesOf(config).find((drive) => drive.volid === volid);
  if (existing) return existing.slot;
  const slot = freeSlot(config.values);
  if (slot === undefined)
    throw new Error(
      `vm ${guest.vmid} on ${guest.api.clusterId} has no free slot from scsi${FIRST_SLOT} to scsi${LAST_SLOT}: detach another disk first.`,
    );
  return slot;
}

/** Safe to repeat: attached already, its options become as declared. */
export async function attachVolume(guest: GuestRef, volid: string, slot: string, spec: DiskSpec, pace: Pace): Promise<void> {
  const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
  const attached = dataDrivesOf(config).find((drive) => drive.volid === volid);
  if (attached) {
    await changeOptions(guest, attached, spec, pace);
    return;
  }
  if (config.values[slot] !== undefined)
    throw new Error(`${slot} of vm ${guest.vmid} on ${guest.api.clusterId} has been taken by somebody else meanwhile. Run again.`);
  await putConfig(guest, { set: { [slot]: [volid, ...optionsOf(spec)].join(",") } }, pace);
}

function optionsOf({ discard, ssd, ioThread }: DiskSpec): string[] {
  return ["backup=0", ...(discard ? ["discard=on"] : []), ...(ssd ? ["ssd=1"] : []), ...(ioThread ? ["iothread=1"] : [])];
}

/** What no program can declare (`serial`, `iops`, …) stays. */
async function changeOptions(guest: GuestRef, { slot, drive, volid }: GuestDrive, spec: DiskSpec, pace: Pace): Promise<void> {
  const [, ...has] = formatDrive(drive).split(",");
  const isOurs = (option: string) => /^(?:backup|discard|ssd|iothread)=/.test(option);
  const wanted = optionsOf(spec);
  if (isDeepStrictEqual(has.filter(isOurs).sort(), [...wanted].sort())) return;
  await putConfig(guest, { set: { [slot]: [volid, ...has.filter((option) => !isOurs(option)), ...wanted].join(",") } }, pace);
  pace.report(`${slot} of vm ${guest.vmid} on ${guest.api.clusterId}: a running guest takes changed options over at its next start`);
}

function freeSlot(values: Record<string, string>): string | undefined {
  for (let index = FIRST_SLOT; index <= LAST_SLOT; index++) if (values[`scsi${index}`] === undefined) return `scsi${index}`;
  return undefined;
}

/** Takes the volume out of a guest; the volume itself stays its owner's (transcripts, fact 19). */
export async function detachVolume(guest: GuestRef, volid: string, pace: Pace): Promise<void> {
  const config = await guest.api.qemu.findConfig(guest.node, guest.vmid);
  if (!config) return;
  const drive = dataDrivesOf(config).find((candidate) => candidate.volid === volid);
  if (drive) await putConfig(guest, { remove: [drive.slot] }, pace);
  // Also what an earlier attempt has asked for: no configuration names the volume then, and the guest still writes to it.
  const held = await findHeldSlot(guest, volid);
  if (held !== undefined)
    throw new Error(
      `vm ${guest.vmid} on ${guest.api.clusterId} did not let go of ${held} (${volid}): unmount it in the guest, or stop the guest, then run again.`,
    );
}
