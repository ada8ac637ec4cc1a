import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { type Federation, FederationConfigError, formatIssue, loadFederation, parseFederation, WEEKDAYS } from "../../src/config";

const fixture = (name: string): string => join(__dirname, "fixtures", `${name}.yaml`);
const GIB = 1024 ** 3;

async function failure(path: string): Promise<FederationConfigError> {
  const error = await loadFederation(path).catch((reason: unknown) => reason);
  if (error instanceof FederationConfigError) return error;
  throw new Error("the file was accepted");
}

describe("scenario 1: production, disaster recovery and development at three companies", () => {
  const load = async (): Promise<Federation> => (await loadFederation(fixture("scenario-1"))).federation;

  it("loads without a warning", async () => {
    expect((await loadFederation(fixture("scenario-1"))).warnings).toEqual([]);
  });

  it("describes the clusters", async () => {
    const [production, recovery, edge] = (await load()).clusters;
    expect(production).toMatchObject({
      id: "worldstream-prod",
      name: "Production",
      provider: "Worldstream",
      location: { name: "Amsterdam, NL", latitude: 52.37, longitude: 4.9 },
      jurisdiction: "EU",
      region: "ams",
      tier: "primary",
      status: "active",
      tags: ["production", "eu-west"],
      metadata: { sla: "99.9", support_tier: "24x7", on_call: "true" },
      capabilities: { maxVms: 200, ceph: true, ha: true, backup: true, liveMigration: true, nestedVirtualization: true },
      images: { "debian-13": "local:import/debian-13.qcow2" },
      templates: { base: 9000 },
      prices: { perCoreMonth: 9.5, perMemoryGiBMonth: 3, perStorageGiBMonth: 0.08, perEgressGiB: 0.01 },
      vmidRange: { first: 10_000, last: 19_999 },
      placement: { overcommit: { cpu: 3 }, reserve: { memory: 0.2 } },
    });
    expect(production?.nodes).toEqual([
      { name: "ams1", cores: 64, memoryBytes: 512 * GIB, status: "active", tags: ["gpu"], hardwareClass: "epyc" },
      { name: "ams2", cores: 64, memoryBytes: 512 * GIB, status: "cordoned", tags: [] },
    ]);
    expect(recovery).toMatchObject({
      name: "databarn-dr",
      region: "databarn-dr",
      location: { name: "Rotterdam, NL" },
      vmidRange: { first: 20_000, last: 29_999 },
    });
    expect(edge).toMatchObject({ tier: "edge", tags: [], metadata: {}, images: {}, nodes: [], placement: {} });
  });

  it("resolves anchors and merge keys, units and defaults of connections", async () => {
    const [production, recovery, edge] = (await load()).clusters.map(({ connection }) => connection);
    expect(production).toEqual({
      apiUrls: ["https://pve1.ams.example:8006", "https://pve2.ams.example:8006"],
      credentials: { kind: "token", tokenId: "federation@pve!automation", secret: { kind: "environment", variable: "ACME_AMS_TOKEN" } },
      tls: { fingerprint: "0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9", verify: true },
      connectTimeoutMs: 5000,
      requestTimeoutMs: 90_000,
    });
    expect(recovery).toMatchObject({
      apiUrls: ["https://pve.rtm.example:8006"],
      credentials: { kind: "password", username: "root@pam", password: { kind: "file", path: "secrets/rtm" } },
      tls: { caFile: "rtm-ca.pem", verify: true },
    });
    expect(edge).toMatchObject({
      apiUrls: ["https://pve.fsn.example:443"],
      credentials: { secret: { kind: "pulumi", key: "acme:fsnToken" } },
      tls: { verify: true },
      connectTimeoutMs: 10_000,
      requestTimeoutMs: 60_000,
    });
  });

  it("describes networks and storage, in both spellings of cross-connects", async () => {
    const [production, recovery] = (await load()).clusters;
    expect(production?.network).toEqual({
      publicSubnet: "198.51.100.0/24",
      privateSubnet: "10.1.0.0/16",
      vlanRange: { first: 100, last: 199 },
      bridges: ["vmbr0", "vmbr1"],
      networks: { public: { bridge: "vmbr0" }, backend: { bridge: "vmbr1", vlan: 120, mtu: 9000 } },
      uplinkBitsPerSecond: 10_000_000_000,
      crossConnects: [
        { targetCluster: "databarn-dr", type: "vpn", latencyMs: 25, bandwidthBitsPerSecond: 1_000_000_000 },
        { targetCluster: "hetzner-edge", type: "vpn", latencyMs: 0.4, bandwidthBitsPerSecond: 100_000_000 },
      ],
    });
    expect(recovery?.network.crossConnects).toEqual([
      { targetCluster: "worldstream-prod", type: "direct", latencyMs: 25, bandwidthBitsPerSecond: 1_000_000_000 },
    ]);
    expect(production?.storage).toEqual({
      primary: "ceph-vm",
      classes: { fast: "ceph-vm", bulk: "local-lvm" },
      backends: [
        {
          name: "ceph-vm",
          type: "ceph",
          capacityBytes: 50e12,
          availableBytes: 32 * 1024 * GIB,
          performanceTier: "nvme",
          features: ["snapshots", "thin-provision", "encryption"],
        },
        { name: "local-lvm", type: "lvm", capacityBytes: 4e12, availableBytes: 2.5e12, performanceTier: "ssd", features: [] },
      ],
      replicationTargets: [{ targetCluster: "databarn-dr", targetStorage: "archive", schedule: "0 2 * * *", type: "async" }],
    });
  });

  it("describes pools; one without a policy takes the file's", async () => {
    const { resourcePools, placementPolicy } = await load();
    expect(resourcePools).toEqual([
      {
        name: "production-pool",
        description: "Customer workloads",
        clusters: ["worldstream-prod", "databarn-dr"],
        limits: { maxVms: 150, maxCores: 1200, maxMemoryBytes: 2048 * GIB, maxStorageBytes: 40e12 },
        placementPolicy: {
          strategy: "balanced",
          clusterWeights: { "worldstream-prod": 80, "databarn-dr": 20 },
          rules: [
            { type: "affinity", target: "cluster", operator: "should", value: "worldstream-prod", weight: 70 },
            { type: "anti-affinity", target: "tag", operator: "must", value: "database", scope: "cluster" },
            { type: "residency", target: "jurisdiction", operator: "must", value: "EU" },
          ],
        },
        survive: [],
      },
      { name: "development-pool", clusters: ["hetzner-edge", "databarn-dr"], limits: {}, placementPolicy, survive: [] },
    ]);
    expect(placementPolicy).toEqual({
      strategy: "cost",
      clusterWeights: {},
      rules: [{ type: "location", target: "cluster", operator: "must_not", value: "worldstream-prod" }],
    });
  });

  it("describes migration: methods in both spellings, inherited method and window", async () => {
    const { migration, backupStores } = await load();
    const night = {
      days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
      startMinute: 22 * 60,
      endMinute: 5 * 60 + 30,
      timezone: "Europe/Amsterdam",
    };
    expect(migration).toEqual({
      defaultMethod: "offline",
      preMigrationChecks: [
        "verify_network_connectivity",
        "check_storage_compatibility",
        "validate_vm_configuration",
        "ensure_backup_exists",
      ],
      window: night,
      paths: [
        {
          sourceCluster: "worldstream-prod",
          targetCluster: "databarn-dr",
          method: "backup-restore",
          maxBandwidthBitsPerSecond: 500_000_000,
          compression: false,
          encryptionRequired: true,
          backupStore: "vault",
          window: { days: ["sat", "sun"], startMinute: 0, endMinute: 1440, timezone: "UTC" },
        },
        {
          sourceCluster: "databarn-dr",
          targetCluster: "worldstream-prod",
          method: "storage",
          compression: true,
          encryptionRequired: false,
          window: night,
        },
        {
          sourceCluster: "hetzner-edge",
          targetCluster: "databarn-dr",
          method: "offline",
          compression: true,
          encryptionRequired: false,
          window: night,
        },
      ],
    });
    expect(backupStores).toEqual([
      {
        name: "vault",
        type: "pbs",
        access: {
          "worldstream-prod": { storage: "vault", readAs: {} },
          "databarn-dr": { storage: "vault-own", readAs: { "worldstream-prod": "vault-ams" } },
        },
        api: {
          url: "https://vault.example.net:8007",
          credentials: { kind: "token", tokenId: "federation@pbs!mover", secret: { kind: "environment", variable: "VAULT_TOKEN_SECRET" } },
          tls: { caFile: "vault-ca.pem", verify: true },
          connectTimeoutMs: 10_000,
          requestTimeoutMs: 60_000,
          datastore: "main",
          namespace: "prod",
        },
      },
    ]);
  });

  it("describes the federation itself, with the guide's capacity rules where none are given", async () => {
    expect(await load()).toMatchObject({
      name: "acme",
      primaryCluster: "worldstream-prod",
      failoverPriority: ["worldstream-prod", "databarn-dr"],
      syncIntervalMs: 300_000,
      healthCheckIntervalMs: 30_000,
      defaultPool: "acme",
      placement: {
        overcommit: { cpu: 5, memory: 1.2, storage: 1.5 },
        reserve: { cpu: 0.05, memory: 0.15, storage: 0.1 },
        pressureThreshold: { cpu: 0.75, memory: 0.7, storage: 0.85 },
      },
      csi: { provider: "capmox", controllerVmid: 9998 },
    });
  });
});

