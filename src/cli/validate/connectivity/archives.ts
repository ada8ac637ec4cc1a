/**
 * Whether two storages are one place, told by what both list: an archive's name holds vmid and second, so the same name with the
 * same length on both sides is no coincidence. Nothing is written for it: Proxmox lets nobody put a file of their own on a storage
 * that is for backups only. Pure.
 */
import type { Volume } from "../../../proxmox";

/** Cluster id → storage → its archives; storages that could not be listed are left out. */
export type ArchivesByCluster = ReadonlyMap<string, ReadonlyMap<string, readonly Volume[]>>;

export type Proof =
  | { kind: "same" }
  /** What one archive is there and here. */
  | { kind: "different"; why: string }
  /** Nothing to compare, or nothing in common: a token is shown only archives of guests it may back up. */
  | { kind: "unknown"; writtenCount: number; readCount: number };

export function compareArchives(written: readonly Volume[], read: readonly Volume[]): Proof {
  const lengths = new Map(written.map(({ volid, sizeBytes }) => [nameOf(volid), sizeBytes]));
  const common = read.flatMap(({ volid, sizeBytes }) => {
    const there = lengths.get(nameOf(volid));
    return there === undefined ? [] : [{ name: nameOf(volid), there, here: sizeBytes }];
  });
  const differing = common.find(({ there, here }) => there !== here);
  if (differing) return { kind: "different", why: `${differing.name} has ${differing.here} bytes, there ${differing.there}` };
  // Not the time: Proxmox reads it from the name by each node's own time zone.
  return common.length > 0 ? { kind: "same" } : { kind: "unknown", writtenCount: written.length, readCount: read.length };
}

function nameOf(volid: string): string {
  return volid.slice(volid.indexOf(":") + 1);
}
