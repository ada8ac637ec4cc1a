import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-codes";
import type { SelftestReport } from "../../src/cli/selftest/report";
import { runSelftest } from "../../src/cli/selftest/run";
import { settingsOf } from "../../src/cli/selftest/settings";
import { loadFederation } from "../../src/config";
import { CancelledByUserError } from "../../src/providers/cancellation";
import type { FaultRule } from "../../src/simulator/faults";
import { type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation({ timeScale: 2_000 });
});
afterAll(() => simulated.stop());
afterEach(() => simulated.admin("DELETE", "/faults"));

async function selftest(
  ...argv: string[]
): Promise<{ code: number; report: SelftestReport; results: Record<string, string>; err: string }> {
  const { code, out, err } = await federate(
    ["selftest", "--pool", "selftest", "--vmid-range", "9900-9909", "--format", "json", ...argv],
    simulated.env,
  );
  if (out === "") throw new Error(`no report: ${err}`);
  const report = JSON.parse(out) as SelftestReport;
  return {
    code,
    report,
    results: Object.fromEntries(report.steps.map(({ cluster, step, result }) => [`${cluster}: ${step}`, result])),
    err,
  };
}

/** By other eyes than the test's own: guests, volumes of its vmids, pool. */
async function remains(id: string): Promise<string[]> {
  return withClient(simulated, id, async (api) => {
    const rows = await api.listResources();
    const guests = rows.flatMap((row) => (row.kind === "guest" ? [`vm ${row.vmid}`] : []));
    const places = rows.flatMap((row) => (row.kind === "storage" ? [row] : []));
    const volumes = await Promise.all(places.map(({ node, storage }) => api.storage.listContent(node, storage, {})));
    const own = volumes.flat().filter(({ vmid }) => vmid !== undefined && vmid >= 9900 && vmid <= 9909);
    const pools = rows.flatMap((row) => (row.kind === "pool" ? [`pool ${row.pool}`] : []));
    return [...guests, ...own.map(({ volid }) => volid), ...pools.filter((pool) => pool === "pool selftest")];
  });
}

async function expectNothingLeft(): Promise<void> {
  const left = await Promise.all(simulated.simulator.clusters.map(({ id }) => remains(id)));
  expect(left).toEqual(simulated.simulator.clusters.map(() => []));
}

const order = (rule: FaultRule) => simulated.admin("POST", "/faults", rule);

