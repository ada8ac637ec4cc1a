import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CapacityRules, type Cluster, mergeCapacityRules } from "../../src/config";
import { type ClusterSnapshot, storageClassesOf, toInventory, toPoolPolicy } from "../../src/inventory";
import { DEFAULT_CAPACITY_RULES } from "../../src/placement";
import type { GuestRow, NodeRow, StorageRow } from "../../src/proxmox";
import { cluster, federation, guestRow } from "../support/fake-federation";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

const node = (name: string, changes: Partial<NodeRow> = {}): NodeRow => ({
  kind: "node",
  node: name,
  status: "online",
  maxCpu: 8,
  maxMemoryBytes: 16 * GIB,
  ...changes,
});

const storage = (id: string, on: string, changes: Partial<StorageRow> = {}): StorageRow => ({
  kind: "storage",
  storage: id,
  node: on,
  status: "available",
  shared: false,
  content: ["images"],
  totalBytes: 100 * GIB,
  usedBytes: 10 * GIB,
  ...changes,
});

/** Facts of one cluster as it answered. */
function factsOf(
  declared: Cluster,
  rows: { guests?: GuestRow[]; nodes?: NodeRow[]; storages?: StorageRow[] },
  keys: Record<number, string> = {},
  placement: CapacityRules = {},
) {
  const snapshot: ClusterSnapshot = {
    reachable: true,
    cluster: declared,
    guests: rows.guests ?? [],
    nodes: rows.nodes ?? [],
    storages: rows.storages ?? [],
  };
  const inventory = toInventory(
    {
      federation: federation({ clusters: [declared], placement: mergeCapacityRules(DEFAULT_CAPACITY_RULES, placement) }),
      clusters: new Map([[declared.id, snapshot]]),
    },
    (_cluster, guest) => keys[guest.vmid],
  );
  return inventory.clusters[0]!;
}

describe("storages", () => {
  it("that are shared are one place, seen from several nodes", () => {
    const { storages } = factsOf(cluster("a"), {
      storages: [storage("nfs", "a1", { shared: true }), storage("nfs", "a2", { shared: true })],
    });
    expect(storages).toEqual([
      { storage: "nfs", nodes: ["a1", "a2"], shared: true, totalBytes: 100 * GIB, usedBytes: 10 * GIB, performanceTier: undefined },
    ]);
  });

  it("that are local are a place per node, each with its own room", () => {
    const { storages } = factsOf(cluster("a"), {
      storages: [storage("lvm", "a1"), storage("lvm", "a2", { totalBytes: 50 * GIB, usedBytes: 49 * GIB })],
    });
    expect(storages.map(({ nodes, totalBytes, usedBytes }) => ({ nodes, free: totalBytes - usedBytes }))).toEqual([
      { nodes: ["a1"], free: 90 * GIB },
      { nodes: ["a2"], free: GIB },
    ]);
  });

  it("that are not available on a node are not there", () => {
    const { storages } = factsOf(cluster("a"), {
      storages: [storage("nfs", "a1", { shared: true, status: "unknown" }), storage("nfs", "a2", { shared: true })],
    });
    expect(storages.map((facts) => facts.nodes)).toEqual([["a2"]]);
  });

  it("of unknown size have no room", () => {
    expect(
      factsOf(cluster("a"), { storages: [storage("x", "a1", { totalBytes: undefined, usedBytes: undefined })] }).storages[0],
    ).toMatchObject({ totalBytes: 0, usedBytes: 0 });
  });

  it("have the tier of their backend", () => {
    const declared = cluster("a", {
      storage: { classes: {}, backends: [{ name: "lvm", performanceTier: "nvme", features: [] }], replicationTargets: [] },
    });
    expect(
      factsOf(declared, { storages: [storage("lvm", "a1"), storage("other", "a1")] }).storages.map((facts) => facts.performanceTier),
    ).toEqual(["nvme", undefined]);
  });

  it("count every available row exactly once", () => {
    const row = fc.record({
      storage: fc.constantFrom("x", "y"),
      node: fc.constantFrom("a1", "a2", "a3"),
      shared: fc.boolean(),
      status: fc.constantFrom("available" as const, "unknown" as const),
    });
    fc.assert(
      fc.property(fc.uniqueArray(row, { selector: (item) => `${item.storage} ${item.node}` }), (rows) => {
        const { storages } = factsOf(cluster("a"), { storages: rows.map((item) => storage(item.storage, item.node, item)) });
        const seen = storages.flatMap((facts) => facts.nodes.map((on) => `${facts.storage} ${on}`)).sort();
        expect(seen).toEqual(
          rows
            .filter((item) => item.status === "available")
            .map((item) => `${item.storage} ${item.node}`)
            .sort(),
        );
      }),
    );
  });
});

