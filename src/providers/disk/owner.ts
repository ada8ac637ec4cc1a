/**
 * The owner of a disk: a stopped guest that holds nothing but the volume. `template=1` refuses its start, `protection=1`
 * its destruction (live findings 19, 20); the volume is on `scsi0` and carries the owner's vmid in its name.
 */
import { dataDrivesOf, type GuestRef, type MarkedGuest, type Pace, putConfig } from "../../migration";

export const OWNER_SLOT = "scsi0";
/** The least Proxmox takes. */
export const OWNER_MEMORY_MIB = 16;

/** The volume on the owner's slot. How large it is, only its storage knows: {@link volumeSizeBytes}. */
export function volidOf(owner: MarkedGuest): string | undefined {
  return dataDrivesOf(owner.config).find((candidate) => candidate.slot === OWNER_SLOT)?.volid;
}

/** As the storage has it. A disk that grew through the guest it is attached to keeps its old size in the owner's configuration. */
export async function volumeSizeBytes(owner: GuestRef, volid: string): Promise<number> {
  const volume = await owner.api.storage.findVolume(owner.node, volid);
  if (!volume)
    throw new Error(
      `Volume ${volid} is not listed on ${owner.api.clusterId}/${owner.node}: it is gone, or the token lacks Datastore.Audit on /storage/${volid.slice(0, volid.indexOf(":"))}.`,
    );
  return volume.sizeBytes;
}

export async function fenceOwner(owner: GuestRef, pace: Pace): Promise<void> {
  await putConfig(owner, { set: { template: 1, protection: 1 } }, pace);
}
