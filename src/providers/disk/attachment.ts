/**
 * Attaching an owned volume to another guest. Always with `backup=0`, or a backup of that guest would carry the disk along
 * and a restore duplicate it (live finding 22).
 */
import { dataDrivesOf, type GuestRef, type MarkedGuest, type Pace, putConfig, readMarkedGuest } from "../../migration";
import { inParallel, type ProxmoxApi } from "../../proxmox";
import type { DiskSpec } from "./spec";

/** scsi0 to scsi15 are the guest's own. */
const FIRST_SLOT = 16;
const LAST_SLOT = 30;

export interface Reference {
  guest: MarkedGuest;
  slot: string;
}

/** Every guest of the cluster whose configuration names the volume, the owner left out. Exact volid, never a substring. */
export async function findReferences(api: ProxmoxApi, volid: string, ownerVmid: number): Promise<Reference[]> {
  const guests = (await api.listResources())
    .filter((row) => row.kind === "guest")
    .filter(({ guestType, vmid }) => guestType === "qemu" && vmid !== ownerVmid);
  const found = await inParallel(guests, async ({ node, vmid }): Promise<Reference[]> => {
    const guest = await readMarkedGuest({ api, node, vmid });
    const drive = guest && dataDrivesOf(guest.config).find((candidate) => candidate.volid === volid);
    return guest && drive ? [{ guest, slot: drive.slot }] : [];
  });
  return found.flat();
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

/** Safe to repeat. */
export async function attachVolume(guest: GuestRef, volid: string, slot: string, spec: DiskSpec, pace: Pace): Promise<void> {
  const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
  if (dataDrivesOf(config).some((drive) => drive.volid === volid)) return;
  if (config.values[slot] !== undefined)
    throw new Error(`${slot} of vm ${guest.vmid} on ${guest.api.clusterId} has been taken by somebody else meanwhile. Run again.`);
  const options = [spec.discard ? "discard=on" : "", spec.ssd ? "ssd=1" : "", spec.ioThread ? "iothread=1" : ""].filter(
    (option) => option !== "",
  );
  await putConfig(guest, { set: { [slot]: [volid, "backup=0", ...options].join(",") } }, pace);
}

function freeSlot(values: Record<string, string>): string | undefined {
  for (let index = FIRST_SLOT; index <= LAST_SLOT; index++) if (values[`scsi${index}`] === undefined) return `scsi${index}`;
  return undefined;
}

/** Takes the volume out of a guest; the volume itself stays its owner's (transcripts, fact 19). */
export async function detachVolume(guest: GuestRef, volid: string, pace: Pace): Promise<void> {
  const config = await guest.api.qemu.findConfig(guest.node, guest.vmid);
  const drive = config && dataDrivesOf(config).find((candidate) => candidate.volid === volid);
  if (!drive) return;
  await putConfig(guest, { remove: [drive.slot] }, pace);
  const waiting = await guest.api.qemu.listPending(guest.node, guest.vmid);
  if (waiting.some((entry) => entry.key === drive.slot && entry.value !== undefined))
    throw new Error(
      `vm ${guest.vmid} on ${guest.api.clusterId} did not let go of ${drive.slot} (${volid}): unmount it in the guest, or stop the guest, then run again.`,
    );
}
