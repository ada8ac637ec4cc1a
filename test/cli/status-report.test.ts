import { describe, expect, it } from "vitest";
import type { Asked } from "../../src/cli/ask-clusters";
import { askClusters } from "../../src/cli/ask-clusters";
import { EXIT } from "../../src/cli/exit-codes";
import { plain } from "../../src/cli/io";
import type { ClusterReading } from "../../src/cli/status/read";
import { statusExitCode, toStatusReport } from "../../src/cli/status/report";
import { statusText } from "../../src/cli/status/text";
import type { ClusterClients } from "../../src/inventory";
import type { GuestRow, NodeRow, ProxmoxApi, StorageRow } from "../../src/proxmox";
import { cluster, federation, guestRow } from "../support/fake-federation";

const GIB = 1024 ** 3;

function node(name: string, changes: Partial<NodeRow> = {}): NodeRow {
  return { kind: "node", node: name, status: "online", maxCpu: 10, maxMemoryBytes: 100 * GIB, memoryBytes: 20 * GIB, ...changes };
}

function storage(name: string, onNode: string, changes: Partial<StorageRow> = {}): StorageRow {
  return {
    kind: "storage",
    storage: name,
    node: onNode,
    status: "available",
    shared: false,
    content: ["images"],
    totalBytes: 100 * GIB,
    usedBytes: 0,
    ...changes,
  };
}

function guest(vmid: number, onNode: string, changes: Partial<GuestRow> = {}): GuestRow {
  return guestRow({ vmid, node: onNode, maxCpu: 4, maxMemoryBytes: 8 * GIB, ...changes });
}

function reading(changes: Partial<ClusterReading> = {}): ClusterReading {
  return {
    version: "9.2.11",
    latencyMs: 12,
    status: { quorate: true, nodes: [] },
    guests: [],
    nodes: [node("a1"), node("a2")],
    storages: [],
    tasks: [],
    copies: [],
    moves: [],
    backups: [],
    gaps: [],
    ...changes,
  };
}

function answer(value: ClusterReading): Asked<ClusterReading> {
  return { cluster: cluster("a", { location: { name: "Amsterdam, NL" } }), ok: true, value };
}

const down: Asked<ClusterReading> = { cluster: cluster("b"), ok: false, kind: "unreachable", reason: "connect ECONNREFUSED" };

function reportOf(value: ClusterReading) {
  const asked = [answer(value), down];
  return {
    asked,
    report: toStatusReport(federation({ clusters: asked.map((entry) => entry.cluster) }), asked, { restores: [], ways: [] }),
  };
}

describe("copies of backups at other members", () => {
  const nowSeconds = Date.now() / 1000;
  const backup = { pool: "prod", vmid: 101, name: "web", ageSeconds: 60, rpoSeconds: 7200 };
  const at = (id: string, newest: [number, number][]): Asked<ClusterReading> => ({
    cluster: cluster(id),
    ok: true,
    value: reading({ copies: [{ pool: "prod", from: "a", storage: "arrivals", newest: new Map(newest) }] }),
  });
  const reportWith = (others: Asked<ClusterReading>[]) => {
    const asked = [answer(reading({ backups: [backup] })), ...others];
    const report = toStatusReport(federation({ clusters: asked.map((entry) => entry.cluster) }), asked, { restores: [], ways: [] });
    return report.clusters[0]!;
  };

  it("are as old as the newest backup that has arrived of the guest", () => {
    const { problems, live } = reportWith([at("b", [[101, nowSeconds - 3600]]), down]);
    expect(problems).toEqual([]);
    expect(live!.backups[0]!.copies).toEqual([{ cluster: "b", ageSeconds: expect.closeTo(3600, -1) }]);
  });

  it("are a problem when they are later than the pool's rpo, or have never arrived", () => {
    const late = reportWith([at("b", [[101, nowSeconds - 10_800]]), at("c", [[102, nowSeconds]])]);
    expect(late.health).toBe("degraded");
    expect(late.problems).toEqual([
      "copies of pool prod at b are later than its rpo of 2 h: web (3 h)",
      "copies of pool prod at c are later than its rpo of 2 h: web (none)",
    ]);
  });
});

describe("a cluster's capacity", () => {
  const capacity = (changes: Partial<ClusterReading>) => reportOf(reading(changes)).report.clusters[0]!.live!.capacity;

  it("is what placement may hand out, less what it handed out", () => {
    // Cores: 4 : 1 less 10 % of 10 physical ones is 39 a node. Memory: 1 : 1 less 15 % of 100 GiB is 85 GiB.
    const { cpu, memory } = capacity({ guests: [guest(100, "a1"), guest(101, "a2"), guest(102, "a2", { template: true })] });
    expect(cpu).toEqual({ cores: 20, grantableCores: 78, allocatedCores: 8, availableCores: 70, pressurePermille: 0 });
    expect(memory).toEqual({
      totalBytes: 200 * GIB,
      grantableBytes: 170 * GIB,
      allocatedBytes: 16 * GIB,
      availableBytes: 154 * GIB,
      usedBytes: 40 * GIB,
      pressurePermille: 0,
    });
  });

  it("leaves out what is on nodes that are offline", () => {
    const { cpu } = capacity({ nodes: [node("a1"), node("a2", { status: "offline" })], guests: [guest(100, "a2")] });
    expect(cpu).toMatchObject({ cores: 10, allocatedCores: 0 });
  });

  it("does not lend the room of one node to a full one", () => {
    const { cpu } = capacity({ guests: [guest(100, "a1", { maxCpu: 50 })] });
    expect(cpu).toMatchObject({ grantableCores: 78, allocatedCores: 50, availableCores: 39, pressurePermille: 1000 });
  });

  it("has the pressure of the fullest node and storage", () => {
    // Memory from 70 % on: 85 % is half the way. Storage from 80 % on: 90 % is half the way.
    const { memory, storages } = capacity({
      nodes: [node("a1", { memoryBytes: 85 * GIB }), node("a2")],
      storages: [storage("fast", "a1", { usedBytes: 90 * GIB }), storage("fast", "a2")],
    });
    expect(memory.pressurePermille).toBe(500);
    expect(storages.map(({ node: where, pressurePermille, availableBytes }) => ({ where, pressurePermille, availableBytes }))).toEqual([
      { where: "a1", pressurePermille: 500, availableBytes: 0 },
      { where: "a2", pressurePermille: 0, availableBytes: 90 * GIB },
    ]);
  });
});

