/** Where on a Proxmox Backup Server a cluster's storage is. Pure. */
import type { BackupLocation, StorageDefinition } from "../proxmox";

/** Datastore and namespace that a storage of type pbs stands for; `undefined` for other types. */
export function locationOf({ type, raw }: StorageDefinition): BackupLocation | undefined {
  if (type !== "pbs" || typeof raw.datastore !== "string") return undefined;
  return { datastore: raw.datastore, namespace: typeof raw.namespace === "string" ? raw.namespace : "" };
}
