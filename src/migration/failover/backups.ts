/** Backups of a guest whose cluster cannot be asked: found in the store, as another cluster sees it, by the mark inside them. */
import type { BackupStore } from "../../config";
import { type GuestConfig, isProxmoxError, type ProxmoxApi, type Volume } from "../../proxmox";
import { type Identity, type Mark, parseDescription, sameIdentity } from "../mark";
import { parseArchivedConfig } from "./archived-config";

/** A backup of the guest, with what it says about itself. */
export interface GuestBackup {
  store: string;
  /** As the cluster that was asked sees it. */
  volume: Volume & { vmid: number; createdAtSeconds: number };
  config: GuestConfig;
  mark: Mark;
}

/** Where one cluster sees the archives of another. Pure. */
export function storagesWithArchivesOf(stores: readonly BackupStore[], lost: string, reader: string): { store: string; storage: string }[] {
  return stores.flatMap((store) => {
    const access = store.access[reader];
    if (!access) return [];
    const storage = access.readAs[lost] ?? (store.access[lost] ? access.storage : undefined);
    return storage === undefined ? [] : [{ store: store.name, storage }];
  });
}

/**
 * The newest backup with the mark of that identity.
 * @param vmid of the guest on its cluster; without it every guest's newest backups are looked into
 * @param accepts which of the guest's backups will do
 * @throws Error when a newer one may be among those that cannot be read: nobody is given an older state unasked
 */
export async function findNewestBackup(
  reader: { api: ProxmoxApi; node: string },
  places: readonly { store: string; storage: string }[],
  identity: Identity,
  vmid: number | undefined,
  accepts: (backup: GuestBackup) => boolean = () => true,
): Promise<GuestBackup | undefined> {
  const { api, node } = reader;
  const candidates: Pick<GuestBackup, "store" | "volume">[] = [];
  for (const { store, storage } of places)
    for (const volume of await api.storage.listContent(node, storage, { content: "backup", ...(vmid === undefined ? {} : { vmid }) }))
      if (isGuestBackup(volume) && (vmid === undefined || volume.vmid === vmid)) candidates.push({ store, volume });
  candidates.sort((a, b) => b.volume.createdAtSeconds - a.volume.createdAtSeconds || (a.volume.volid < b.volume.volid ? -1 : 1));
  const foreign = new Set<number>();
  /** By vmid, the newest of each. */
  const unreadable = new Map<number, Error>();
  for (const { store, volume } of candidates) {
    // Without a vmid: one look per guest tells whose backups these are. With it two guests may have had the id in turn.
    if (vmid === undefined && foreign.has(volume.vmid)) continue;
    const text = await api.backup.extractConfig(node, volume.volid).catch((error: unknown) => {
      if (!isProxmoxError(error, "REFUSED")) throw error;
      if (!unreadable.has(volume.vmid)) unreadable.set(volume.vmid, unreadableError(api, volume, error));
    });
    if (text === undefined) continue;
    const config = parseArchivedConfig(text);
    const { mark } = parseDescription(config.values.description);
    if (!mark || !sameIdentity(mark, identity)) {
      foreign.add(volume.vmid);
      continue;
    }
    const newer = unreadable.get(volume.vmid);
    if (newer) throw newer;
    const backup = { store, volume, config, mark };
    if (accepts(backup)) return backup;
  }
  for (const error of unreadable.values()) throw error;
  return undefined;
}

function unreadableError(api: ProxmoxApi, { volid, createdAtSeconds }: GuestBackup["volume"], cause: Error): Error {
  const made = new Date(createdAtSeconds * 1000).toISOString();
  return new Error(
    `backup ${volid} of ${made} cannot be read on ${api.clusterId}: ${cause.message} An encrypted one needs its key in the storage definition there; one that is still being written has to be waited for; one that was never finished has to be removed from the store by hand, and an older one is taken then`,
    { cause },
  );
}

function isGuestBackup(volume: Volume): volume is GuestBackup["volume"] {
  return volume.vmid !== undefined && volume.createdAtSeconds !== undefined && !/(?:vzdump-lxc-|backup\/ct\/)/.test(volume.volid);
}
