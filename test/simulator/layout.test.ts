import { describe, expect, test } from "vitest";
import { DEFAULT_CAPACITY_RULES } from "../../src/config";
import type { Cluster, Federation } from "../../src/config/model";
import { layoutFromFederation } from "../../src/simulator";
import { blocksFromName, buildFederationState, type SimulatedLayout } from "../../src/simulator/layout";
import { privilegesOn } from "../../src/simulator/permissions";

const options = { nowMs: 1_700_000_000_000, seed: 1, blockBytes: 4 * 1024 ** 2 };

describe("buildFederationState", () => {
  const layout: SimulatedLayout = {
    backends: [{ id: "disk", kind: "directory", images: [{ volname: "import/debian.qcow2", sizeBytes: 2 ** 30 }] }],
    clusters: [{ id: "solo", era: "8.4", nodes: [{ name: "n1" }], storages: [{ storage: "local", type: "dir", backend: "disk" }] }],
  };

  test("gives a single node no cluster name and everything its defaults", () => {
    const { clusters } = buildFederationState(layout, options);
    expect(clusters.solo).toMatchObject({ clusterName: undefined, nodes: { n1: { cores: 16, status: "online", bridges: ["vmbr0"] } } });
    expect(clusters.solo?.storages.local).toMatchObject({ shared: false, content: expect.arrayContaining(["images", "backup"]) });
  });

  test("fills images with blocks that follow from their names", () => {
    const { backends } = buildFederationState(layout, options);
    const image = backends.disk!.volumes["import/debian.qcow2"]!;
    expect(image).toMatchObject({ content: "import", format: "qcow2", sizeBytes: 2 ** 30 });
    expect(image.blocks).toEqual(blocksFromName("import/debian.qcow2", 256));
    expect(Object.keys(image.blocks).length).toBe(96);
  });

  test("refuses a layout that contradicts itself", () => {
    const [cluster] = layout.clusters;
    const storages = [{ storage: "local", type: "dir" as const, backend: "nowhere" }];
    expect(() => buildFederationState({ ...layout, clusters: [{ ...cluster!, storages }] }, options)).toThrow("unknown backend 'nowhere'");
    expect(() => buildFederationState({ ...layout, clusters: [cluster!, cluster!] }, options)).toThrow("two clusters named 'solo'");
    expect(() => buildFederationState({ ...layout, clusters: [{ ...cluster!, nodes: [] }] }, options)).toThrow("has no node");
  });
});

function cluster(id: string, changes: Partial<Cluster> = {}): Cluster {
  return {
    id,
    name: id,
    region: id,
    tier: "primary",
    status: "active",
    tags: [],
    metadata: {},
    connection: {
      apiUrls: [`https://${id}.example:8006`],
      credentials: { kind: "token", tokenId: "iac@pve!ci", secret: { kind: "environment", variable: `${id.toUpperCase()}_TOKEN` } },
      tls: { verify: true },
      connectTimeoutMs: 1,
      requestTimeoutMs: 1,
    },
    capabilities: {},
    network: { bridges: ["vmbr0"], networks: { lan: { bridge: "vmbr1" } }, crossConnects: [] },
    storage: {
      primary: "fast",
      classes: { bulk: "slow" },
      backends: [{ name: "fast", type: "zfspool", performanceTier: "nvme", features: [] }],
      replicationTargets: [],
    },
    images: { debian: "local:import/debian.qcow2" },
    templates: {},
    nodes: [],
    prices: {},
    placement: {},
    ...changes,
  } as Cluster;
}

function federation(clusters: Cluster[]): Federation {
  const access = Object.fromEntries(
    clusters.map((one) => [
      one.id,
      {
        storage: "pbs",
        readAs: Object.fromEntries(clusters.filter((other) => other !== one).map((other) => [other.id, `pbs-${other.id}`])),
      },
    ]),
  );
  return {
    name: "test",
    clusters,
    resourcePools: [
      { name: "web", clusters: [clusters[0]!.id], limits: {}, placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] } },
    ],
    migration: { preMigrationChecks: [], paths: [] },
    backupStores: [{ name: "main", type: "pbs", access }],
    failoverPriority: [],
    syncIntervalMs: 1,
    healthCheckIntervalMs: 1,
    defaultPool: "fed",
    placement: DEFAULT_CAPACITY_RULES,
  } as Federation;
}

