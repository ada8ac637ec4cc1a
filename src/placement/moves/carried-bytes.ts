import { bytesToMove } from "../many/placement-run";
import type { Placement, PlacementRequest } from "../model";
import { wholeNonNegative } from "../numbers";
import type { World } from "../world";

const BYTES_PER_MIB = 2 ** 20;

/** What a move makes travel. */
export interface CarriedBytes {
  /** Between clusters: all disks. The guest is down for some of it. */
  linkBytes: number;
  /** Inside a cluster, while the guest runs: its memory, and disks that leave the storage they are on. */
  localBytes: number;
}

/** Bytes from one place to another; nothing for a guest that stays where it is. */
export function carriedBytes(request: PlacementRequest, from: Placement, to: Placement, world: World): CarriedBytes {
  if (from.cluster !== to.cluster) return { linkBytes: bytesToMove(request), localBytes: 0 };
  const isElsewhere = from.node !== to.node;
  let localBytes = isElsewhere ? wholeNonNegative(request.memoryMiB) * BYTES_PER_MIB : 0;
  const source = world.clusterById.get(from.cluster)?.nodeByName.get(from.node);
  request.disks.forEach(({ sizeBytes }, index) => {
    const before = from.storages[index] ?? to.storages[index] ?? "";
    const isLocal = isElsewhere && source?.storages.get(before)?.facts.shared === false;
    if (isLocal || before !== to.storages[index]) localBytes += wholeNonNegative(sizeBytes);
  });
  return { linkBytes: 0, localBytes };
}
