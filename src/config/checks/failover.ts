/** Fencing of lost clusters, and stores of scheduled backups. */
import { didYouMean } from "../nearest";
import type { Path } from "../position";
import { copiesBetween, type ReplicationCopies, storesOfMember } from "../replication-stores";
import type { ResourcePoolFile } from "../schema/pool";
import { type SyncableStore, toSyncable } from "../synced-stores";
import type { CheckInput } from "./input";

export function checkFailover(input: CheckInput): void {
  const { file, findings } = input;
  for (const [index, cluster] of (file.clusters ?? []).entries()) {
    const path = ["clusters", index];
    if (cluster.fenced !== undefined && cluster.status !== "lost")
      findings.warning(
        [...path, "fenced"],
        "`fenced` says something only of a lost cluster",
        "Remove it now that the cluster is back.",
        "key",
      );
    if (cluster.returned !== undefined && cluster.status === "lost")
      findings.warning([...path, "returned"], "`returned` says nothing of a lost cluster", "Set it when the cluster is back.", "key");
  }
  for (const [index, pool] of (file.resource_pools ?? []).entries()) {
    const { replication } = pool;
    if (replication) checkStores(input, { ...pool, replication }, ["resource_pools", index, "replication"]);
  }
}

type BackedUpPool = ResourcePoolFile & { replication: NonNullable<ResourcePoolFile["replication"]> };

function checkStores({ file, findings }: CheckInput, { clusters, replication }: BackedUpPool, at: Path): void {
  const path = [...at, "store"];
  const stores = toSyncable(file.backup_stores ?? []);
  const names = stores.map(({ name }) => name);
  const unknown = [replication.store].flat().filter((name) => !names.includes(name));
  for (const name of unknown) {
    const suggestion = didYouMean(name, names) ?? (names.length > 0 ? `Declared: ${names.join(", ")}.` : "Declare it in `backup_stores`.");
    findings.unresolved(path, `no backup store is named \`${name}\``, suggestion);
  }
  if (unknown.length > 0) return;
  const named = [replication.store].flat().map((name) => `\`${name}\``);
  const reached = clusters.map((id) => ({ id, by: storesOfMember(replication, stores, id) }));
  const without = reached.filter(({ by }) => by.length === 0).map(({ id }) => `\`${id}\``);
  if (without.length > 0)
    findings.error(
      path,
      `${named.length === 1 ? `store ${named[0]} is not` : `none of the stores ${named.join(", ")} is`} reached by ${without.join(", ")}, which the pool spans`,
      named.length === 1 ? "Add their storage ids to the store." : "Add their storage ids to one of them.",
    );
  for (const { id, by } of reached.filter((each) => each.by.length > 1))
    findings.error(path, `\`${id}\` reaches several of the stores (${by.map(({ name }) => name).join(", ")})`, "Name one for each member.");
  if (replication.sync && without.length === 0) checkSync(findings, copiesBetween(replication, stores, clusters), [...at, "sync"]);
}

function checkSync(findings: CheckInput["findings"], { ways, missing }: ReplicationCopies<SyncableStore>, path: Path): void {
  for (const { source, target } of missing)
    findings.error(
      path,
      `the backup server of \`${target}\` cannot pull from that of \`${source}\``,
      `Give the store of \`${target}\` (type pbs) an \`api\`, and \`storages.${target}.from.${source}\`: the storage under which it sees what has come from there.`,
      "key",
    );
  if (ways.length + missing.length === 0)
    findings.warning(path, "every member sees the backups of the others already", "Remove `sync`.", "key");
}
