/** Names that must be unique in their list. */
import type { Findings } from "../findings";
import type { Path } from "../position";
import type { CheckInput } from "./input";

export function checkDuplicates({ file, findings }: CheckInput): void {
  const clusters = file.clusters ?? [];
  const at = (section: string, key: string) => (index: number) => [section, index, key];
  unique(
    findings,
    "cluster id",
    clusters.map((cluster) => cluster.id),
    at("clusters", "id"),
  );
  // Kubernetes knows a cluster only by its region: two clusters in one would mix their volumes.
  unique(
    findings,
    "region",
    clusters.map((cluster) => cluster.region ?? cluster.id),
    (index) => ["clusters", index, clusters[index]?.region === undefined ? "id" : "region"],
  );
  for (const [index, cluster] of clusters.entries()) {
    const inCluster = (list: Path, key: string) => (item: number) => ["clusters", index, ...list, item, key];
    unique(
      findings,
      "node",
      cluster.nodes?.map(({ name }) => name),
      inCluster(["nodes"], "name"),
    );
    unique(
      findings,
      "storage backend",
      cluster.storage?.backends?.map(({ name }) => name),
      inCluster(["storage", "backends"], "name"),
    );
    for (const key of ["cross_connects", "cross_connect"] as const) {
      unique(
        findings,
        "link to",
        cluster.network?.[key]?.map((link) => link.target_cluster),
        inCluster(["network", key], "target_cluster"),
      );
    }
    unique(findings, "bridge", cluster.network?.bridges, (item) => ["clusters", index, "network", "bridges", item]);
  }
  unique(
    findings,
    "pool",
    file.resource_pools?.map(({ name }) => name),
    at("resource_pools", "name"),
  );
  for (const [index, pool] of (file.resource_pools ?? []).entries()) {
    unique(findings, "member cluster", pool.clusters, (item) => ["resource_pools", index, "clusters", item]);
  }
  unique(
    findings,
    "backup store",
    file.backup_stores?.map(({ name }) => name),
    at("backup_stores", "name"),
  );
  unique(findings, "cluster", file.federation?.failover_priority, (item) => ["federation", "failover_priority", item]);
  unique(
    findings,
    "path",
    file.migration_policies?.paths?.map((path) => `${path.source_cluster} → ${path.target_cluster}`),
    (item) => ["migration_policies", "paths", item, "source_cluster"],
  );
}

function unique(
  findings: Findings,
  noun: string,
  names: readonly (string | undefined)[] | undefined,
  pathOf: (index: number) => Path,
): void {
  const seen = new Set<string>();
  for (const [index, name] of (names ?? []).entries()) {
    if (name === undefined) continue;
    if (seen.has(name)) findings.error(pathOf(index), `${noun} \`${name}\` appears twice`, "Keep one of them or rename it.");
    seen.add(name);
  }
}
