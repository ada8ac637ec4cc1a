/**
 * Taking over a volume that the CSI plugin made, or somebody made for it by hand: only at the program's explicit word, only
 * one that nobody else owns, and only as what it is. Everything is looked at before anything is written.
 */
import {
  CSI_DRIVER,
  findVolumeMark,
  type KubernetesApi,
  type PersistentVolume,
  parseFlag,
  parseStorageQuantity,
  parseVolumeHandle,
  sameVolume,
  type VolumeHandle,
  volidOfHandle,
} from "../../../kubernetes";
import { FREE_STACK, type Identity, ownerVmidOf, readMarkedGuest } from "../../../migration";
import { FormatError, type ProxmoxApi } from "../../../proxmox";
import { volidOf } from "../../disk/owner";
import { type Session, UserError } from "../../session";
import { guestUseOf } from "../guest-use";
import { clusterOfRegion, storageReach } from "../place";
import type { VolumeSpec } from "../spec";
import { findKubernetesUse } from "../usage";

export type AdoptInput = NonNullable<VolumeSpec["adopt"]>;

export interface Adoptee {
  volume: PersistentVolume;
  /** Of the PersistentVolume. */
  name: string;
  volumeHandle: string;
  handle: VolumeHandle;
  cluster: string;
  /** The zone; on a shared storage a node that reaches it. */
  node: string;
  volid: string;
  /** Real size of the disk. */
  sizeBytes: number;
  shared: boolean;
  /** It carries the volume's own mark already. */
  ours: boolean;
  /** A guest of `federate volumes move` owns the disk, and is handed over with it. */
  handedOver: boolean;
}

/** @throws UserError when there is no such volume, it is somebody else's, or PersistentVolume and disk do not belong together */
export async function findAdoptee(session: Session, api: KubernetesApi, adopt: AdoptInput, identity: Identity): Promise<Adoptee> {
  const all = await api.listVolumes();
  const volume = requireVolume(all, adopt);
  const name = volume.metadata?.name ?? "";
  const what = `adopt: PersistentVolume ${name}`;
  const volumeHandle = volume.spec?.csi?.volumeHandle ?? "";
  const handle = requireHandle(volume, what);
  const { ours, handedOver } = requireFree(volume, what, identity);
  refuseRivals(all, volume, handle, what);
  const cluster = clusterOfRegion(await session.federation(), handle.region);
  const { node, shared } = await requireStorage(session, cluster, handle, what);
  const proxmox = await session.client(cluster);
  const volid = volidOfHandle(handle);
  const sizeBytes = await requireDisk(proxmox, node, volid, volume, what);
  const adoptee: Adoptee = { volume, name, volumeHandle, handle, cluster, node, volid, sizeBytes, shared, ours, handedOver };
  if (handedOver) await requireFreeOwner(session, adoptee, what, identity);
  // Ours already, or with an owner: pods come and go as they like.
  else if (!ours) {
    await refuseOwnedDisk(proxmox, adoptee, what);
    await refuseUnexpectedUse(session, api, adoptee, what);
  }
  return adoptee;
}

function requireVolume(all: readonly PersistentVolume[], { persistentVolume, volumeHandle }: AdoptInput): PersistentVolume {
  const named = all.filter(({ metadata, spec }) =>
    persistentVolume === undefined
      ? spec?.csi?.driver === CSI_DRIVER && spec.csi.volumeHandle === volumeHandle
      : metadata?.name === persistentVolume,
  );
  const wanted = persistentVolume === undefined ? `with volumeHandle ${volumeHandle}` : persistentVolume;
  if (named.length === 0)
    throw new UserError(
      `adopt: there is no PersistentVolume ${wanted}. "federate volumes list" shows those of the Proxmox CSI driver; a disk without one is taken over by making one for it first (reclaim policy Retain).`,
    );
  if (named.length > 1)
    throw new UserError(
      `adopt: PersistentVolumes ${named.map(({ metadata }) => metadata?.name).join(" and ")} have volumeHandle ${volumeHandle}. Delete the wrong one, or give the other's name.`,
    );
  return named[0]!;
}

function requireHandle({ metadata, spec }: PersistentVolume, what: string): VolumeHandle {
  if (spec?.csi?.driver !== CSI_DRIVER)
    throw new UserError(`${what} is not of the driver ${CSI_DRIVER}${spec?.csi ? `, but of ${spec.csi.driver}` : ""}.`);
  if (metadata?.deletionTimestamp !== undefined) throw new UserError(`${what} is being deleted.`);
  if (parseFlag(spec.csi.volumeAttributes?.replicate))
    throw new UserError(
      `${what} is replicated by the plugin (replicate: "1"): its owner VM and replication jobs are the plugin's, which moves it itself. It is not taken over by this version.`,
    );
  try {
    return parseVolumeHandle(spec.csi.volumeHandle);
  } catch (error) {
    if (error instanceof FormatError) throw new UserError(`${what}: ${error.message}.`, { cause: error });
    throw error;
  }
}

/** One that nobody owns, this volume's own, or one of the command: that hands over what it has moved. */
function requireFree(volume: PersistentVolume, what: string, identity: Identity): Pick<Adoptee, "ours" | "handedOver"> {
  const mark = findVolumeMark(volume);
  if (!mark) return { ours: false, handedOver: false };
  // Ours without an owner of ours, and not taken over as it was: the handing over was interrupted.
  if (sameVolume(mark, identity)) return { ours: true, handedOver: mark.adopted !== true };
  if (mark.federation === identity.federation && mark.stack === FREE_STACK) {
    if (!mark.adopted) return { ours: false, handedOver: true };
    throw new UserError(`${what} is being taken over by "federate volumes move": repeat that command first, until it has moved.`);
  }
  throw new UserError(
    `${what} belongs to ${mark.name} of stack ${mark.stack} (federation ${mark.federation}). Remove it from that stack first: for an adopted volume "pulumi destroy" of the resource there leaves volume and disk as they are.`,
  );
}

