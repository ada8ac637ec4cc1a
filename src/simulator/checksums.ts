/** Proof of what survived: a checksum of every disk and every disk inside an archive. */
import type { FederationState } from "./state";
import { diskChecksum } from "./volumes";
import { volnameOfKey } from "./volumes/names";

export interface DiskChecksum {
  /** The place where the bytes are; several clusters and storage ids may show it. */
  backend: string;
  volname: string;
  /** Inside an archive: the drive key. */
  drive?: string;
  vmid: number;
  sizeBytes: number;
  /** Blocks that are not zero. */
  blockCount: number;
  /** sha256 over (block index, content id); blocks of zeros do not count. */
  sha256: string;
  /** Every id under which a cluster's storages show the volume. */
  volids: { cluster: string; volid: string }[];
}

export function listChecksums(state: FederationState): DiskChecksum[] {
  const found: DiskChecksum[] = [];
  for (const backend of Object.values(state.backends)) {
    for (const [key, volume] of Object.entries(backend.volumes)) {
      const common = { backend: backend.id, volname: key, vmid: volume.vmid, volids: volidsOf(state, backend.id, key) };
      const disks = volume.archive ? Object.entries(volume.archive.disks) : [[undefined, volume] as const];
      for (const [drive, disk] of disks) {
        found.push({
          ...common,
          ...(drive === undefined ? {} : { drive }),
          sizeBytes: disk.sizeBytes,
          blockCount: Object.keys(disk.blocks).length,
          sha256: diskChecksum(disk.blocks),
        });
      }
    }
  }
  return found;
}

function volidsOf(state: FederationState, backendId: string, key: string): { cluster: string; volid: string }[] {
  const volume = state.backends[backendId]?.volumes[key];
  if (!volume) return [];
  return Object.values(state.clusters).flatMap((cluster) =>
    Object.values(cluster.storages)
      .filter((storage) => Object.values(storage.backends).includes(backendId))
      .flatMap((storage) => {
        const volname = volnameOfKey(storage, key, volume);
        return volname === undefined ? [] : [{ cluster: cluster.id, volid: `${storage.storage}:${volname}` }];
      }),
  );
}
