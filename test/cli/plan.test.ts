import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PlanReport } from "../../src/cli/plan/report";
import { setClusterStatus } from "../../src/cli/simulated-config";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const CLUSTER = "worldstream-prod";

let simulated: SimulatedFederation;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "plan-"));
  simulated = await startSimulatedFederation();
  const api = clientOf(simulated, CLUSTER);
  await api.pools.create("production-pool", "");
  for (const [vmid, name, node] of [
    [101, "web-1", "ams-1"],
    [102, "web-2", "ams-2"],
  ] as const) {
    const shape = { vmid, name, cores: 2, memory: 4096, scsi0: "nvme:4", net0: "virtio,bridge=vmbr0,tag=20", pool: "production-pool" };
    await api.tasks.wait(await api.qemu.create(node, shape));
  }
  await api.tasks.wait(await api.qemu.create("ams-1", { vmid: 900, name: "not-ours", cores: 1, memory: 512 }));
  await api.close();
});
afterAll(async () => {
  await simulated.stop();
  await rm(directory, { recursive: true, force: true });
});

async function run(...argv: string[]): Promise<{ code: number; report: PlanReport; err: string }> {
  const { code, out, err } = await federate([...argv, "--format", "json"], simulated.env);
  return { code, report: out === "" ? (undefined as never) : (JSON.parse(out) as PlanReport), err };
}

async function withStatus<T>(status: "active" | "draining", work: () => Promise<T>): Promise<T> {
  await simulated.edit((text) => setClusterStatus(text, CLUSTER, status));
  try {
    return await work();
  } finally {
    await simulated.edit((text) => setClusterStatus(text, CLUSTER, "active"));
  }
}

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