describe("selftest", () => {
  it("goes through the life of a VM on every cluster, 9.2 and 8.4, and from each to the next", async () => {
    const { code, report, results } = await selftest();
    expect(report.steps.filter(({ result }) => result === "failed")).toEqual([]);
    expect(code).toBe(EXIT.ok);
    for (const [id, next] of [
      ["worldstream-prod", "databarn-dr"],
      ["databarn-dr", "hetzner-edge"],
    ])
      for (const step of [
        "create",
        "update in place",
        "grow the disk",
        "start",
        "move to another node",
        `move to ${next}`,
        "destroy",
        "nothing left",
      ])
        expect({ step: `${id}: ${step}`, result: results[`${id}: ${step}`] }).toEqual({ step: `${id}: ${step}`, result: "ok" });
    expect(report).toMatchObject({ pool: "selftest", interrupted: false, failed: 0 });
    for (const { seconds } of report.steps) expect(seconds).toBeGreaterThanOrEqual(0);
    await expectNothingLeft();
  });

  it("leaves out what a cluster of one node, alone, cannot do", async () => {
    const { code, report, results } = await selftest("--cluster", "hetzner-edge");
    expect(code).toBe(EXIT.ok);
    expect(report.clusters).toEqual(["hetzner-edge"]);
    expect(results["hetzner-edge: move to another node"]).toBe("skipped");
    expect(report.steps.filter(({ step }) => step.startsWith("move to ") && step !== "move to another node")).toEqual([]);
    await expectNothingLeft();
  });

  it("leaves out start and stop, by name, where the node has no KVM", async () => {
    const exitStatus = "KVM virtualisation configured, but not available. Either disable in VM configuration or enable in BIOS.";
    await order({ path: "*/status/start", times: 0, action: { kind: "task-fails", exitStatus } });
    const { code, report, results } = await selftest("--cluster", "worldstream-prod");
    expect(report.steps.filter(({ result }) => result === "failed")).toEqual([]);
    expect(code).toBe(EXIT.ok);
    expect(report.steps.find(({ step }) => step === "start")).toMatchObject({
      result: "skipped",
      detail: expect.stringContaining("no KVM"),
    });
    expect(results).toMatchObject({ "worldstream-prod: stop": "skipped", "worldstream-prod: move to another node": "ok" });
    await expectNothingLeft();
  });

  it.each<[string, FaultRule, string]>([
    ["the create", { method: "POST", path: "/nodes/{node}/qemu", action: { kind: "status", code: 500, reason: "out of space" } }, "create"],
    ["the growing", { path: "*/resize", action: { kind: "status", code: 500, reason: "zfs error: out of space" } }, "grow the disk"],
    ["the start", { path: "*/status/start", action: { kind: "task-fails", exitStatus: "start failed: QEMU exited" } }, "start"],
    [
      "the move in the cluster",
      { method: "POST", path: "*/migrate", action: { kind: "task-fails", exitStatus: "migration aborted" } },
      "move to another node",
    ],
    ["the backup of the move", { path: "*/vzdump", action: { kind: "task-fails", exitStatus: "job errors" } }, "move to databarn-dr"],
    [
      "the restore of the move",
      // The second create at the target; the first is the claim.
      {
        cluster: "databarn-dr",
        method: "POST",
        path: "/nodes/{node}/qemu",
        at: 2,
        action: { kind: "status", code: 500, reason: "restore failed" },
      },
      "move to databarn-dr",
    ],
    [
      "the destruction",
      { method: "DELETE", path: "/nodes/{node}/qemu/{vmid}", action: { kind: "task-fails", exitStatus: "dataset is busy" } },
      "destroy",
    ],
  ])("says which step failed, and still cleans up, when %s fails", async (_, rule, failing) => {
    const clusters = failing.startsWith("move to d")
      ? ["--cluster", "worldstream-prod", "--cluster", "databarn-dr"]
      : ["--cluster", "worldstream-prod"];
    await order(rule);
    const { code, report } = await selftest(...clusters);
    expect(report.steps.filter(({ result }) => result === "failed")).toMatchObject([{ step: failing }]);
    expect(code).toBe(EXIT.finding);
    await expectNothingLeft();
  });

  it("leaves out what rests on a failed step, with that reason", async () => {
    await order({ method: "POST", path: "/nodes/{node}/qemu", action: { kind: "status", code: 500, reason: "no space" } });
    const { report } = await selftest("--cluster", "worldstream-prod");
    const left = report.steps.filter(({ result }) => result === "skipped");
    expect(left.find(({ step }) => step === "grow the disk")).toMatchObject({ detail: 'it needs "worldstream-prod: create"' });
    expect(report.steps.find(({ step }) => step === "create")?.detail).toContain("no space");
  });

  it("removes first what an earlier test has left, and nobody else's guest", async () => {
    const kept = await selftest("--cluster", "worldstream-prod", "--keep");
    expect(kept.code).toBe(EXIT.ok);
    expect(await remains("worldstream-prod")).toEqual(expect.arrayContaining(["vm 9900", "pool selftest"]));
    await withClient(simulated, "worldstream-prod", async (api) => {
      await api.tasks.wait(await api.qemu.create("ams-1", { vmid: 9901, name: "somebody", memory: 16, pool: "selftest", scsi0: "nvme:1" }));
    });
    const again = await selftest("--cluster", "worldstream-prod");
    expect(again.report.steps.find(({ step }) => step === "clear")?.detail).toContain("removed vm 9900");
    // The pool holds somebody's guest: it is not empty and stays.
    expect(again.report.steps.filter(({ result }) => result === "failed").map(({ step }) => step)).toEqual(["remove the pool"]);
    expect((await remains("worldstream-prod")).filter((name) => !name.startsWith("nvme:"))).toEqual(["vm 9901", "pool selftest"]);
    await withClient(simulated, "worldstream-prod", async (api) => {
      await api.tasks.wait(await api.qemu.delete("ams-1", 9901, {}));
      await api.pools.delete("selftest");
    });
    await expectNothingLeft();
  });

  it("uses a pool that is there already, and leaves it", async () => {
    await withClient(simulated, "hetzner-edge", (api) => api.pools.create("selftest", "ours"));
    const { code, report } = await selftest("--cluster", "hetzner-edge");
    expect(code).toBe(EXIT.ok);
    expect(report.steps.find(({ step }) => step === "pool")?.detail).toContain("it was there before and stays");
    expect(await remains("hetzner-edge")).toEqual(["pool selftest"]);
    await withClient(simulated, "hetzner-edge", (api) => api.pools.delete("selftest"));
  });

  it("ends and cleans up when it is interrupted", async () => {
    const { federation } = await loadFederation(simulated.file);
    const settings = settingsOf(federation, {
      pool: "selftest",
      cluster: ["worldstream-prod"],
      storage: [],
      vmidRange: { first: 9900, last: 9909 },
    });
    const controller = new AbortController();
    const steps = await runSelftest({
      file: simulated.file,
      environment: simulated.env,
      federation,
      settings,
      keep: false,
      pace: { nowMs: Date.now, sleep: (ms) => delay(ms), signal: controller.signal, report: () => undefined, progress: () => undefined },
      onReport: ({ step }) => {
        if (step === "update in place") controller.abort(new CancelledByUserError("interrupted"));
      },
    });
    const resultOf = (name: string) => steps.find(({ step }) => step === name);
    expect(resultOf("grow the disk")).toMatchObject({ result: "skipped", detail: "interrupted" });
    expect(resultOf("clean up")).toMatchObject({ result: "ok", detail: "removed vm 9900" });
    expect(resultOf("nothing left")).toMatchObject({ result: "ok" });
    await expectNothingLeft();
  });

  it("only lists its steps with --dry-run, without asking anybody", async () => {
    const { code, out } = await federate(["selftest", "--pool", "selftest", "--dry-run", "-c", simulated.file], {});
    expect(code).toBe(EXIT.ok);
    expect(out).toContain("worldstream-prod  move to databarn-dr");
    expect(out).toContain("where the node has KVM");
  });

  it.each<[string, string[], string]>([
    ["a cluster that does not exist", ["--cluster", "nowhere"], "there is no cluster nowhere in the federation file"],
    ["vmids that are none", ["--vmid-range", "1-5"], "two vmids from 100 on"],
    ["a storage for a cluster that does not exist", ["--storage", "nowhere=nvme"], "--storage nowhere=nvme: give a storage"],
    ["a pool Proxmox would refuse", ["--pool", "9 lives"], "--pool 9 lives: a Proxmox pool begins with a letter"],
  ])("refuses %s", async (_, argv, message) => {
    const { code, err, out } = await federate(["selftest", "--pool", "selftest", ...argv], simulated.env);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: EXIT.usage, out: "" });
  });
});
