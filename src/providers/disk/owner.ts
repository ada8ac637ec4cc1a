/**
 * The owner of a disk: a stopped guest that holds nothing but the volume. `template=1` refuses its start, `protection=1`
 * its destruction (live findings 19, 20); the volume is on `scsi0` and carries the owner's vmid in its name.
 */
import { dataDrivesOf, type GuestRef, type MarkedGuest, type Pace, putConfig, readMarkedGuest } from "../../migration";
import { type GuestConfig, parseVolid, type Volume } from "../../proxmox";
import { listImages } from "../images";
import type { Session } from "../session";

/** Where a volume is listed. */
type Listed = Pick<GuestRef, "api" | "node">;

export const OWNER_SLOT = "scsi0";
/** The least Proxmox takes. */
export const OWNER_MEMORY_MIB = 16;

/** The volume on the owner's slot. How large it is, only its storage knows: {@link volumeSizeBytes}. */
export function volidOf(owner: MarkedGuest): string | undefined {
  return dataDrivesOf(owner.config).find((candidate) => candidate.slot === OWNER_SLOT)?.volid;
}

/**
 * For plans and refreshes, which only look: each storage of a node is listed once per run. A volume that is not in the list
 * is asked for by itself, since it may have been made since.
 */
export async function findListedVolume(session: Session, { api, node }: Listed, volid: string): Promise<Volume | undefined> {
  const listing = await listImages(session, { api, node }, parseVolid(volid).storage);
  return listing.find((volume) => volume.volid === volid) ?? api.storage.findVolume(node, volid);
}

/** As the storage has it. A disk that grew through the guest it is attached to keeps its old size in the owner's configuration. */
export async function volumeSizeBytes(at: Listed, volid: string): Promise<number> {
  return sizeOf(await at.api.storage.findVolume(at.node, volid), at, volid);
}

/** The same for plans and refreshes: see {@link findListedVolume}. */
export async function listedSizeBytes(session: Session, at: Listed, volid: string): Promise<number> {
  return sizeOf(await findListedVolume(session, at, volid), at, volid);
}

/**
 * For plans: how large the disk of that owner is by now; it may have grown through the guest that uses it. Undefined where that
 * cannot be told.
 */
export async function findGrownSizeBytes(
  session: Session,
  { cluster, node, vmid }: { cluster: string; node: string; vmid: number },
): Promise<number | undefined> {
  const owner = await readMarkedGuest({ api: await session.client(cluster), node, vmid });
  const volid = owner && volidOf(owner);
  return volid === undefined ? undefined : (await findListedVolume(session, owner!.ref, volid))?.sizeBytes;
}

function sizeOf(volume: Volume | undefined, { api, node }: Listed, volid: string): number {
  if (!volume)
    throw new Error(
      `Volume ${volid} is not listed on ${api.clusterId}/${node}: it is gone, or the token lacks Datastore.Audit on /storage/${volid.slice(0, volid.indexOf(":"))}.`,
    );
  return volume.sizeBytes;
}

export function isFenced({ values }: GuestConfig): boolean {
  return values.template === "1" && values.protection === "1";
}

export async function fenceOwner(owner: GuestRef, pace: Pace): Promise<void> {
  await putConfig(owner, { set: { template: 1, protection: 1 } }, pace);
}