describe("federate plan", () => {
  it("leaves a federation at rest alone", async () => {
    const { code, report } = await run("plan");
    expect(code).toBe(0);
    expect(report).toMatchObject({ counts: { kept: 2, moved: 0, placed: 0, rejected: 0 }, changes: [] });
  });

  it("says what a drained cluster's guests would do, how much travels and how long that takes", async () => {
    const { code, report } = await withStatus("draining", () => run("plan"));
    expect(code).toBe(0);
    expect(report.counts).toEqual({ kept: 0, moved: 2, placed: 0, rejected: 0 });
    expect(report.movedBytes).toBe(8 * 1024 ** 3);
    expect(report.changes.map(({ name, from, why }) => [name, from, why])).toEqual([
      ["web-1", `${CLUSTER}/ams-1`, expect.stringContaining("draining")],
      ["web-2", `${CLUSTER}/ams-2`, expect.stringContaining("draining")],
    ]);
    expect(report.changes.every(({ to }) => to?.startsWith("databarn-dr/"))).toBe(true);
    expect(report.schedule!.ok).toBe(true);
    expect(report.schedule!.makespanSeconds).toBeGreaterThanOrEqual(report.schedule!.lowerBoundSeconds);
    const { out } = await withStatus("draining", () => federate(["plan"], simulated.env));
    expect(out).toMatch(/0 guests stay, 2 to move \(8 GiB between clusters\)/);
    expect(out).toMatch(/times the least possible \(bottleneck: /);
  });

  it("places VMs of a layout together, and draws them", async () => {
    const layout = await file(
      "layout.yaml",
      "vms:\n  - { name: api, count: 3, pool: production-pool, cores: 2, memory: 8GiB, tags: [api], antiAffinity: [api] }\n",
    );
    const html = join(directory, "plan.html");
    const { code, report } = await run("plan", "--layout", layout, "--html", html);
    expect(code).toBe(0);
    expect(report.changes.map(({ name, outcome }) => [name, outcome])).toEqual(["api-1", "api-2", "api-3"].map((name) => [name, "placed"]));
    expect(new Set(report.changes.map(({ to }) => to)).size).toBe(3);
    expect(await readFile(html, "utf8")).toContain("api-2");
  });

  it("with --exact has the cheapest plan proven, with --make-room searches for one", async () => {
    const exact = await withStatus("draining", () => run("plan", "--exact"));
    expect(exact.report).toMatchObject({ counts: { moved: 2, rejected: 0 }, movedBytes: 8 * 1024 ** 3, isProven: true });
    expect(exact.report.changes.map(({ why }) => why)).toEqual([expect.stringContaining("draining"), expect.stringContaining("draining")]);
    const { out } = await withStatus("draining", () => federate(["plan", "--make-room"], simulated.env));
    expect(out).toMatch(/2 to move \(8 GiB between clusters\), (no cheaper plan exists|a cheaper plan may exist)/);
    const refused = await federate(["rebalance", "--exact"], simulated.env);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("unknown option '--exact'")]);
  });

  it("says how to install the solver where it is missing", async () => {
    vi.doMock("highs", () => {
      throw new Error("Cannot find package 'highs'");
    });
    try {
      const { code, err } = await run("plan", "--exact");
      expect([code, err]).toEqual([2, expect.stringContaining("npm install highs")]);
      expect(err).not.toMatch(/\n {4}at /);
    } finally {
      vi.doUnmock("highs");
    }
  });

  it("ends with 1 and the reason when something has no place", async () => {
    const layout = await file("huge.yaml", "vms: [{ name: huge, pool: production-pool, cores: 1, memory: 900GiB }]");
    const { code, report } = await run("plan", "--layout", layout);
    expect(code).toBe(1);
    expect(report.changes).toEqual([expect.objectContaining({ name: "huge", outcome: "rejected", why: expect.stringMatching(/memory/) })]);
  });

  it.each([
    ["vms: [", /layout: |bad\.yaml: /],
    ["vms: []", /bad\.yaml: vms/],
    ["vms: [{ name: a, cores: 0, memory: 1GiB }]", /bad\.yaml: vms\[0\]\.cores/],
    ["vms: [{ name: a, cores: 1, memory: 1GiB, colour: red }]", /bad\.yaml: vms\[0\].*colour/],
    ["vms: [{ name: a, pool: nope, cores: 1, memory: 1GiB }]", /there is no pool nope/],
    [
      "vms: [{ name: a, pool: production-pool, cores: 1, memory: 1GiB }, { name: a, pool: production-pool, cores: 1, memory: 1GiB }]",
      /two VMs are called a/,
    ],
  ])("refuses the layout %s", async (text, message) => {
    const layout = await file("bad.yaml", text);
    const { code, err } = await run("plan", "--layout", layout);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe("federate whatif", () => {
  it("says for each node whether its loss can be taken", async () => {
    const { code, out } = await federate(["whatif"], simulated.env);
    expect(out).toContain(`${CLUSTER}/ams-1: absorbed`);
    // The only node of its cluster holds nothing, so nothing is lost with it.
    expect([code, out]).toEqual([0, expect.stringContaining("hetzner-edge/fsn-1: absorbed")]);
  });

  it("moves the guests of a lost node or cluster and shows the fullness before and after", async () => {
    const node = await run("whatif", "--lose", `${CLUSTER}/ams-1`);
    expect(node.report.changes).toEqual([expect.objectContaining({ name: "web-1", outcome: "moved", from: `${CLUSTER}/ams-1` })]);
    const cluster = await run("whatif", "--lose", CLUSTER);
    expect(cluster.report.changes.map(({ to }) => to?.split("/")[0])).toEqual(["databarn-dr", "databarn-dr"]);
    const { out } = await federate(["whatif", "--drain", CLUSTER], simulated.env);
    expect(out).toMatch(/databarn-dr +cores 0 % → \d+ % +memory 0 % → \d+ %/);
  });

  it.each([
    ["nowhere", /there is no cluster nowhere.*worldstream-prod/],
    [`${CLUSTER}/ams-9`, /has no node ams-9. It has ams-1, ams-2, ams-3/],
  ])("refuses --lose %s", async (place, message) => {
    const { code, err } = await run("whatif", "--lose", place);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe("federate rebalance", () => {
  interface Plan {
    moves: { from: { node: string }; to: { cluster: string; node: string } }[];
    linkBytes: number;
    scoreBefore: number;
    scoreAfter: number;
  }
  async function rebalance(): Promise<Plan> {
    const { out } = await federate(["rebalance", "--max-moves", "2", "--least-gain", "1", "--format", "json"], simulated.env);
    return JSON.parse(out) as Plan;
  }

  it("finds nothing to gain in a layout that is even", async () => {
    const { code, out } = await federate(["rebalance"], simulated.env);
    expect([code, out]).toEqual([0, "nothing to gain: the layout stays as it is\n"]);
  });

  it("spreads what somebody has piled up on one node, inside the budget, and moves nothing itself", async () => {
    const guests = simulated.simulator.world.state.clusters[CLUSTER]!.guests;
    const before = structuredClone(guests);
    for (let vmid = 300; vmid < 306; vmid++)
      guests[String(vmid)] = { ...structuredClone(guests["101"]!), vmid, config: { name: `piled-${vmid}`, cores: "8", memory: "32768" } };
    simulated.simulator.world.touch();
    try {
      // Proxmox's own list learns of guests with a delay.
      await expect.poll(async () => (await rebalance()).moves.length, { timeout: 30_000 }).toBeGreaterThan(0);
      const plan = await rebalance();
      expect(plan.moves.length).toBeLessThanOrEqual(2);
      expect(plan.moves.every(({ from, to }) => from.node === "ams-1" && to.cluster === CLUSTER)).toBe(true);
      expect(plan.moves.every(({ to }) => to.node !== "ams-1")).toBe(true);
      expect(plan.linkBytes).toBe(0);
      expect(plan.scoreAfter).toBeGreaterThan(plan.scoreBefore);
      expect(Object.values(guests).filter(({ node }) => node === "ams-1").length).toBeGreaterThanOrEqual(7);
    } finally {
      simulated.simulator.world.state.clusters[CLUSTER]!.guests = before;
    }
  });

  it.each([
    [["--max-bytes", "lots"], /--max-bytes/],
    [["--max-moves", "-1"], /max-moves/],
  ])("refuses %s", async (argv, message) => {
    const { code, err } = await federate(["rebalance", ...argv], simulated.env);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});
