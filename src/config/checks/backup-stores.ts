/** Backup stores: what each cluster reaches and under which storage id. */
import { checkCredentials } from "./connections";
import type { CheckInput } from "./input";

export function checkBackupStores(input: CheckInput): void {
  const { file, findings } = input;
  for (const [index, store] of (file.backup_stores ?? []).entries()) {
    const path = ["backup_stores", index, "storages"];
    const clusters = Object.keys(store.storages);
    if (store.api !== undefined) checkApi(input, index);
    if (clusters.length === 0) findings.error(path, "no cluster reaches this store", "Add clusterId: storageId.", "key");
    // One with an API of its own can be synced with another site's.
    if (clusters.length === 1 && store.api === undefined) {
      findings.warning(
        path,
        `only cluster \`${clusters[0]}\` reaches this store: nothing can move through it`,
        "Add the storage ids of the other clusters.",
        "key",
      );
    }
    for (const [id, access] of Object.entries(store.storages)) {
      if (typeof access === "string") continue;
      for (const source of Object.keys(access.from ?? {})) {
        const at = [...path, id, "from", source];
        if (source === id) findings.error(at, "a cluster reads its own archives under `storage`", "Remove this line.", "key");
        // A synced store holds archives that somebody else wrote.
        else if (!clusters.includes(source) && store.api === undefined)
          findings.unresolved(
            at,
            `cluster \`${source}\` does not write to this store`,
            `Add it to \`storages\` of \`${store.name}\`.`,
            "key",
          );
      }
    }
  }
}

function checkApi(input: CheckInput, index: number): void {
  const { file, findings } = input;
  const store = file.backup_stores?.[index];
  const path = ["backup_stores", index, "api"];
  if (store?.type !== "pbs") findings.error(path, `a store of type ${store?.type} has no API`, "Remove `api`, or set `type: pbs`.", "key");
  checkCredentials(input, path);
  if (store?.api?.verify_ssl !== false) return;
  if (store.api.fingerprint !== undefined) {
    findings.warning(
      [...path, "verify_ssl"],
      "`verify_ssl: false` is ignored, because a `fingerprint` is given and is checked",
      "Remove verify_ssl.",
    );
    return;
  }
  findings.warning(
    [...path, "verify_ssl"],
    `THE CERTIFICATE OF BACKUP STORE \`${store.name}\` IS NOT VERIFIED: whoever answers at this address receives the credentials and can read and delete backups`,
    "Set `fingerprint` (shown by `proxmox-backup-manager cert info`) or `ca_file` instead.",
  );
}
