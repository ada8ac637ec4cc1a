import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EngineReplay } from "../support/engine-replay";
import { OperationFailedError } from "../support/replay-model";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const small = { cores: 1, memory: "1GiB", disks: [{ size: "1GiB" }], networks: [{ network: "lan" }] };

interface Requests {
  clusters: Record<string, { total: number; methods: Record<string, number> }>;
}

describe("what cannot work", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;

  beforeEach(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
  });
  afterEach(async () => {
    await federation.stop();
  });

  /** The messages of a failed `up`, which must not have written anything. */
  async function refusal(program: Parameters<EngineReplay["up"]>[0]): Promise<string> {
    await federation.admin("DELETE", "/requests");
    const failure = await stack.up(program).then(
      () => expect.unreachable("the update succeeded"),
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(OperationFailedError);
    expect(await federation.admin("GET", "/guests")).toEqual([]);
    return (failure as OperationFailedError).failures.map(({ message }) => message).join("\n");
  }

  async function writes(): Promise<number> {
    const { clusters } = await federation.admin<Requests>("GET", "/requests");
    return Object.values(clusters).reduce((sum, { methods }) => sum + (methods.POST ?? 0) + (methods.PUT ?? 0) + (methods.DELETE ?? 0), 0);
  }

  it("refuses a wrong token with the cluster and what to do", async () => {
    federation.env.DATABARN_TOKEN = "00000000-0000-0000-0000-000000000000";
    const message = await refusal([pool("production-pool"), vm("web-1", small)]);
    expect(message).toMatch(/databarn-dr/);
    expect(message).toMatch(/token/i);
    expect(message).not.toMatch(/00000000-0000/);
    expect(await writes()).toBe(0);
  });

  it("refuses a missing credential by the name of its variable", async () => {
    delete federation.env.DATABARN_TOKEN;
    expect(await refusal([pool("production-pool"), vm("web-1", small)])).toMatch(/DATABARN_TOKEN/);
    expect(await writes()).toBe(0);
  });

  it("refuses an unknown key of federation.yaml with file, line and key", async () => {
    await federation.edit((text) => text.replace("tier: primary", "teir: primary"));
    const message = await refusal([pool("production-pool"), vm("web-1", small)]);
    expect(message).toMatch(/federation\.yaml:\d+:\d+: clusters\[0\]\.teir: .*tier/s);
    expect(await writes()).toBe(0);
  });

  it("refuses a VM that fits nowhere, node by node", async () => {
    const message = await refusal([pool("production-pool"), vm("huge", { ...small, memory: "900GiB" })]);
    expect(message).toMatch(/0 of \d+ nodes fit/);
    expect(message).toMatch(/memory/);
  });

  it("refuses a disk no storage has room for", async () => {
    for (const [cluster, storage, nodes] of [
      ["worldstream-prod", "nvme", ["ams-1", "ams-2", "ams-3"]],
      ["databarn-dr", "ssd", ["rtm-1", "rtm-2"]],
    ] as const)
      for (const node of nodes) await federation.admin("POST", `/storages/${cluster}/${storage}`, { freeBytes: 1024 ** 3, node });
    expect(await refusal([pool("production-pool"), vm("web-1", { ...small, disks: [{ size: "100GiB" }] })])).toMatch(/nvme|ssd/);
  });

  it("refuses rules that cannot be met and names them", async () => {
    const message = await refusal([
      pool("production-pool"),
      vm("web-1", { ...small, rules: [{ type: "location", target: "cluster", operator: "must", value: "atlantis" }] }),
    ]);
    expect(message).toMatch(/atlantis/);
  });

  it("refuses misspelt and malformed inputs by property", async () => {
    const message = await refusal([pool("production-pool"), vm("web-1", { ...small, memroy: "1GiB", cores: 0 })]);
    expect(message).toMatch(/memroy/);
    expect(message).toMatch(/cores|>=1|1/);
  });

  it("refuses a pool of that name that somebody else made", async () => {
    const { world } = federation.simulator;
    world.state.clusters["worldstream-prod"]!.pools["production-pool"] = { comment: "finance", vms: [], storages: [] };
    expect(await refusal([pool("production-pool"), vm("web-1", small)])).toMatch(/not ours.*finance/s);
  });
});

describe("one cluster down", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  const program = [
    pool("production-pool"),
    pool("development-pool"),
    vm("web-1", small),
    vm("dev-1", { ...small, pin: { cluster: "hetzner-edge" } }, "development-pool"),
  ];

  beforeEach(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
    await stack.up(program);
    await federation.admin("POST", "/clusters/hetzner-edge", { status: "down" });
  });
  afterEach(async () => {
    await federation.stop();
  });

  it("leaves plans and updates on the others working, and its own resources as they are", async () => {
    const changed = [...program.slice(0, 2), vm("web-1", { ...small, cores: 2 }), program[3]!, vm("web-2", small)];
    const preview = await stack.preview(changed);
    expect(Object.fromEntries(preview.map((step) => [step.name, step.operation]))).toEqual({
      "production-pool": "same",
      "development-pool": "same",
      "web-1": "update",
      "web-2": "create",
      "dev-1": "same",
    });
    await stack.up(changed);
    expect((stack.get("web-2").outputs.placement as { cluster: string }).cluster).not.toBe("hetzner-edge");
    await stack.refresh();
    expect((stack.get("dev-1").outputs.placement as { cluster: string }).cluster).toBe("hetzner-edge");
  });

  it("fails only the resource that needs it, with one clear error", async () => {
    const changed = [...program.slice(0, 3), vm("dev-1", { ...small, cores: 2, pin: { cluster: "hetzner-edge" } }, "development-pool")];
    await expect(stack.up(changed)).rejects.toThrow(/dev-1: update: .*hetzner-edge/s);
    expect(stack.get("dev-1").outputs.cores).toBe(1);
  });
});
