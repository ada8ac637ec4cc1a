/** Disks that no PersistentVolume names, and PersistentVolumes whose disk is gone. Pure. */
import { type VolumeHandle, volidOfHandle } from "../../kubernetes";
import { ownerVmidOf } from "../../migration";
import type { CsiVolume } from "./volumes";

/** What was seen of one cluster. */
export interface ClusterDisks {
  cluster: string;
  region: string;
  /** Disk images on every storage that could be listed. */
  disks: ListedDisk[];
  /** Storages that were listed, as `node/storage`, or `storage` for one that all nodes share. */
  listed: ReadonlySet<string>;
  /** Vmids of guests that own a volume of a Pulumi program, and are not part of a move under way. */
  owners: ReadonlySet<number>;
}

export interface ListedDisk {
  volid: string;
  /** Absent on a shared storage. */
  node?: string;
  sizeBytes: number;
}

export interface OrphanedDisk extends ListedDisk {
  cluster: string;
  /** `program`: an owner VM of this product has it. `plugin`: the CSI plugin made it. */
  madeBy: "program" | "plugin";
}

export interface OrphanedVolume {
  volume: string;
  volumeHandle: string;
  cluster: string;
}

/** @param controllerVmid in the names of the plugin's disks */
export function findOrphanedDisks(
  volumes: readonly CsiVolume[],
  clusters: readonly ClusterDisks[],
  controllerVmid: number,
): OrphanedDisk[] {
  const handles = volumes.flatMap(({ handle }) => (handle ? [handle] : []));
  return clusters.flatMap(({ cluster, region, disks, owners }) =>
    disks.flatMap((disk) => {
      const madeBy = makerOf(disk.volid, owners, controllerVmid);
      const isNamed = handles.some((handle) => handle.region === region && names(handle, disk));
      return madeBy === undefined || isNamed ? [] : [{ cluster, madeBy, ...disk }];
    }),
  );
}

/** Only where the storage could be listed: a disk that is hidden is not gone. */
export function findOrphanedVolumes(volumes: readonly CsiVolume[], clusters: readonly ClusterDisks[]): OrphanedVolume[] {
  return volumes.flatMap(({ name, handle, volumeHandle }) => {
    const seen = clusters.find(({ region }) => region === handle?.region);
    if (!handle || !seen || !isListed(handle, seen)) return [];
    return seen.disks.some((disk) => names(handle, disk)) ? [] : [{ volume: name, volumeHandle, cluster: seen.cluster }];
  });
}

function isListed({ zone, storage }: VolumeHandle, { listed }: ClusterDisks): boolean {
  return listed.has(storage) || (zone !== undefined && listed.has(`${zone}/${storage}`));
}

/** On other nodes the same volid is another disk. A handle without zone is good for any node. */
function names(handle: VolumeHandle, { volid, node }: ListedDisk): boolean {
  return volidOfHandle(handle) === volid && (handle.zone === undefined || node === undefined || handle.zone === node);
}

function makerOf(volid: string, owners: ReadonlySet<number>, controllerVmid: number): OrphanedDisk["madeBy"] | undefined {
  const vmid = ownerVmidOf(volid);
  if (vmid === undefined) return undefined;
  if (owners.has(vmid)) return "program";
  // Its snapshots are disks too, and no PersistentVolume names them.
  return vmid === controllerVmid && !/(?:^|[/:])vm-\d+-snapshot-/.test(volid) ? "plugin" : undefined;
}