it("two sites whose backup servers pull from each other load without a warning", async () => {
  const { federation, warnings } = await loadFederation(fixture("two-sites"));
  expect(warnings).toEqual([]);
  expect(federation.resourcePools[0]!.replication).toEqual({
    schedule: "0/6:00",
    store: ["vault-ams", "vault-rtm"],
    rpoMs: 8 * 3_600_000,
    sync: { schedule: "0/6:45", maxBandwidthBitsPerSecond: 200_000_000 },
  });
});

it("scenario 2: three continents, loads without a warning", async () => {
  const { federation, warnings } = await loadFederation(fixture("scenario-2"));
  expect(warnings).toEqual([]);
  expect(federation.name).toBe("globe");
  expect(federation.clusters.map(({ id, tier, status }) => [id, tier, status])).toEqual([
    ["eu", "secondary", "active"],
    ["us", "secondary", "draining"],
    ["apac", "secondary", "lost"],
  ]);
  expect(federation.clusters[0]?.connection?.apiUrls).toEqual(["https://[2001:db8::1]:8006"]);
  expect(federation.clusters[2]?.connection).toBeUndefined();
  expect(federation.migration).toMatchObject({
    outsideWindow: "wait",
    longestWindowWaitMs: 12 * 3_600_000,
    keepSourceMs: 7 * 86_400_000,
    auditLog: "moves.jsonl",
    parallelTransfersPerLink: 3,
  });
  expect(federation.migration.paths[0]).toMatchObject({
    warm: true,
    liveRestore: false,
    keepSourceMs: 2 * 86_400_000,
    nodeNames: { "eu-1": "us-1" },
    haNames: { web: "web-us" },
  });
  expect(federation.backupStores[0]?.site).toBe("us");
  const sun = federation.resourcePools.find(({ name }) => name === "follow-the-sun");
  expect(sun?.survive).toEqual(["node", "cluster"]);
  expect(sun?.replication).toEqual({
    schedule: "0/6:30",
    store: "shared",
    rpoMs: 7 * 3_600_000,
    keep: { last: 3, hourly: 4, daily: 7, weekly: 5, monthly: 12, yearly: 2 },
  });
  expect(federation.failover).toEqual({
    maxAgeMs: 2 * 86_400_000,
    drillBridge: "vmbr99",
    drillLog: "drills.jsonl",
    drillPeriodMs: 60 * 86_400_000,
  });
  expect(federation.clusters.map(({ fenced, returned }) => [fenced, returned])).toEqual([
    [undefined, "stop-old-copies"],
    [undefined, undefined],
    [true, undefined],
  ]);
  expect(sun?.placementPolicy.schedule).toEqual([
    {
      window: { days: [...WEEKDAYS], startMinute: 20 * 60, endMinute: 6 * 60, timezone: "UTC" },
      strategy: "cost",
      clusterWeights: { eu: 50 },
    },
  ]);
  expect(sun?.placementPolicy.rules).toMatchObject([
    {
      type: "location",
      window: { days: ["mon", "tue", "wed", "thu", "fri"], startMinute: 480, endMinute: 960, timezone: "Europe/Amsterdam" },
    },
    { type: "spread", maxSkew: 2, scope: "node" },
  ]);
  expect(federation.migration.paths.map(({ method, window }) => [method, window?.timezone])).toEqual([
    ["backup-restore", undefined],
    ["backup-restore", "America/New_York"],
  ]);
});

