import { describe, expect, test } from "vitest";
import { complete, errors, findings, warnings } from "./sound-file";

describe("rules", () => {
  const rules = (...list: string[]): string =>
    complete({ rest: `resource_pools: [{ name: p, clusters: [a, b], placement_policy: { rules: [${list.join(", ")}] } }]` });
  test.each<[name: string, text: string, expected: RegExp]>([
    [
      "anti-affinity with must_not",
      rules("{ type: anti-affinity, target: tag, operator: must_not, value: db }"),
      /rules\[0\]\.operator: `anti-affinity` with `must_not` negates twice\. To keep guests apart write anti-affinity with `must`; to keep them together write affinity with `must`\./,
    ],
    [
      "anti-affinity with should_not",
      rules("{ type: anti-affinity, target: tag, operator: should_not, value: db }"),
      /rules\[0\]\.operator: `anti-affinity` with `should_not` negates twice/,
    ],
    [
      "must against must_not",
      rules("{ type: affinity, target: node, operator: must, value: n }", "{ type: affinity, target: node, operator: must_not, value: n }"),
      /rules\[1\]\.operator: `must_not` contradicts the rule above with `must` for node `n`/,
    ],
    [
      "two musts",
      rules(
        "{ type: affinity, target: cluster, operator: must, value: a }",
        "{ type: affinity, target: cluster, operator: must, value: b }",
      ),
      /rules\[1\]\.value: a guest cannot be bound to cluster `a` and `b` at once/,
    ],
    [
      "must that no member meets",
      rules("{ type: affinity, target: tier, operator: must, value: edge }"),
      /rules\[0\]\.value: no member of pool `p` has the tier `edge`: nothing could ever be placed/,
    ],
    [
      "must of the file's policy that a pool without its own cannot meet",
      complete({
        rest: "resource_pools: [{ name: p, clusters: [a, b] }, { name: q, clusters: [b], placement_policy: {} }]\nplacement_policy: { rules: [{ type: affinity, target: tier, operator: must, value: edge }] }",
      }),
      /placement_policy\.rules\[0\]\.value: no member of pool `p` has the tier `edge`/,
    ],
    [
      "must_not that every member meets",
      rules("{ type: location, target: tier, operator: must_not, value: secondary }"),
      /rules\[0\]\.value: every member of pool `p` has the tier `secondary`: nothing could ever be placed/,
    ],
  ])("%s is an error", (_name, text, expected) => {
    expect(errors(text)).toEqual([expect.stringMatching(expected)]);
  });

  test.each<[name: string, text: string, expected: RegExp]>([
    [
      "weight on must",
      rules("{ type: affinity, target: node, operator: must, value: n, weight: 5 }"),
      /rules\[0\]\.weight: a weight has no effect with `must`/,
    ],
    [
      "scope on location",
      rules("{ type: location, target: location, operator: should, value: n, scope: node }"),
      /rules\[0\]\.scope: a scope has no effect on a location rule/,
    ],
    [
      "tag in capitals",
      rules("{ type: anti-affinity, target: tag, operator: must, value: DB }"),
      /rules\[0\]\.value: Proxmox keeps tags in lower case/,
    ],
    [
      "same rule twice",
      rules("{ type: affinity, target: tag, operator: must, value: x }", "{ type: affinity, target: tag, operator: must, value: x }"),
      /rules\[1\]: the same rule stands above/,
    ],
    [
      "unknown provider",
      rules("{ type: affinity, target: provider, operator: should, value: Hetzner }"),
      /rules\[0\]\.value: no cluster has the provider `Hetzner`/,
    ],
    [
      "weight of a stranger",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a], placement_policy: { cluster_weights: { b: 5 } } }]" }),
      /cluster_weights\.b: cluster `b` has a weight, but is no member of the pool/,
    ],
    [
      "unknown storage type",
      complete({ cluster: "storage: { backends: [{ name: s1, type: zfspol }] }" }),
      /backends\[0\]\.type: `zfspol` is not a storage type Proxmox ships/,
    ],
    [
      "no shared store",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b }] }" }),
      /paths\[0\]: no backup store is reached by both `a` and `b`/,
    ],
    [
      "two shared stores",
      complete({
        rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b }] }\nbackup_stores: [{ name: s, type: nfs, storages: { a: s1, b: s1 } }, { name: t, type: nfs, storages: { a: s2, b: s2 } }]",
      }),
      /paths\[0\]: both clusters reach `s` and `t`: such a move will be refused\. Choose one with `backup_store`/,
    ],
    [
      "encryption without PBS",
      complete({
        rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b, encryption_required: true }] }\nbackup_stores: [{ name: s, type: nfs, storages: { a: s1, b: s1 } }]",
      }),
      /encryption_required: archives on store `s` \(nfs\) are not encrypted by Proxmox/,
    ],
    [
      "store of one cluster",
      complete({ rest: "backup_stores: [{ name: s, type: nfs, storages: { a: s1 } }]" }),
      /backup_stores\[0\]\.storages: only cluster `a` reaches this store/,
    ],
    [
      "ignored spelling of the CSI plugin",
      complete({ rest: "features: { controllerVMID: 9000 }" }),
      /features\.controllerVMID: the CSI plugin reads `controllerVmID`/,
    ],
    ["no name", complete({}).replace("name: acme", ""), /the federation has no `name`; `default` is used/],
  ])("%s is a warning", (_name, text, expected) => {
    expect(errors(text)).toEqual([]);
    expect(warnings(text)).toEqual([expect.stringMatching(expected)]);
  });

  test.each(["a", "spare", "b"])("a rule's cluster may be an id or a tag: %s", (value) => {
    expect(findings(rules(`{ type: affinity, target: cluster, operator: must, value: ${value} }`))).toEqual([]);
  });

  test("a location rule's cluster may be a place", () => {
    const text = complete({
      cluster: "location: Amsterdam, NL",
      rest: "resource_pools: [{ name: p, clusters: [a, b], placement_policy: { rules: [{ type: location, target: cluster, operator: must, value: amsterdam }] } }]",
    });
    expect(findings(text)).toEqual([]);
  });
});
