/** Proxmox restores all disks of a guest to one storage; those that belong elsewhere are moved there before the start. Pure. */
import type { GuestShape } from "./shape";

/** The one that most bytes belong to, so that the fewest are written twice; `undefined` without disks. */
export function restoreStorage({ disks, cloudInitStorage }: GuestShape): string | undefined {
  const bytes = new Map<string, number>();
  for (const { storage, sizeBytes } of Object.values(disks)) bytes.set(storage, (bytes.get(storage) ?? 0) + sizeBytes);
  const [most] = [...bytes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return most?.[0] ?? cloudInitStorage;
}
