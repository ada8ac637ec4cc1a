/** How many protected archives a guest may have on a storage. */
import type { BackendState, Call, StorageState } from "../kernel";
import { fail } from "./calls";
import { volnameOfKey } from "./names";

/** -1 = unlimited. Without `max-protected-backups`: 5 for callers without Datastore.Allocate. */
export function maxProtectedBackups(call: Call, storage: StorageState): number {
  const configured = storage.options["max-protected-backups"];
  if (configured !== undefined) return Number(configured);
  return call.hasPrivilege(`/storage/${storage.storage}`, "Datastore.Allocate") ? -1 : 5;
}

/** Throws when one more protected archive would be too many. */
export function requireProtectedSlot(call: Call, storage: StorageState, backend: BackendState, vmid: number): void {
  const limit = maxProtectedBackups(call, storage);
  const count = Object.entries(backend.volumes).filter(
    ([key, volume]) =>
      volume.content === "backup" && volume.vmid === vmid && volume.protected && volnameOfKey(storage, key, volume) !== undefined,
  ).length;
  if (limit >= 0 && count >= limit)
    fail(`The number of protected backups per guest is limited to ${limit} on storage '${storage.storage}'`);
}
