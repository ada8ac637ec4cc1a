/** Proxmox restores all disks of a guest to one storage; those that belong elsewhere are moved there before the start. Pure. */
import type { GuestShape } from "./shape";

export function restoreStorage({ disks, cloudInitStorage }: GuestShape): string | undefined {
  return storageOfMostBytes(Object.values(disks)) ?? cloudInitStorage;
}

/** Where the fewest bytes are written twice; of equal ones the first by name; `undefined` without disks. */
export function storageOfMostBytes(disks: readonly { storage: string; sizeBytes?: number }[]): string | undefined {
  const bytes = new Map<string, number>();
  for (const { storage, sizeBytes = 0 } of disks) bytes.set(storage, (bytes.get(storage) ?? 0) + sizeBytes);
  return [...bytes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}