/** The guest that owns the disk must be the command's too, and at rest. */
async function requireFreeOwner(session: Session, { cluster, volid }: Adoptee, what: string, { federation }: Identity): Promise<void> {
  const vmid = ownerVmidOf(volid);
  const found = vmid === undefined ? undefined : await session.locate(cluster, vmid);
  const owner = found && (await readMarkedGuest(found));
  const { mark } = owner ?? {};
  const free = mark?.federation === federation && mark.stack === FREE_STACK && mark.kind === "disk" && mark.phase === "settled";
  if (!owner || !free || volidOf(owner) !== volid)
    throw new UserError(
      `${what}: vm ${vmid} on ${cluster} does not own its disk ${volid} for "federate volumes move", or is under way. Repeat that command first, until it has moved.`,
    );
}

/** Two PersistentVolumes of one disk would be mounted at once. */
function refuseRivals(all: readonly PersistentVolume[], own: PersistentVolume, handle: VolumeHandle, what: string): void {
  const rival = all.find(
    (other) => other.metadata?.name !== own.metadata?.name && other.spec?.csi?.driver === CSI_DRIVER && namesSame(other, handle),
  );
  if (rival)
    throw new UserError(
      `${what} and PersistentVolume ${rival.metadata?.name} name the same disk (${rival.spec?.csi?.volumeHandle}). Delete the wrong one (with reclaim policy Retain), then run again.`,
    );
}

function namesSame({ spec }: PersistentVolume, { region, zone, ...disk }: VolumeHandle): boolean {
  try {
    const other = parseVolumeHandle(spec?.csi?.volumeHandle ?? "");
    const meet = zone === undefined || other.zone === undefined || zone === other.zone;
    return other.region === region && meet && volidOfHandle(other) === volidOfHandle({ region, ...disk });
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

async function requireStorage(session: Session, cluster: string, { zone, storage }: VolumeHandle, what: string) {
  const snapshot = await session.reachable(cluster);
  if (!snapshot) throw new UserError(`${what} cannot be looked at: cluster ${cluster} does not answer.`);
  const nodes = snapshot.storages.filter((row) => row.storage === storage && row.status === "available").map((row) => row.node);
  const node = zone === undefined ? nodes.sort()[0] : nodes.find((candidate) => candidate === zone);
  if (node === undefined)
    throw new UserError(
      `${what} is on storage ${storage}${zone === undefined ? "" : ` of node ${zone}`}, which ${cluster} does not show as available.`,
    );
  const { shared } = await storageReach(session, cluster, storage);
  if (shared === (zone === undefined)) return { node, shared };
  throw new UserError(
    shared
      ? `${what} names zone ${zone}, but storage ${storage} of ${cluster} is shared by its nodes: its handle must name none, or a move would take it for a local disk. Make a PersistentVolume with the right handle.`
      : `${what} names no zone, but storage ${storage} of ${cluster} is local to each node: which of their disks is meant cannot be told.`,
  );
}

async function requireDisk(api: ProxmoxApi, node: string, volid: string, { spec }: PersistentVolume, what: string): Promise<number> {
  const disk = await api.storage.findVolume(node, volid);
  const storage = volid.slice(0, volid.indexOf(":"));
  if (!disk)
    throw new UserError(
      `${what}: its disk ${volid} is not listed on ${api.clusterId}/${node}. It is gone, or the credentials lack Datastore.Audit on /storage/${storage}.`,
    );
  const capacityBytes = parseStorageQuantity(spec?.capacity?.storage ?? "0");
  if (disk.sizeBytes < capacityBytes)
    throw new UserError(
      `${what} says ${capacityBytes} bytes, but its disk ${volid} on ${api.clusterId}/${node} has ${disk.sizeBytes}: they do not belong together.`,
    );
  return disk.sizeBytes;
}

/** A guest with the vmid of the disk's name owns the disk: Proxmox deletes it together with that guest. */
async function refuseOwnedDisk(api: ProxmoxApi, { volid, cluster }: Adoptee, what: string): Promise<void> {
  const vmid = ownerVmidOf(volid);
  const owner = (await api.listResources()).find((row) => row.kind === "guest" && row.vmid === vmid);
  if (owner)
    throw new UserError(
      `${what}: its disk ${volid} belongs to vm ${vmid} on ${cluster}, and would be deleted together with it. Only disks that no guest owns are taken over.`,
    );
}

/** A guest that has the disk must be the worker that Kubernetes attached it to. */
async function refuseUnexpectedUse(session: Session, kubernetes: KubernetesApi, adoptee: Adoptee, what: string): Promise<void> {
  const { volid, cluster, handle, volume } = adoptee;
  const guests = await (await guestUseOf(session, cluster)).find(volid, handle.zone);
  if (guests.length === 0) return;
  const { attachments } = await findKubernetesUse(kubernetes, volume);
  if (attachments.length === 0)
    throw new UserError(
      `${what}: ${guests.join(", ")} on ${cluster} has its disk ${volid}, but Kubernetes has attached it nowhere. Detach it there, or let the plugin finish, then run again.`,
    );
  if (guests.length > attachments.length)
    throw new UserError(
      `${what}: its disk ${volid} is in ${guests.join(" and ")} on ${cluster}, but Kubernetes has attached it ${attachments.length === 1 ? "once" : `${attachments.length} times`} (${attachments.join(", ")}). Detach it where it does not belong, then run again.`,
    );
}