it("the cloud-config of the CSI plugin is a federation: its regions are the ids", async () => {
  const { federation, warnings } = await loadFederation(fixture("csi-cloud-config"));
  expect(federation.csi).toEqual({ provider: "default", controllerVmid: 9000 });
  expect(federation.clusters.map(({ id, region, connection }) => ({ id, region, connection }))).toEqual([
    {
      id: "one",
      region: "one",
      connection: {
        apiUrls: ["https://pve.one.example:8006"],
        credentials: { kind: "token", tokenId: "kubernetes-csi@pve!csi", secret: { kind: "file", path: "/run/secrets/one" } },
        tls: { verify: true },
        connectTimeoutMs: 10_000,
        requestTimeoutMs: 60_000,
      },
    },
    {
      id: "two",
      region: "two",
      connection: {
        apiUrls: ["https://pve.two.example:8006"],
        credentials: { kind: "token", tokenId: "", tokenIdFile: "two.id", secret: { kind: "file", path: "/run/secrets/two" } },
        tls: { verify: false },
        connectTimeoutMs: 10_000,
        requestTimeoutMs: 60_000,
      },
    },
  ]);
  expect(warnings.map(({ path, message }) => `${path} ${message}`)).toEqual([
    expect.stringContaining("no `name`"),
    expect.stringContaining("clusters[1].insecure CERTIFICATES OF CLUSTER `two` ARE NOT VERIFIED"),
  ]);
});

