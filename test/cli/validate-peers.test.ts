import { describe, expect, it } from "vitest";
import { moveRequirements } from "../../src/cli/validate/connectivity/move-needs";
import { checkPeers, peerFindings } from "../../src/cli/validate/connectivity/peers";
import type { Federation, MigrationPath, ResourcePool } from "../../src/config";
import type { AuditEntry } from "../../src/providers/audit";
import { cluster, federation } from "../support/fake-federation";

function path(sourceCluster: string, targetCluster: string, changes: Partial<MigrationPath> = {}): MigrationPath {
  return { sourceCluster, targetCluster, method: "backup-restore", compression: true, encryptionRequired: false, ...changes };
}

function withPaths(paths: MigrationPath[], changes: Partial<Federation> = {}): Federation {
  return federation({ migration: { preMigrationChecks: [], paths }, ...changes });
}

function pool(changes: Partial<ResourcePool> = {}): ResourcePool {
  return {
    name: "web",
    clusters: ["a", "b"],
    limits: {},
    placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] },
    ...changes,
  };
}

function move(changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id: "m1",
    at: "2026-01-01T00:10:00Z",
    by: { user: "ops", host: "here" },
    federation: "fed",
    stack: "s",
    resource: { kind: "vm", name: "web-1" },
    credentials: {},
    method: "backup-restore",
    result: "moved",
    from: { cluster: "a", node: "a1", vmid: 100 },
    to: { cluster: "b", node: "b1", vmid: 100 },
    archiveBytes: 1_000_000_000,
    startedAt: "2026-01-01T00:00:00Z",
    finishedAt: "2026-01-01T00:10:00Z",
    stages: [
      { step: "backing-up", at: "2026-01-01T00:00:00Z" },
      { step: "verified", at: "2026-01-01T00:01:20Z" },
    ],
    upids: [],
    ...changes,
  };
}

describe("between two clusters", () => {
  const near = new Map([
    ["a", 2],
    ["b", 30],
  ]);

  it("round trips from here bound the latency", () => {
    expect(checkPeers(withPaths([path("a", "b")]), near, [])).toEqual([
      { source: "a", target: "b", leastLatencyMs: 28, mostLatencyMs: 32 },
    ]);
  });

  it("nothing is said of one that was not reached", () => {
    expect(checkPeers(withPaths([path("a", "b")]), new Map([["a", 2]]), [])).toEqual([{ source: "a", target: "b" }]);
  });

  it("every pair of a pool counts where a default method lets guests move", () => {
    const given = federation({
      resourcePools: [pool()],
      migration: { preMigrationChecks: [], paths: [], defaultMethod: "backup-restore" },
    });
    expect(checkPeers(given, near, []).map(({ source, target }) => `${source}${target}`)).toEqual(["ab", "ba"]);
  });

  it("the newest finished move has measured the throughput", () => {
    const moves = [
      move({ archiveBytes: 5 }),
      move(),
      move({ result: "rolled-back", archiveBytes: 7 }),
      move({ from: { cluster: "b", node: "b1", vmid: 1 }, to: { cluster: "a", node: "a1", vmid: 1 } }),
    ];
    expect(checkPeers(withPaths([path("a", "b")]), new Map(), moves)).toEqual([
      { source: "a", target: "b", throughputBitsPerSecond: 100_000_000, throughputAt: "2026-01-01T00:10:00Z" },
    ]);
  });

  it("a move without stages, or of a few seconds, has measured nothing", () => {
    const short = move({
      stages: [
        { step: "backing-up", at: "2026-01-01T00:00:00Z" },
        { step: "verified", at: "2026-01-01T00:00:04Z" },
      ],
    });
    const { stages: _stages, ...older } = move();
    expect(checkPeers(withPaths([path("a", "b")]), new Map(), [older as AuditEntry, short])).toEqual([{ source: "a", target: "b" }]);
  });

  it("a declared latency that cannot be true is found, and a method the distance does not carry", () => {
    const link = { bridges: [], networks: {}, crossConnects: [{ targetCluster: "b", latencyMs: 4 }] };
    const given = withPaths([path("a", "b", { method: "storage" })], { clusters: [cluster("a", { network: link }), cluster("b")] });
    expect(peerFindings(given, checkPeers(given, near, [])).map(({ message }) => message)).toEqual([
      "a and b are at least 28 ms apart, and cross_connects declares 4 ms",
      "a and b are at least 28 ms apart: method storage needs less than 10 ms",
    ]);
    expect(
      peerFindings(
        given,
        checkPeers(
          given,
          new Map([
            ["a", 3],
            ["b", 6],
          ]),
          [],
        ),
      ),
    ).toEqual([]);
  });
});

describe("beyond the basic roles", () => {
  const texts = (given: Federation, id = "b", major = 9) =>
    moveRequirements(given, given.clusters.find((candidate) => candidate.id === id)!, major).map(
      ({ severity, privilege, paths }) => `${severity} ${privilege} ${paths.join("|")}`,
    );

  it("moves by backup and restore need nothing", () => {
    expect(texts(withPaths([path("a", "b")]))).toEqual([]);
  });

  it.each<[string, Federation]>([
    ["a path", withPaths([path("a", "b", { method: "storage" })])],
    ["the default method", federation({ migration: { preMigrationChecks: [], paths: [], defaultMethod: "offline" } })],
  ])("the target of a remote migration by %s lets guests in, on / and /vms", (_, given) => {
    expect(texts(given)).toEqual(
      expect.arrayContaining(["error Sys.Audit /", "error Sys.Incoming /", "error VM.Allocate /vms", "error VM.Config.Disk /vms"]),
    );
  });

  it("the source of a remote migration needs no more than before", () => {
    expect(texts(withPaths([path("a", "b", { method: "storage" })]), "a")).toEqual([]);
  });

  it("guests under HA need their entries read and recreated", () => {
    const clusters = [cluster("a"), cluster("b", { capabilities: { ha: true } })];
    expect(texts(withPaths([], { clusters }))).toEqual(["warning Sys.Audit /", "warning Sys.Console /"]);
    expect(texts(withPaths([path("a", "b", { haNames: { x: "y" } })]), "a")).toEqual(["warning Sys.Audit /", "warning Sys.Console /"]);
  });

  it("replication has another privilege in each version", () => {
    const given = withPaths([path("a", "b", { nodeNames: { a1: "b1" } })]);
    expect(texts(given, "b", 9)).toEqual(["warning VM.Replicate /vms"]);
    expect(texts(given, "b", 8)).toEqual(["warning Datastore.Allocate /storage"]);
  });

  it("a limit on backups needs Sys.Modify at the source", () => {
    expect(texts(withPaths([path("a", "b", { maxBandwidthBitsPerSecond: 1 })]), "a")).toEqual(["warning Sys.Modify /"]);
    expect(texts(withPaths([path("a", "b", { maxBandwidthBitsPerSecond: 1 })]), "b")).toEqual([]);
  });

  it("a pool with replication needs what its backup job needs, on its members", () => {
    const given = federation({
      backupStores: [{ name: "vault", type: "pbs", access: { a: { storage: "pbs", readAs: {} } } }],
      resourcePools: [pool({ replication: { schedule: "02:00", store: "vault" } })],
    });
    expect(texts(given, "a")).toEqual(["error Sys.Modify /", "error Sys.Audit /", "error Datastore.Allocate /storage/pbs"]);
    expect(texts(given, "b")).toEqual([]);
  });
});