describe("storage classes", () => {
  const backends = [
    { name: "nvme1", performanceTier: "nvme" as const, features: [] },
    { name: "nvme2", performanceTier: "nvme" as const, features: [] },
    { name: "ceph", performanceTier: "ssd" as const, features: [] },
  ];
  const classes = (changes: Partial<Cluster["storage"]>) =>
    storageClassesOf(cluster("a", { storage: { classes: {}, backends: [], replicationTargets: [], ...changes } }));

  it.each<[string, Partial<Cluster["storage"]>, Record<string, string>]>([
    ["none without a declaration", {}, {}],
    [
      "backends by name and tier, the first of a tier wins, the first backend is the default",
      { backends },
      { nvme1: "nvme1", nvme2: "nvme2", ceph: "ceph", nvme: "nvme1", ssd: "ceph", "": "nvme1" },
    ],
    [
      "declared classes before tiers and names",
      { backends, classes: { nvme: "nvme2", ceph: "nvme1" } },
      { nvme1: "nvme1", nvme2: "nvme2", ceph: "nvme1", nvme: "nvme2", ssd: "ceph", "": "nvme1" },
    ],
    [
      "the primary storage is the default",
      { backends, primary: "ceph" },
      { nvme1: "nvme1", nvme2: "nvme2", ceph: "ceph", nvme: "nvme1", ssd: "ceph", "": "ceph" },
    ],
    ["a primary storage alone", { primary: "local" }, { "": "local" }],
  ])("are %s", (_what, changes, expected) => {
    expect(classes(changes)).toEqual(expected);
  });
});

describe("nodes", () => {
  it("are the live ones, with what is declared about them", () => {
    const declared = cluster("a", { nodes: [{ name: "a1", status: "draining", tags: ["gpu"], hardwareClass: "epyc", cores: 999 }] });
    expect(factsOf(declared, { nodes: [node("a1", { memoryBytes: 3 * GIB + 1 })] }).nodes).toEqual([
      {
        name: "a1",
        online: true,
        status: "draining",
        tags: ["gpu"],
        hardwareClass: "epyc",
        cores: 8,
        memoryMiB: 16384,
        usedMemoryMiB: 3072,
        guests: [],
      },
    ]);
  });

  it("nobody has declared are ordinary nodes", () => {
    expect(factsOf(cluster("a"), { nodes: [node("a9")] }).nodes[0]).toMatchObject({
      name: "a9",
      online: true,
      status: "active",
      tags: [],
      cores: 8,
    });
  });

  it("that are declared and not there are no candidates", () => {
    const declared = cluster("a", { nodes: [{ name: "gone", status: "active", tags: [] }] });
    expect(factsOf(declared, { nodes: [node("a1")] }).nodes.map((facts) => facts.name)).toEqual(["a1"]);
  });

  it.each<[NodeRow["status"], boolean]>([
    ["online", true],
    ["offline", false],
    ["unknown", false],
  ])("that are %s are online: %s", (status, online) => {
    expect(factsOf(cluster("a"), { nodes: [node("a1", { status })] }).nodes[0]?.online).toBe(online);
  });

  it("whose size the token may not see have the declared one, else none", () => {
    const hidden = { maxCpu: undefined, maxMemoryBytes: undefined };
    const declared = cluster("a", { nodes: [{ name: "a1", status: "active", tags: [], cores: 16, memoryBytes: 64 * GIB }] });
    expect(factsOf(declared, { nodes: [node("a1", hidden), node("a2", hidden)] }).nodes).toMatchObject([
      { name: "a1", cores: 16, memoryMiB: 65536 },
      { name: "a2", cores: 0, memoryMiB: 0 },
    ]);
    expect(factsOf(declared, { nodes: [node("a1", hidden)] }).nodes[0]).not.toHaveProperty("usedMemoryMiB");
  });
});

