/**
 * The owner of a disk: a stopped guest that holds nothing but the volume. `template=1` refuses its start, `protection=1`
 * its destruction (live findings 19, 20); the volume is on `scsi0` and carries the owner's vmid in its name.
 */
import { dataDrivesOf, type GuestRef, type MarkedGuest, type Pace, putConfig } from "../../migration";

export const OWNER_SLOT = "scsi0";
/** The least Proxmox takes. */
export const OWNER_MEMORY_MIB = 16;

export interface OwnedVolume {
  volid: string;
  sizeBytes: number;
  storage: string;
}

export function volumeOf(owner: MarkedGuest): OwnedVolume | undefined {
  const drive = dataDrivesOf(owner.config).find((candidate) => candidate.slot === OWNER_SLOT);
  return drive && { volid: drive.volid, sizeBytes: drive.sizeBytes ?? 0, storage: drive.volid.slice(0, drive.volid.indexOf(":")) };
}

export async function fenceOwner(owner: GuestRef, pace: Pace): Promise<void> {
  await putConfig(owner, { set: { template: 1, protection: 1 } }, pace);
}