describe("layoutFromFederation", () => {
  const layout = layoutFromFederation(
    federation([
      cluster("ams", { nodes: [{ name: "a1", cores: 8, status: "active", tags: [] }] }),
      cluster("fra", { metadata: { pve_version: "8.4" } }),
      cluster("plan-only", { connection: undefined }),
    ]),
  );
  const state = buildFederationState(layout, options);

  test("lets guests in where a path or the default method brings them by remote migration", () => {
    const plan = federation([cluster("ams", {}), cluster("fra", {})]);
    const incoming = (changed: Partial<Federation["migration"]>) =>
      layoutFromFederation({ ...plan, migration: { ...plan.migration, ...changed } }).clusters.map(({ acl }) =>
        acl?.some(({ path, role, propagate }) => path === "/" && role === "FederationIncoming" && propagate === false),
      );
    const path = { sourceCluster: "ams", targetCluster: "fra", compression: true, encryptionRequired: false };
    expect(incoming({ paths: [{ ...path, method: "backup-restore" }] })).toEqual([false, false]);
    expect(incoming({ paths: [{ ...path, method: "offline" }] })).toEqual([false, true]);
    expect(incoming({ defaultMethod: "storage" })).toEqual([true, true]);
  });

  test("has the clusters that can be contacted, with their nodes and versions", () => {
    expect(Object.keys(state.clusters)).toEqual(["ams", "fra"]);
    expect(state.clusters.ams).toMatchObject({ era: "9.2", nodes: { a1: { cores: 8, bridges: ["vmbr0", "vmbr1"] } } });
    expect(state.clusters.fra).toMatchObject({ era: "8.4", nodes: { "fra-1": { cores: 16 } } });
  });

  test("has every storage that the file names, as fast as its tier", () => {
    expect(Object.keys(state.clusters.ams!.storages).sort()).toEqual(["fast", "local", "pbs", "pbs-fra", "slow"]);
    expect(state.backends[state.clusters.ams!.storages.fast!.backends.a1!]).toMatchObject({ kind: "block", bytesPerSecond: 1e9 });
    expect(state.backends["ams:local@a1"]?.volumes).toHaveProperty(["import/debian.qcow2"]);
  });

  test("mounts one backup datastore everywhere, with a namespace per cluster", () => {
    const { ams, fra } = state.clusters;
    expect(ams!.storages.pbs!.backends).toEqual(fra!.storages.pbs!.backends);
    expect([
      ams!.storages.pbs!.options.namespace,
      ams!.storages["pbs-fra"]!.options.namespace,
      fra!.storages.pbs!.options.namespace,
    ]).toEqual(["ams", "fra", "fra"]);
  });

  test("mounts one without namespaces where the clusters read each other's archives in the place they write to", () => {
    const plan = federation([cluster("ams", {}), cluster("fra", {})]);
    for (const access of Object.values(plan.backupStores[0]!.access)) access.readAs = {};
    const { ams, fra } = buildFederationState(layoutFromFederation(plan), options).clusters;
    expect(ams!.storages.pbs!.options).toEqual(fra!.storages.pbs!.options);
    expect(ams!.storages.pbs!.options).not.toHaveProperty("namespace");
  });

  test("knows the file's token with a provisioner's rights and a secret of its own", () => {
    const { ams, fra } = state.clusters;
    expect(ams!.access.tokens["iac@pve!ci"]!.secret).not.toBe(fra!.access.tokens["iac@pve!ci"]!.secret);
    const held = (path: string) => Object.keys(privilegesOn(ams!, "iac@pve!ci", path, options.nowMs));
    expect(held("/vms/100")).toContain("VM.Allocate");
    expect(held("/storage/pbs-fra")).toContain("Datastore.AllocateSpace");
    expect(held("/nodes/a1")).toEqual(["Sys.Audit"]);
    expect(held("/")).toEqual([]);
    // Pools are the product's to make.
    expect(ams!.pools).toEqual({});
  });
});
