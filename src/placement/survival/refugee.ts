import type { GuestFacts, Placement, PlacementRequest } from "../model";
import { cpuMilli } from "../node-state";
import { wholeNonNegative } from "../numbers";
import type { NodeState, StorageState } from "../world";

/** A guest that has to find room elsewhere when the place it is on is lost. */
export interface Refugee {
  /** Its key, or its place and vmid where it has none. */
  id: string;
  name: string;
  cpuMilli: number;
  memoryMiB: number;
  /** As far as they are known. */
  disks: readonly RefugeeDisk[];
  /** Clusters of its pool. */
  clusters: readonly string[];
}

interface RefugeeDisk {
  /** Where it is now. */
  storage?: string;
  storageClass: string;
  bytes: number;
}

export function refugeeOfGuest(guest: GuestFacts, node: NodeState, clusters: readonly string[]): Refugee {
  const known = guest.disks?.map(({ storage, sizeBytes }) => ({
    storage,
    storageClass: classOf(node, storage),
    bytes: wholeNonNegative(sizeBytes),
  }));
  return {
    id: guest.key ?? `${node.key} vm ${guest.vmid}`,
    name: guest.name ?? `vm ${guest.vmid}`,
    cpuMilli: cpuMilli(guest.cores),
    memoryMiB: wholeNonNegative(guest.memoryMiB),
    // Of disks that are not listed one by one only the sum is known, and not on which storage they are.
    disks: known ?? [{ storageClass: "", bytes: wholeNonNegative(guest.diskBytes) }],
    clusters,
  };
}

export function refugeeOfRequest(request: PlacementRequest, storages: Placement["storages"], clusters: readonly string[]): Refugee {
  return {
    id: request.key,
    name: request.name,
    cpuMilli: cpuMilli(request.cores),
    memoryMiB: wholeNonNegative(request.memoryMiB),
    disks: request.disks.map(({ storageClass, sizeBytes }, index) => ({
      storage: storages[index],
      storageClass,
      bytes: wholeNonNegative(sizeBytes),
    })),
    clusters,
  };
}

/** The class that means this storage there; the default where none does. */
function classOf(node: NodeState, storage: string): string {
  const entries = Object.entries(node.cluster.facts.storageClasses);
  return entries.find(([, id]) => id === storage)?.[0] ?? "";
}

/** Bytes per storage; `undefined` where a disk has no storage to go to. */
export type StorageDemand = ReadonlyMap<StorageState, number> | undefined;

/** After the loss of its node: a shared storage is still there, a local disk needs room on the storage of that name. */
export function demandAfterNodeLoss({ disks }: Refugee, lost: NodeState, target: NodeState): StorageDemand {
  return demandOf(disks, ({ storage }) => {
    if (storage === undefined) return "none";
    const before = lost.storages.get(storage);
    return before === undefined || before.facts.shared ? "none" : target.storages.get(storage);
  });
}

/** After the loss of its cluster: every disk needs room on what its class means at the target. */
export function demandAfterClusterLoss({ disks }: Refugee, target: NodeState): StorageDemand {
  const classes = target.cluster.facts.storageClasses;
  return demandOf(disks, ({ storageClass }) =>
    Object.hasOwn(classes, storageClass) ? target.storages.get(classes[storageClass] ?? "") : undefined,
  );
}

function demandOf(disks: readonly RefugeeDisk[], storageFor: (disk: RefugeeDisk) => StorageState | undefined | "none"): StorageDemand {
  const demand = new Map<StorageState, number>();
  for (const disk of disks) {
    if (disk.bytes === 0) continue;
    const storage = storageFor(disk);
    if (storage === "none") continue;
    if (storage === undefined) return undefined;
    demand.set(storage, (demand.get(storage) ?? 0) + disk.bytes);
  }
  return demand;
}
