import { describe, expect, it } from "vitest";
import { lint } from "../../src/cli/validate/lints";
import { locate } from "../../src/cli/validate/locate";
import { type LoadedFederation, parseFederation } from "../../src/config";

const BASE = `name: acme
clusters:
  - id: a
    provider: one
    location: Amsterdam, NL
    connection: { api_url: "https://a:8006", token_id: iac@pve!ci, token_secret_env: A, fingerprint: "${Array(32).fill("AA").join(":")}" }
    network:
      cross_connects: [{ target_cluster: b, type: vpn, latency: 4ms }]
  - id: b
    provider: two
    location: Rotterdam, NL
    connection: { api_url: "https://b:8006", token_id: iac@pve!ci, token_secret_env: B, fingerprint: "${Array(32).fill("BB").join(":")}" }
resource_pools:
  - name: web
    clusters: [a, b]
    limits: { max_vms: 5 }
backup_stores:
  - { name: vault, type: pbs, storages: { a: vault, b: vault } }
migration_policies:
  migration_window: { start: "22:00", end: "06:00" }
  paths:
    - { source_cluster: a, target_cluster: b, max_bandwidth: 500Mbps }
    - { source_cluster: b, target_cluster: a, max_bandwidth: 500Mbps }
`;

function federationOf(...changes: [from: string, to: string][]): LoadedFederation {
  const text = changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the file has no ${from}`);
    return changed.replace(from, to);
  }, BASE);
  return parseFederation(text, "f.yaml");
}

const lines = (loaded: LoadedFederation) => lint(loaded).map(({ severity, path, message }) => `${severity} ${path.join(".")}: ${message}`);

describe("lints", () => {
  it("have nothing against a careful file", () => {
    expect(lines(federationOf())).toEqual([]);
  });

  it.each<[string, [string, string][], string]>([
    ["a pool without limits", [["    limits: { max_vms: 5 }\n", ""]], "warning resource_pools.0: pool `web` has no limits"],
    [
      "a path without bandwidth",
      [[", max_bandwidth: 500Mbps", ""]],
      "warning migration_policies.paths.0: moves a → b have no bandwidth limit",
    ],
    [
      "paths without a window",
      [['  migration_window: { start: "22:00", end: "06:00" }\n', ""]],
      "warning migration_policies.paths.0: moves a → b may start",
    ],
    [
      "uncompressed transfer between providers",
      [["max_bandwidth: 500Mbps }", "max_bandwidth: 500Mbps, compression_enabled: false }"]],
      "warning migration_policies.paths.0.compression_enabled: moves a → b cross providers",
    ],
    [
      "storage migration over a slow link",
      [
        ["latency: 4ms", "latency: 10ms"],
        ["max_bandwidth: 500Mbps }", "max_bandwidth: 500Mbps, method: storage-migration }"],
      ],
      "warning migration_policies.paths.0.method: storage migration a → b over a link of 10 ms",
    ],
    [
      "a link that encrypts nothing",
      [["type: vpn", "type: direct"]],
      "warning clusters.0.network.cross_connects.0.type: the direct link `a` → `b`",
    ],
    [
      "moves between providers that nothing encrypts",
      [
        ["type: vpn", "type: mpls"],
        ["type: pbs", "type: nfs"],
      ],
      "warning migration_policies.paths.0: moves a → b cross providers, and neither a VPN nor encrypted archives",
    ],
    [
      "a replication target between clusters, which nothing serves",
      [
        [
          "    network:\n",
          '    storage: { replication_targets: [{ target_cluster: b, target_storage: nvme, schedule: "0 2 * * *" }] }\n    network:\n',
        ],
      ],
      "warning clusters.0.storage.replication_targets.0: this alone replicates nothing from `a` to `b`",
    ],
    [
      "a denied live migration, which forbids none",
      [["    network:\n", "    capabilities: { live_migration: false }\n    network:\n"]],
      "warning clusters.0.capabilities.live_migration: this does not keep guests of `a` from being moved",
    ],
    [
      "a denied backup, which forbids none",
      [["    network:\n", "    capabilities: { backup_enabled: false }\n    network:\n"]],
      "warning clusters.0.capabilities.backup_enabled: this does not keep guests of `a` from being backed up",
    ],
    ...(["primary_cluster: a", "sync_interval: 300", "health_check_interval: 60"] as const).map(
      (setting): [string, [string, string][], string] => [
        `the guide's ${setting}, which has no effect`,
        [["name: acme\n", `name: acme\nfederation: { ${setting} }\n`]],
        `warning federation.${setting.split(":")[0]}: `,
      ],
    ),
    ["archives on a share", [["type: pbs", "type: nfs"]], "warning backup_stores.0.type: archives in backup store `vault` (nfs)"],
    ["a token of root", [["iac@pve!ci", "root@pam!ci"]], "warning clusters.0.connection.token_id: cluster `a` is used as root@pam"],
    [
      "a password",
      [["token_id: iac@pve!ci, token_secret_env: A", "username: ops@pve, password_env: A"]],
      "warning clusters.0.connection.username: cluster `a` is used with a password",
    ],
    [
      "one way into several nodes",
      [["    network:\n", "    nodes: [{ name: a1 }, { name: a2 }]\n    network:\n"]],
      "warning clusters.0.connection: cluster `a` is reached through one node only",
    ],
    [
      "cost without prices",
      [["    limits:", "    placement_policy: { strategy: cost }\n    limits:"]],
      "warning resource_pools.0.placement_policy.strategy: pool `web` is placed by cost, and `a`, `b` declare no prices",
    ],
    [
      "distance without a place",
      [
        ["    limits:", "    placement_policy: { strategy: geographic }\n    limits:"],
        ["Rotterdam, NL", "the other cellar"],
      ],
      "warning resource_pools.0.placement_policy.strategy: pool `web` is placed by distance, and nobody knows where `b` are",
    ],
    [
      "members that cannot exchange guests",
      [["    - { source_cluster: b, target_cluster: a, max_bandwidth: 500Mbps }\n", ""]],
      "warning resource_pools.0.clusters: guests of pool `web` cannot move b → a",
    ],
    [
      "rules that can never hold together",
      [
        [
          "    limits:",
          "    placement_policy:\n      rules:\n        - { type: affinity, target: cluster, operator: must_not, value: a }\n        - { type: location, target: cluster, operator: must_not, value: b }\n    limits:",
        ],
      ],
      "error resource_pools.0.placement_policy.rules.0: Rules 0 and 1 forbid every cluster",
    ],
  ])("find %s", (_, changes, expected) => {
    const found = lines(federationOf(...changes));
    expect(found.filter((line) => line.startsWith(expected))).toHaveLength(1);
  });

  it("leave moves alone for which encryption is required, or whose pool is backed up for the other cluster", () => {
    const sound = federationOf(
      ["type: vpn", "type: mpls"],
      ["type: pbs", "type: nfs"],
      ["target_cluster: b, max_bandwidth", "target_cluster: b, encryption_required: true, max_bandwidth"],
      ["target_cluster: a, max_bandwidth", "target_cluster: a, encryption_required: true, max_bandwidth"],
      [
        "    network:\n",
        '    storage: { replication_targets: [{ target_cluster: b, target_storage: nvme, schedule: "0 2 * * *" }] }\n    network:\n',
      ],
      ["    limits:", '    replication: { schedule: "02:00", store: vault }\n    limits:'],
    );
    expect(lines(sound).filter((line) => /encrypted archives|replicates nothing/.test(line))).toEqual([]);
  });

  it("leave moves alone that go through a backup server, which speaks TLS", () => {
    expect(lines(federationOf(["type: vpn", "type: mpls"])).filter((line) => line.includes("encrypted archives"))).toEqual([]);
  });

  it("leave a fast link alone", () => {
    const found = lines(federationOf(["max_bandwidth: 500Mbps }", "max_bandwidth: 500Mbps, method: storage-migration }"]));
    expect(found.filter((line) => line.includes("over a link"))).toEqual([]);
  });
});

describe("positions", () => {
  const connection = "{ token_id: u@pve!token, token_secret_env: T, api_url: 'https://a.example' }";
  const { positionOf } = parseFederation(`clusters:\n  - id: a\n    connection: ${connection}\n  - id: b\n`, "f.yaml");
  const at = (path: (string | number)[]) => {
    const [found] = locate([{ severity: "warning", path, message: "m", suggestion: "s" }], positionOf, "f.yaml");
    return `${found!.line}:${found!.column} ${found!.path}`;
  };

  it("are those of the value", () => {
    expect(at(["clusters", 0, "connection", "token_id"])).toBe("3:29 clusters[0].connection.token_id");
    expect(at(["clusters", 1])).toBe("4:5 clusters[1]");
  });

  it("are those of the innermost part that is there", () => {
    expect(at(["clusters", 1, "network", "bridges"])).toBe("4:5 clusters[1].network.bridges");
    expect(at(["resource_pools", 0])).toBe("1:1 resource_pools[0]");
  });
});
