/** Backup stores: what each cluster reaches and under which storage id. */
import type { CheckInput } from "./input";

export function checkBackupStores({ file, findings }: CheckInput): void {
  for (const [index, store] of (file.backup_stores ?? []).entries()) {
    const path = ["backup_stores", index, "storages"];
    const clusters = Object.keys(store.storages);
    if (clusters.length === 0) findings.error(path, "no cluster reaches this store", "Add clusterId: storageId.", "key");
    if (clusters.length === 1) {
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
        else if (!clusters.includes(source))
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
