/** Ids of clusters that must exist. */
import type { Findings } from "../findings";
import { didYouMean } from "../nearest";
import type { Path } from "../position";
import type { PlacementPolicyFile } from "../schema/pool";
import type { CheckInput } from "./input";

export function checkReferences({ file, findings, clusterIds }: CheckInput): void {
  const known = new Set(clusterIds);
  const refer = (path: Path, id: string | undefined, at: "key" | "value" = "value"): void => {
    if (id !== undefined && !known.has(id))
      findings.unresolved(path, `no cluster has the id \`${id}\``, suggestCluster(id, clusterIds), at);
  };

  refer(["federation", "primary_cluster"], file.federation?.primary_cluster);
  for (const [index, id] of (file.federation?.failover_priority ?? []).entries()) refer(["federation", "failover_priority", index], id);

  for (const [index, cluster] of (file.clusters ?? []).entries()) {
    const own = cluster.id ?? cluster.region;
    const referOther = (path: Path, id: string): void => {
      refer(path, id);
      if (id === own) findings.error(path, `cluster \`${id}\` refers to itself`, "Name another cluster.");
    };
    for (const key of ["cross_connects", "cross_connect"] as const) {
      for (const [item, link] of (cluster.network?.[key] ?? []).entries())
        referOther(["clusters", index, "network", key, item, "target_cluster"], link.target_cluster);
    }
    for (const [item, target] of (cluster.storage?.replication_targets ?? []).entries()) {
      const path = ["clusters", index, "storage", "replication_targets", item];
      referOther([...path, "target_cluster"], target.target_cluster);
      checkTargetStorage(file, findings, [...path, "target_storage"], target);
    }
  }

  for (const [index, pool] of (file.resource_pools ?? []).entries()) {
    for (const [item, id] of pool.clusters.entries()) refer(["resource_pools", index, "clusters", item], id);
    for (const [id, at] of weightsOf(pool.placement_policy)) {
      const path = ["resource_pools", index, "placement_policy", ...at];
      refer(path, id, "key");
      if (known.has(id) && !pool.clusters.includes(id))
        findings.warning(
          path,
          `cluster \`${id}\` has a weight, but is no member of the pool`,
          "Add it to `clusters` or remove the weight.",
          "key",
        );
    }
  }
  for (const [id, at] of weightsOf(file.placement_policy)) refer(["placement_policy", ...at], id, "key");

  for (const [index, path] of (file.migration_policies?.paths ?? []).entries()) {
    const at = ["migration_policies", "paths", index];
    refer([...at, "source_cluster"], path.source_cluster);
    refer([...at, "target_cluster"], path.target_cluster);
    if (path.source_cluster === path.target_cluster)
      findings.error([...at, "target_cluster"], "source and target are the same cluster", "Moves inside a cluster need no path.");
  }

  for (const [index, store] of (file.backup_stores ?? []).entries()) {
    refer(["backup_stores", index, "site"], store.site);
    for (const [id, access] of Object.entries(store.storages)) {
      refer(["backup_stores", index, "storages", id], id, "key");
      if (typeof access === "string") continue;
      for (const source of Object.keys(access.from ?? {})) refer(["backup_stores", index, "storages", id, "from", source], source, "key");
    }
  }
}

/** Every cluster a policy gives a weight, at all times or in the hours of a window. */
function weightsOf(policy: PlacementPolicyFile | undefined): [id: string, at: Path][] {
  const always = Object.keys(policy?.cluster_weights ?? {}).map((id): [string, Path] => [id, ["cluster_weights", id]]);
  const scheduled = (policy?.schedule ?? []).flatMap((entry, index) =>
    Object.keys(entry.cluster_weights ?? {}).map((id): [string, Path] => [id, ["schedule", index, "cluster_weights", id]]),
  );
  return [...always, ...scheduled];
}

export function suggestCluster(id: string, clusterIds: readonly string[]): string {
  return didYouMean(id, clusterIds) ?? (clusterIds.length > 0 ? `Declared: ${clusterIds.join(", ")}.` : "No cluster is declared.");
}

function checkTargetStorage(
  file: CheckInput["file"],
  findings: Findings,
  path: Path,
  target: { target_cluster: string; target_storage: string },
): void {
  const storage = file.clusters?.find((cluster) => (cluster.id ?? cluster.region) === target.target_cluster)?.storage;
  const declared = storage?.backends?.map(({ name }) => name);
  if (!declared || declared.length === 0 || declared.includes(target.target_storage)) return;
  const suggestion = didYouMean(target.target_storage, declared) ?? `Declared there: ${declared.join(", ")}.`;
  findings.unresolved(path, `cluster \`${target.target_cluster}\` has no backend \`${target.target_storage}\``, suggestion);
}