describe("fragments and templates", () => {
  const fragments: [name: string, text: string, warnings: string[], expected: object][] = [
    [
      "a cluster with its possible tiers",
      "clusters:\n  - id: some-id\n    tier: primary|secondary|edge\n    provider: some-company\n    location: somewhere\n",
      [
        "1:1: this file is read as a fragment or template: it has no `resource_pools`, `migration_policies`",
        '3:11: clusters[0].tier: "primary|secondary|edge" lists the possible values; `primary` is taken',
      ],
      { clusters: [{ id: "some-id", tier: "primary", provider: "some-company" }] },
    ],
    [
      "a pool of clusters declared elsewhere",
      "resource_pools:\n  - name: pool\n    clusters: [one, two]\n    placement_policy:\n      strategy: cost | geographic\n",
      [
        "1:1: this file is read as a fragment or template: it has no `clusters`, `migration_policies`",
        "3:16: resource_pools[0].clusters[0]: no cluster has the id `one`",
        "3:21: resource_pools[0].clusters[1]: no cluster has the id `two`",
        '5:17: resource_pools[0].placement_policy.strategy: "cost | geographic" lists the possible values; `cost` is taken',
      ],
      { clusters: [], resourcePools: [{ name: "pool", clusters: ["one", "two"], placementPolicy: { strategy: "cost" } }] },
    ],
    [
      "a migration path",
      "migration_policies:\n  paths:\n    - source_cluster: one\n      target_cluster: two\n      method: backup-restore  # crosses providers\n",
      [
        "1:1: this file is read as a fragment or template: it has no `clusters`, `resource_pools`",
        "3:23: migration_policies.paths[0].source_cluster: no cluster has the id `one`",
        "4:23: migration_policies.paths[0].target_cluster: no cluster has the id `two`",
      ],
      { migration: { paths: [{ sourceCluster: "one", method: "backup-restore" }] } },
    ],
    [
      "a placement policy at the root",
      "placement_policy:\n  rules:\n    - type: affinity\n      target: cluster\n      operator: should\n      value: main\n",
      [
        "1:1: this file is read as a fragment or template: it has no `clusters`, `resource_pools`, `migration_policies`",
        "6:14: placement_policy.rules[0].value: no cluster has the id or tag `main`",
      ],
      { placementPolicy: { strategy: "balanced", rules: [{ value: "main" }] } },
    ],
  ];
  test.each(fragments)("%s loads with warnings", (_name, text, warnings, expected) => {
    const loaded = parseFederation(text, "f.yaml");
    expect(loaded.federation).toMatchObject(expected);
    expect(loaded.warnings.map(formatIssue).map((line) => line.replace(/^f\.yaml:/, "").split(". ")[0])).toEqual(warnings);
    expect(loaded.warnings.every(({ severity }) => severity === "warning")).toBe(true);
  });

  it("are errors where the caller wants a complete file", () => {
    const [, text] = fragments[0]!;
    expect(() => parseFederation(text, "f.yaml", { mode: "complete" })).toThrow(/Choose one of primary, secondary, edge/);
  });

  it("may be asked for: a complete file loads with its dangling ids as warnings", () => {
    const text = readFileSync(fixture("scenario-2"), "utf8").replace("failover_priority: [eu, us, apac]", "failover_priority: [eu, uk]");
    expect(() => parseFederation(text, "f.yaml")).toThrow(/no cluster has the id `uk`/);
    expect(parseFederation(text, "f.yaml", { mode: "template" }).federation.failoverPriority).toEqual(["eu", "uk"]);
  });

  const guide = join(__dirname, "../../../shared/seeds/multi-site-guide.md");
  it.skipIf(!existsSync(guide))(`every YAML snippet of the guide loads (skipped where ${guide} is absent)`, () => {
    const snippets = [...readFileSync(guide, "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!);
    expect(snippets).toHaveLength(5);
    for (const text of snippets) {
      const { warnings } = parseFederation(text, "guide.yaml");
      expect(warnings[0]?.message).toMatch(/fragment or template/);
    }
  });
});

describe("files that cannot be read", () => {
  const folder = mkdtempSync(join(tmpdir(), "federation-config-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  it("missing", async () => {
    const path = join(folder, "none.yaml");
    const error = await failure(path);
    expect(error.code).toBe("FEDERATION_CONFIG");
    expect(error.message).toBe(`${path} cannot be used: 1 error\n${path}:1:1: the file does not exist. Create it, or name another one.`);
  });

  it("a directory", async () => {
    expect((await failure(folder)).message).toMatch(/:1:1: this is a directory\. Name the file in it\./);
  });

  it("not UTF-8", async () => {
    const path = write("latin1.yaml", Buffer.from("name: acme\nclusters:\n  - name: Zürich\n", "latin1"));
    expect((await failure(path)).issues).toEqual([
      {
        severity: "error",
        file: path,
        line: 3,
        column: 12,
        path: "",
        message: "the file is not UTF-8 text",
        suggestion: "Save it as UTF-8.",
      },
    ]);
  });

  it("a byte order mark is no mistake", async () => {
    const path = write("bom.yaml", `\uFEFF${readFileSync(fixture("scenario-2"), "utf8")}`);
    expect((await loadFederation(path)).warnings).toEqual([]);
  });

  it("lists errors and warnings in the order of the file", async () => {
    const path = write(
      "both.yaml",
      "clusters:\n  - id: a\n    tier: primry\n    connection: { api_url: 'https://a', token_id: 'u@pve!tt', token_secret_env: T, verify_ssl: false }\n",
    );
    const error = await failure(path);
    expect(error.issues.map(({ severity, line }) => [severity, line])).toEqual([
      ["warning", 1],
      ["error", 3],
      ["warning", 4],
    ]);
    expect(error.message).toContain(
      `${path}:3:11: clusters[0].tier: "primry" is not one of primary, secondary, edge. Did you mean \`primary\`?`,
    );
    expect(error.message).toMatch(/pvenode cert info.* \(warning\)$/m);
  });
});
