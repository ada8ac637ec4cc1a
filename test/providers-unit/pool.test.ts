import { beforeEach, describe, expect, it } from "vitest";
import type { Inputs } from "../../src/providers/inputs";
import { checkPool, createPool, deletePool, diffPool, readPool, updatePool } from "../../src/providers/pool/pool";
import { resolvePool } from "../../src/providers/pool/resolve";
import { POOL, ProgramScenario, STACK } from "../support/program-scenario";

const MARK = `proxmox-federation fed ${STACK} pool`;

let scenario: ProgramScenario;
beforeEach(() => {
  scenario = new ProgramScenario();
  for (const cluster of [scenario.a, scenario.b]) cluster.proxmoxPools.clear();
});

const program = (args: Inputs = {}): Inputs => ({
  name: "test",
  clusters: ["a", "b"],
  ...args,
  __identity: { stack: STACK, name: "pool" },
});

async function planned(args: Inputs = {}): Promise<Inputs> {
  const { inputs, failures } = await checkPool(scenario.session(), program(args));
  expect(failures).toEqual([]);
  return inputs;
}

const create = async (args: Inputs = {}) => createPool(scenario.session(), await planned(args));

describe("checking a pool", () => {
  it("takes what the program does not say from federation.yaml", async () => {
    const inputs = await planned({ name: POOL, clusters: undefined, limits: { maxVms: 3 } });
    expect(inputs.definition).toEqual({
      name: POOL,
      clusters: ["a", "b"],
      limits: { maxVms: 3 },
      placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] },
    });
  });

  it.each<[string, Inputs, string, RegExp]>([
    [
      "a pool that nobody defines",
      { clusters: undefined },
      "clusters",
      /test is not in resource_pools of federation.yaml: add it there, or give clusters here/,
    ],
    ["a cluster that nobody knows", { clusters: ["a", "z"] }, "clusters", /unknown clusters z \(known: a, b\)/],
    ["a limit that is none", { limits: { maxVms: -1 } }, "limits.maxVms", /./],
  ])("refuses %s", async (_what, args, property, reason) => {
    const { failures } = await checkPool(scenario.session(), program(args));
    expect(failures).toEqual([{ property, reason: expect.stringMatching(reason) }]);
  });
});

