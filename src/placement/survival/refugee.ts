import type { GuestFacts, Placement, PlacementRequest } from "../model";
import { cpuMilli } from "../node-state";
import { wholeNonNegative } from "../numbers";
import type { NodeState, StorageState } from "../world";
import type { Profile } from "./profile";

/** A guest that has to find room elsewhere when the place it is on is lost. */
export interface Refugee {
  /** Its key, or its place and vmid where it has none. */
  id: string;
  name: string;
  cpuMilli: number;
  memoryMiB: number;
  /** As far as they are known. */
  disks: readonly RefugeeDisk[];
  profile: Profile;
}

interface RefugeeDisk {
  /** Where it is now. */
  storage?: string;
  storageClass: string;
  bytes: number;
}

/** @param asked the guest as somebody has asked for it, where that is known; amounts are those it has */
export function refugeeOfGuest(guest: GuestFacts, node: NodeState, profile: Profile, asked: PlacementRequest | undefined): Refugee {
  return {
    id: guestId(guest, node),
    name: guestName(guest),
    cpuMilli: cpuMilli(guest.cores),
    memoryMiB: wholeNonNegative(guest.memoryMiB),
    disks:
      guest.disks === undefined && asked?.prior !== undefined ? disksOfRequest(asked, asked.prior.storages) : disksOfGuest(guest, node),
    profile,
  };
}

export function refugeeOfRequest(request: PlacementRequest, storages: Placement["storages"], profile: Profile): Refugee {
  return {
    id: request.key,
    name: request.name,
    cpuMilli: cpuMilli(request.cores),
    memoryMiB: wholeNonNegative(request.memoryMiB),
    disks: disksOfRequest(request, storages),
    profile,
  };
}

export function guestId({ key, vmid }: GuestFacts, node: NodeState): string {
  return key ?? `${node.key} vm ${vmid}`;
}

export function guestName({ name, vmid }: GuestFacts): string {
  return name ?? `vm ${vmid}`;
}

function disksOfRequest({ disks }: PlacementRequest, storages: Placement["storages"]): RefugeeDisk[] {
  return disks.map(({ storageClass, sizeBytes }, index) => ({
    storage: storages[index],
    storageClass,
    bytes: wholeNonNegative(sizeBytes),
  }));
}

function disksOfGuest(guest: GuestFacts, node: NodeState): RefugeeDisk[] {
  const known = guest.disks?.map(({ storage, sizeBytes }) => ({
    storage,
    storageClass: classOf(node, storage),
    bytes: wholeNonNegative(sizeBytes),
  }));
  // Of disks that are not listed one by one only the sum is known, and not on which storage they are.
  return known ?? [{ storageClass: "", bytes: wholeNonNegative(guest.diskBytes) }];
}

/** The class that means this storage there; the default where none does. */
export function classOf(node: NodeState, storage: string): string {
  const entries = Object.entries(node.cluster.facts.storageClasses);
  return entries.find(([, id]) => id === storage)?.[0] ?? "";
}

/** Bytes per storage; `undefined` where a disk has no storage to go to. */
export type StorageDemand = ReadonlyMap<StorageState, number> | undefined;

/** After the loss of its node: a shared storage that the target sees is still there, a local disk needs room on the storage of that name. */
export function demandAfterNodeLoss({ disks }: Refugee, lost: NodeState, target: NodeState): StorageDemand {
  return demandOf(disks, ({ storage }) => {
    if (storage === undefined) return "none";
    const before = lost.storages.get(storage);
    const there = target.storages.get(storage);
    if (before === undefined) return "none";
    return before.facts.shared && there !== undefined ? "none" : there;
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
