/** A guest writing to its own disk, ordered through the admin API. */
import { createHash } from "node:crypto";
import type { ClusterState, GuestState, VolumeState } from "./state";
import { writeBlocks } from "./volumes";
import { getVolume } from "./volumes/volumes";
import type { SimulatorWorld } from "./world";

export interface GuestWrite {
  /** Drive key, `scsi0`. */
  disk: string;
  /** How many blocks from the first on, or which. */
  blocks: number | number[];
  /** Other seed, other contents. */
  seed: number;
  /** Write even though the guest does not run: as a broken fence or an outside tool would. */
  force?: boolean;
}

/** Writes and returns the volume. Throws when the guest does not run or has no such disk. */
export function writeToDisk(world: SimulatorWorld, cluster: ClusterState, guest: GuestState, write: GuestWrite): VolumeState {
  if (!guest.running && !write.force) throw new Error(`VM ${guest.vmid} does not run; 'force' writes all the same`);
  const drive = (guest.runningConfig ?? guest.config)[write.disk] ?? guest.config[write.disk];
  if (drive === undefined) throw new Error(`VM ${guest.vmid} has no disk '${write.disk}'`);
  const volid = drive.split(",")[0] ?? "";
  const { volume } = getVolume({ world, cluster, node: guest.node }, volid);
  const indexes = typeof write.blocks === "number" ? Array.from({ length: write.blocks }, (_, index) => index) : write.blocks;
  const last = Math.ceil(volume.sizeBytes / world.blockBytes) - 1;
  const outside = indexes.find((index) => !Number.isInteger(index) || index < 0 || index > last);
  if (outside !== undefined) throw new Error(`'${volid}' has blocks 0 to ${last}, not ${outside}`);
  writeBlocks(
    volume,
    indexes,
    indexes.map((index) => contentId(`${cluster.id}:${volid}:${write.seed}:${index}`)),
  );
  world.event("guest-wrote", { cluster: cluster.id, vmid: guest.vmid, volid, blocks: indexes.length });
  world.touch();
  return volume;
}

function contentId(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
