/** Fencing of lost clusters, and stores of scheduled backups. */
import { didYouMean } from "../nearest";
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
    if (pool.replication === undefined) continue;
    const path = ["resource_pools", index, "replication", "store"];
    const stores = file.backup_stores ?? [];
    const store = stores.find(({ name }) => name === pool.replication?.store);
    const names = stores.map(({ name }) => name);
    if (!store) {
      const suggestion =
        didYouMean(pool.replication.store, names) ??
        (names.length > 0 ? `Declared: ${names.join(", ")}.` : "Declare it in `backup_stores`.");
      findings.unresolved(path, `no backup store is named \`${pool.replication.store}\``, suggestion);
      continue;
    }
    const missing = pool.clusters.filter((id) => store.storages[id] === undefined);
    if (missing.length > 0)
      findings.error(
        path,
        `store \`${store.name}\` is not reached by ${missing.map((id) => `\`${id}\``).join(", ")}, which the pool spans`,
        "Add their storage ids to the store.",
      );
  }
}