describe("a pool", () => {
  it("is made on every member, with our mark as its comment", async () => {
    const { outs } = await create({ description: "for tests" });
    expect(outs).toMatchObject({ present: ["a", "b"], pending: [] });
    for (const cluster of [scenario.a, scenario.b]) expect(cluster.proxmoxPools.get("test")).toEqual({ comment: `${MARK}: for tests` });
  });

  it("that is there already and ours is taken", async () => {
    await create();
    expect((await create()).outs).toMatchObject({ present: ["a", "b"] });
  });

  it("changes and goes while a member is lost, which is not contacted", async () => {
    const { outs } = await create();
    scenario.federation.clusters.find(({ id }) => id === "b")!.status = "lost";
    const changed = await planned({ description: "for more tests" });
    const updated = await updatePool(scenario.session(), outs, changed);
    expect(updated.outs).toMatchObject({ present: ["a", "b"], pending: [] });
    expect(diffPool(updated.outs, changed)).toEqual({ changes: false, replaces: [] });
    expect(scenario.a.proxmoxPools.get("test")).toEqual({ comment: `${MARK}: for more tests` });
    await deletePool(scenario.session(), updated.outs);
    expect([scenario.a.proxmoxPools.has("test"), scenario.b.proxmoxPools.get("test")]).toEqual([false, { comment: MARK }]);
    expect(scenario.world.reports.join("\n")).toMatch(/pool test stays on b, which is lost/);
  });

  it("of somebody else's is not touched", async () => {
    scenario.b.proxmoxPools.set("test", { comment: "finance" });
    await expect(create()).rejects.toThrow(/Pool test on cluster b exists and is not ours \(its comment: "finance"\)/);
    expect(scenario.b.proxmoxPools.get("test")).toEqual({ comment: "finance" });
  });

  it("whose mark only begins like ours is somebody else's", async () => {
    scenario.b.proxmoxPools.set("test", { comment: `${MARK}-2` });
    await expect(create()).rejects.toThrow(/is not ours/);
  });

  it("is made once although the answer is lost", async () => {
    let lost = false;
    scenario.world.fault = (call) => {
      if (call.name !== "pools.create" || lost) return undefined;
      lost = true;
      return "lose-reply";
    };
    expect((await create()).outs).toMatchObject({ present: ["a", "b"], pending: [] });
  });

  it("waits for a cluster that is away, and the next update makes it there", async () => {
    const inputs = await planned();
    scenario.world.fault = (call) => (call.cluster === "b" ? "offline" : undefined);
    const { outs } = await createPool(scenario.session(), inputs);
    expect(outs).toMatchObject({ present: ["a"], pending: ["b"] });
    scenario.world.fault = () => undefined;
    expect(diffPool(outs, inputs)).toEqual({ changes: true, replaces: [] });
    expect((await updatePool(scenario.session(), outs, inputs)).outs).toMatchObject({ present: ["a", "b"], pending: [] });
  });

  it("leaves a cluster that is no member any more, unless it holds guests there", async () => {
    const { outs } = await create();
    const inputs = await planned({ clusters: ["a"] });
    scenario.b.addGuest({ vmid: 100, node: "b1", pool: "test" });
    await expect(updatePool(scenario.session(), outs, inputs)).rejects.toThrow(/still holds guests: 100/);
    scenario.b.guests.clear();
    expect((await updatePool(scenario.session(), outs, inputs)).outs).toMatchObject({ present: ["a"] });
    expect(scenario.b.proxmoxPools.has("test")).toBe(false);
  });

  it("that somebody has removed is missed by a refresh and made again", async () => {
    const { id, outs } = await create();
    scenario.b.proxmoxPools.clear();
    const read = await readPool(scenario.session(), id, outs);
    expect(read).toMatchObject({ id, props: { present: ["a"], pending: ["b"] } });
    scenario.a.proxmoxPools.clear();
    expect((await readPool(scenario.session(), id, outs)).id).toBe("");
  });

  it("is deleted where it is ours, and only there", async () => {
    const { outs } = await create();
    scenario.b.proxmoxPools.set("test", { comment: "finance" });
    await deletePool(scenario.session(), outs);
    expect([scenario.a.proxmoxPools.has("test"), scenario.b.proxmoxPools.has("test")]).toEqual([false, true]);
  });
});

describe("the diff of a pool", () => {
  it("does not hang on the order of keys", async () => {
    const { outs } = await create({ limits: { maxVms: 1, maxCores: 2 } });
    expect(diffPool(outs, await planned({ limits: { maxCores: 2, maxVms: 1 } }))).toEqual({ changes: false, replaces: [] });
  });

  it.each<[string, Inputs, { changes: boolean; replaces: string[] }]>([
    ["limits", { limits: { maxVms: 1 } }, { changes: true, replaces: [] }],
    ["clusters", { clusters: ["a"] }, { changes: true, replaces: [] }],
    ["a description", { description: "x" }, { changes: true, replaces: [] }],
    ["the name", { name: "other" }, { changes: true, replaces: ["name"] }],
  ])("sees %s", async (_what, args, expected) => {
    const { outs } = await create();
    expect(diffPool(outs, await planned(args))).toEqual(expected);
  });
});

describe("the pool of a resource", () => {
  const resolve = (pool: string | undefined, inputs: Inputs = {}) => resolvePool(scenario.session(), pool, inputs);

  it("is the named one, else the federation's default", async () => {
    expect((await resolve(POOL)).name).toBe(POOL);
    expect((await resolve(undefined)).name).toBe(POOL);
  });

  it("is the program's own definition before any name", async () => {
    const definition = (await planned({ limits: { maxMemory: "8GiB" } })).definition;
    expect(await resolve("test", { __poolDefinition: definition })).toMatchObject({
      name: "test",
      clusters: ["a", "b"],
      limits: { maxMemoryBytes: 8 * 1024 ** 3 },
    });
  });

  it("is missed with what to do", async () => {
    await expect(resolve("nope")).rejects.toThrow(/Pool nope is not in resource_pools of federation.yaml \(known: prod\)/);
    scenario.federation.defaultPool = undefined;
    await expect(resolve(undefined)).rejects.toThrow(/pool is missing: name one of resource_pools, or set federation.default_pool/);
  });
});