describe("guests", () => {
  it("occupy the node they are on, ours under their key", () => {
    const guests = [
      guestRow({ vmid: 100, node: "a1", name: "web", maxCpu: 2, maxMemoryBytes: 2 * GIB + MIB - 1, tags: ["web"], pool: "prod" }),
      guestRow({ vmid: 101, node: "a2", status: "stopped", maxCpu: undefined, maxMemoryBytes: undefined }),
      guestRow({ vmid: 102, node: "a1", guestType: "lxc", status: "unknown" }),
    ];
    const { nodes } = factsOf(cluster("a"), { guests, nodes: [node("a1"), node("a2")] }, { 100: "fed-1" });
    expect(nodes.map((facts) => facts.guests)).toEqual([
      [
        { key: "fed-1", vmid: 100, name: "web", cores: 2, memoryMiB: 2048, tags: ["web"], pool: "prod", running: true },
        { vmid: 102, name: undefined, cores: 0, memoryMiB: 0, tags: [], pool: undefined, running: false },
      ],
      [{ vmid: 101, name: undefined, cores: 0, memoryMiB: 0, tags: [], pool: undefined, running: false }],
    ]);
  });

  it("that are templates occupy nothing", () => {
    const { nodes } = factsOf(cluster("a"), { guests: [guestRow({ template: true })], nodes: [node("a1")] });
    expect(nodes[0]?.guests).toEqual([]);
  });

  it("are each on one node, and none is lost", () => {
    const guests = fc.uniqueArray(fc.record({ vmid: fc.nat(500), node: fc.constantFrom("a1", "a2"), template: fc.boolean() }), {
      selector: (guest) => guest.vmid,
    });
    fc.assert(
      fc.property(guests, (rows) => {
        const { nodes } = factsOf(cluster("a"), { guests: rows.map(guestRow), nodes: [node("a1"), node("a2")] });
        const found = nodes.flatMap((facts) => facts.guests.map((guest) => `${facts.name} ${guest.vmid}`)).sort();
        expect(found).toEqual(
          rows
            .filter((row) => !row.template)
            .map((row) => `${row.node} ${row.vmid}`)
            .sort(),
        );
      }),
    );
  });
});

describe("a cluster", () => {
  it("that did not answer is known by its declaration, with nothing to place on", () => {
    const declared = cluster("a", { nodes: [{ name: "a1", status: "active", tags: ["x"], cores: 8, memoryBytes: 16 * GIB }] });
    const inventory = toInventory(
      {
        federation: federation({ clusters: [declared] }),
        clusters: new Map([["a", { reachable: false, cluster: declared, reason: "No route to host" }]]),
      },
      () => undefined,
    );
    expect(inventory.clusters[0]).toMatchObject({
      reachable: false,
      unreachableReason: "No route to host",
      storages: [],
      nodes: [{ name: "a1", online: false, cores: 8, memoryMiB: 16384, tags: ["x"], guests: [] }],
    });
  });

  it("that answered has no reason why not", () => {
    expect(factsOf(cluster("a"), {})).not.toHaveProperty("unreachableReason");
  });

  it("offers its logical networks and its bridges, each once", () => {
    const declared = cluster("a", {
      network: { bridges: ["vmbr0", "lan"], networks: { lan: { bridge: "vmbr0", vlan: 7 } }, crossConnects: [] },
      images: { debian: "x" },
      templates: { golden: 9000 },
    });
    expect(factsOf(declared, {})).toMatchObject({ networks: ["lan", "vmbr0"], images: ["debian"], templates: ["golden"] });
  });

  it.each<[string, CapacityRules, CapacityRules, number]>([
    ["the defaults", {}, {}, DEFAULT_CAPACITY_RULES.overcommit.cpu],
    ["the federation's", { overcommit: { cpu: 2 } }, {}, 2],
    ["its own before the federation's", { overcommit: { cpu: 2 } }, { overcommit: { cpu: 3 } }, 3],
    ["the federation's where its own is absent", { overcommit: { cpu: 2 } }, { overcommit: { cpu: undefined, memory: 1 } }, 2],
  ])("obeys %s", (_which, everywhere, own, cpu) => {
    const rules = factsOf(cluster("a", { placement: own }), {}, {}, everywhere).capacityRules;
    expect(rules.overcommit.cpu).toBe(cpu);
    expect(rules.reserve).toEqual(DEFAULT_CAPACITY_RULES.reserve);
  });

  it("has the links it declares", () => {
    const declared = cluster("a", {
      network: { bridges: [], networks: {}, crossConnects: [{ targetCluster: "b", latencyMs: 5, bandwidthBitsPerSecond: 7 }] },
    });
    const snapshot: ClusterSnapshot = { reachable: true, cluster: declared, guests: [], nodes: [], storages: [] };
    expect(
      toInventory({ federation: federation({ clusters: [declared] }), clusters: new Map([["a", snapshot]]) }, () => undefined).links,
    ).toEqual([{ from: "a", to: "b", latencyMs: 5, bandwidthBitsPerSecond: 7 }]);
  });
});

describe("a pool's policy", () => {
  it("is in placement's units, rounded down", () => {
    const pool = {
      name: "prod",
      clusters: ["a"],
      limits: { maxVms: 3, maxMemoryBytes: 3 * MIB - 1 },
      placementPolicy: { strategy: "cost" as const, clusterWeights: { a: 50 }, rules: [] },
    };
    expect(toPoolPolicy(pool)).toEqual({
      name: "prod",
      clusters: ["a"],
      strategy: "cost",
      clusterWeights: { a: 50 },
      rules: [],
      limits: { maxVms: 3, maxCores: undefined, maxMemoryMiB: 2, maxStorageBytes: undefined },
    });
  });
});
