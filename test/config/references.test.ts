import { describe, expect, test } from "vitest";
import { complete, errors } from "./sound-file";

describe("names and references", () => {
  const pool = (text: string): string =>
    complete({ rest: `resource_pools: [{ name: p, clusters: [a, b], placement_policy: { ${text} } }]` });
  test.each<[name: string, text: string, expected: string]>([
    [
      "cluster without id",
      complete({}).replace("id: b, ", ""),
      "6 {: clusters[1]: the cluster has neither `id` nor `region`. Give it a unique `id`.",
    ],
    [
      "cluster id twice",
      complete({}).replace("id: b", "id: a, region: z"),
      "6 a: clusters[1].id: cluster id `a` appears twice. Keep one of them or rename it.",
    ],
    ["region twice", complete({ cluster: "region: b" }), "6 b: clusters[1].id: region `b` appears twice. Keep one of them or rename it."],
    [
      "node twice",
      complete({ cluster: "nodes: [{ name: n1 }, { name: n1 }]" }),
      "5 n1: clusters[0].nodes[1].name: node `n1` appears twice. Keep one of them or rename it.",
    ],
    [
      "pool twice",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a] }, { name: p, clusters: [b] }]" }),
      "7 p: resource_pools[1].name: pool `p` appears twice. Keep one of them or rename it.",
    ],
    [
      "member twice",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a, a] }]" }),
      "7 a: resource_pools[0].clusters[1]: member cluster `a` appears twice. Keep one of them or rename it.",
    ],
    [
      "path twice",
      complete({
        rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b, method: offline }, { source_cluster: a, target_cluster: b, method: storage }] }",
      }),
      "7 a: migration_policies.paths[1].source_cluster: path `a → b` appears twice. Keep one of them or rename it.",
    ],
    [
      "both spellings",
      complete({ cluster: "network: { cross_connects: [], cross_connect: [] }" }),
      "5 cross_connect: clusters[0].network.cross_connect: `cross_connect` and `cross_connects` are two spellings of one list. Keep `cross_connects`.",
    ],
    [
      "two names",
      complete({ rest: "federation: { name: other }" }),
      "7 other: federation.name: the federation is named `acme` at the top and `other` here. Keep one of them.",
    ],
    [
      "pool member",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a, c] }]" }),
      "7 c: resource_pools[0].clusters[1]: no cluster has the id `c`. Declared: a, b.",
    ],
    [
      "primary cluster",
      complete({ rest: "federation: { primary_cluster: main-site }" }),
      "7 main-site: federation.primary_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "failover",
      complete({ rest: "federation: { failover_priority: [a, main-site] }" }),
      "7 main-site: federation.failover_priority[1]: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "weight",
      pool("cluster_weights: { main-site: 5 }"),
      "7 main-site: resource_pools[0].placement_policy.cluster_weights.main-site: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "cross-connect",
      complete({ cluster: "network: { cross_connects: [{ target_cluster: main-site }] }" }),
      "5 main-site: clusters[0].network.cross_connects[0].target_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "cross-connect to itself",
      complete({ cluster: "network: { cross_connects: [{ target_cluster: a }] }" }),
      "5 a: clusters[0].network.cross_connects[0].target_cluster: cluster `a` refers to itself. Name another cluster.",
    ],
    [
      "replication",
      complete({ cluster: "storage: { replication_targets: [{ target_cluster: main-site, target_storage: s1, schedule: daily }] }" }),
      "5 main-site: clusters[0].storage.replication_targets[0].target_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "the site of a store",
      complete({ rest: "backup_stores: [{ name: nas, type: nfs, storages: { a: nas, b: nas }, site: main-site }]" }),
      "7 main-site: backup_stores[0].site: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "migration path",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: main-site, method: offline }] }" }),
      "7 main-site: migration_policies.paths[0].target_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "migration path to itself",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: a, method: offline }] }" }),
      "7 a: migration_policies.paths[0].target_cluster: source and target are the same cluster. Moves inside a cluster need no path.",
    ],
    [
      "backup store",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b, backup_store: vault }] }" }),
      "7 vault: migration_policies.paths[0].backup_store: no backup store is named `vault`. Declare it in `backup_stores`.",
    ],
    [
      "cluster of a backup store",
      complete({ rest: "backup_stores: [{ name: s, type: nfs, storages: { a: s1, c: s1 } }]" }),
      "7 c: backup_stores[0].storages.c: no cluster has the id `c`. Declared: a, b.",
    ],
    [
      "source of a backup store",
      complete({ rest: "backup_stores: [{ name: s, type: nfs, storages: { a: s1, b: { storage: s1, from: { b: s2 } } } }]" }),
      "7 b: backup_stores[0].storages.b.from.b: a cluster reads its own archives under `storage`. Remove this line.",
    ],
    [
      "rule's cluster",
      pool("rules: [{ type: affinity, target: cluster, operator: should, value: main-site }]"),
      "7 main-site: resource_pools[0].placement_policy.rules[0].value: no cluster has the id or tag `main-site`. Declared: a, b.",
    ],
    [
      "rule's tier",
      pool("rules: [{ type: affinity, target: tier, operator: should, value: primry }]"),
      '7 primry: resource_pools[0].placement_policy.rules[0].value: "primry" is not one of primary, secondary, edge. Did you mean `primary`?',
    ],
  ])("%s", (_name, text, expected) => {
    expect(errors(text)).toEqual([expected]);
  });

  test("a cluster with a mistake of its own still exists for those who refer to it", () => {
    const text = complete({ cluster: "tier: primry", rest: "resource_pools: [{ name: p, clusters: [a, x1] }]" });
    expect(errors(text)).toEqual([
      expect.stringMatching(/^5 primry: clusters\[0\]\.tier: "primry"/),
      expect.stringMatching(/^7 x1: resource_pools\[0\]\.clusters\[1\]: no cluster has the id `x1`/),
    ]);
  });

  test("mistakes of all layers come out in one run, each at its own place", () => {
    const text = complete({
      cluster: "nodes: [{ cores: 4 }, { name: n2, memory: 4G }, { name: n3 }, { name: n3 }]",
      rest: "resource_pools: [{ clusters: [zz1] }, { name: p, clusters: [a], limits: { max_vms: x } }, { name: p, clusters: [zz2] }]",
    });
    expect(errors(text).map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      "5 {: clusters[0].nodes[0].name:",
      "5 4G: clusters[0].nodes[1].memory:",
      "5 n3: clusters[0].nodes[3].name:",
      "7 {: resource_pools[0].name:",
      "7 x: resource_pools[1].limits.max_vms:",
      "7 p: resource_pools[2].name:",
      "7 zz2: resource_pools[2].clusters[0]:",
    ]);
  });
});
