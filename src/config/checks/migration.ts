/** Migration paths: a store both ends reach, and transfers that can be encrypted. */
import { didYouMean } from "../nearest";
import type { Path } from "../position";
import type { BackupStoreFile, MigrationPathFile } from "../schema/migration";
import { type SyncableStore, type SyncedPair, syncedPairs, toSyncable } from "../synced-stores";
import type { CheckInput } from "./input";

export function checkMigration(input: CheckInput): void {
  const policies = input.file.migration_policies;
  for (const [index, path] of (policies?.paths ?? []).entries()) {
    const method = path.method ?? policies?.default_method ?? "backup-restore";
    checkStore(input, ["migration_policies", "paths", index], path, method === "backup-restore");
  }
}

function checkStore({ file, findings }: CheckInput, at: Path, path: MigrationPathFile, usesStore: boolean): void {
  const stores = file.backup_stores ?? [];
  if (path.backup_store !== undefined) {
    if (!usesStore) findings.warning([...at, "backup_store"], "only backup-restore uses a backup store", "Remove it.", "key");
    const store = stores.find(({ name }) => name === path.backup_store);
    const synced = pairsOf(stores, path).find(({ from, to }) => from.name === path.backup_store || to.name === path.backup_store);
    if (synced) return;
    if (store) checkReach(findings, at, path, store);
    else {
      const names = stores.map(({ name }) => name);
      findings.unresolved(
        [...at, "backup_store"],
        `no backup store is named \`${path.backup_store}\``,
        didYouMean(path.backup_store, names) ?? (names.length > 0 ? `Declared: ${names.join(", ")}.` : "Declare it in `backup_stores`."),
      );
    }
    return;
  }
  if (!usesStore || findings.kind === "template") return;
  const shared = stores.filter(
    (store) => Object.hasOwn(store.storages, path.source_cluster) && Object.hasOwn(store.storages, path.target_cluster),
  );
  if (shared.length === 0) checkSynced(findings, at, path, pairsOf(stores, path));
  else if (shared.length > 1) {
    findings.warning(
      at,
      `both clusters reach ${shared.map(({ name }) => `\`${name}\``).join(" and ")}: such a move will be refused`,
      "Choose one with `backup_store`.",
    );
  } else if (path.encryption_required) warnUnencrypted(findings, at, shared[0]!);
}

/** Without a shared store: sites with a backup server each, of which one pulls from the other. */
function checkSynced(
  findings: CheckInput["findings"],
  at: Path,
  { source_cluster: source, target_cluster: target }: MigrationPathFile,
  pairs: SyncedPair<SyncableStore>[],
): void {
  if (pairs.length === 1) return;
  if (pairs.length === 0)
    findings.warning(
      at,
      `no backup store is reached by both \`${source}\` and \`${target}\`: such a move will be refused`,
      `Declare one in \`backup_stores\`, or let the Proxmox Backup Server of \`${target}\` pull from that of \`${source}\`: give its store an \`api\`, and \`storages.${target}.from.${source}\`.`,
    );
  else
    findings.warning(
      at,
      `archives of \`${source}\` come to \`${target}\` by ${pairs.map(({ from, to }) => `\`${from.name}\` and \`${to.name}\``).join(", by ")}: such a move will be refused`,
      "Choose one with `backup_store`.",
    );
}

function pairsOf(stores: readonly BackupStoreFile[], { source_cluster, target_cluster }: MigrationPathFile) {
  return syncedPairs(toSyncable(stores), source_cluster, target_cluster);
}

function checkReach(findings: CheckInput["findings"], at: Path, path: MigrationPathFile, store: BackupStoreFile): void {
  for (const cluster of [path.source_cluster, path.target_cluster]) {
    if (Object.hasOwn(store.storages, cluster)) continue;
    findings.unresolved(
      [...at, "backup_store"],
      `cluster \`${cluster}\` does not reach backup store \`${store.name}\``,
      `Add its storage id to \`storages\` of \`${store.name}\`.`,
    );
  }
  if (path.encryption_required) warnUnencrypted(findings, at, store);
}

function warnUnencrypted(findings: CheckInput["findings"], at: Path, store: BackupStoreFile): void {
  if (store.type === "pbs") return;
  findings.warning(
    [...at, "encryption_required"],
    `archives on store \`${store.name}\` (${store.type}) are not encrypted by Proxmox`,
    "Use a Proxmox Backup Server with a client key, or encrypt storage and network below it.",
    "key",
  );
}