describe("a cluster's health", () => {
  it.each<[string, Partial<ClusterReading>, string[]]>([
    [
      "no quorum",
      { status: { quorate: false, nodes: [] } },
      ["no quorum: nothing can be changed there until most of its nodes see each other"],
    ],
    ["an offline node", { nodes: [node("a1"), node("a2", { status: "offline" })] }, ["node a2 is offline"]],
    [
      "a storage that is not there",
      { storages: [storage("fast", "a1", { status: "unknown" })] },
      ["storage fast is not available on node a1"],
    ],
    [
      "a storage of an offline node",
      { nodes: [node("a1"), node("a2", { status: "unknown" })], storages: [storage("fast", "a2", { status: "unknown" })] },
      ["node a2 is unknown"],
    ],
  ])("is degraded by %s", (_, changes, problems) => {
    const { report } = reportOf(reading(changes));
    expect(report.clusters[0]).toMatchObject({ health: "degraded", problems });
    expect(statusExitCode(report, [])).toBe(EXIT.finding);
  });

  it("is not degraded by a quorum that is not visible", () => {
    const { report } = reportOf(reading({ status: undefined }));
    expect(report.clusters[0]).toMatchObject({ health: "ok", problems: [] });
    expect(report.clusters[0]!.live).not.toHaveProperty("quorate");
  });
});

describe("the text", () => {
  it("shows each cluster with what is wrong and what goes on", () => {
    const { report } = reportOf(
      reading({
        guests: [guest(100, "a1"), guest(101, "a2", { status: "stopped" }), guest(102, "a2", { template: true, status: "stopped" })],
        storages: [storage("fast", "a1", { usedBytes: 50 * GIB }), storage("fast", "a2")],
        tasks: Array.from({ length: 6 }, (_, index) => ({
          node: "a1",
          type: "vzdump",
          id: String(100 + index),
          user: "u",
          startTimeSeconds: 1_000,
        })),
        moves: [{ vmid: 101, node: "a2", resource: "web" }],
        gaps: ["tasks of node a2 cannot be read: timeout"],
      }),
    );
    expect(statusText(report, 1_090, plain)).toBe(
      [
        "federation fed, 2 clusters",
        "",
        "● a  primary, Amsterdam, NL",
        "  Proxmox VE 9.2.11 · quorate · 2 of 2 nodes online · 2 guests, 1 running · 1 template · answers in 12 ms",
        "    cores                   8 of 78 handed out            10 %",
        "    memory                  16 GiB of 170 GiB handed out  9 %",
        "    storage fast (2 nodes)  50 GiB of 200 GiB used        25 %",
        "  running tasks: vzdump 100 on a1 (1 min), vzdump 101 on a1 (1 min), vzdump 102 on a1 (1 min), vzdump 103 on a1 (1 min), vzdump 104 on a1 (1 min), 1 more",
        "  unfinished move: web: vm 101 on a2, its mark cannot be read",
        "  not read: tasks of node a2 cannot be read: timeout",
        "",
        "✗ b  primary",
        "  unreachable: connect ECONNREFUSED",
      ].join("\n"),
    );
  });
});

describe("asking clusters", () => {
  const clients: ClusterClients = { get: async ({ id }) => ({ clusterId: id }) as ProxmoxApi, close: async () => undefined };
  const connection = {
    apiUrls: [],
    credentials: { kind: "token", tokenId: "", secret: { kind: "environment", variable: "X" } },
    tls: { verify: true },
    connectTimeoutMs: 1,
    requestTimeoutMs: 4,
  } as const;
  const clusters = [cluster("a", { connection: { ...connection, apiUrls: [] } }), cluster("b")];

  it("ends with the timeouts, and cancels what is under way", async () => {
    let cancelled = false;
    const asked = await askClusters(clusters, clients, (_api, _cluster, { signal }) => {
      signal?.addEventListener("abort", () => {
        cancelled = true;
      });
      return new Promise<never>(() => undefined);
    });
    expect(asked).toMatchObject([
      { ok: false, kind: "unreachable", reason: "Cluster a did not answer within 0.005 s (its connection_timeout and request_timeout)." },
      { ok: false, kind: "not-contacted" },
    ]);
    expect(cancelled).toBe(true);
  });

  it("does not take a fault of this program for an answer", async () => {
    await expect(askClusters(clusters, clients, () => Promise.reject(new TypeError("bug")))).rejects.toThrow("bug");
  });
});
