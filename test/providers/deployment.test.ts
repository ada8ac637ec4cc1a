import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { EngineReplay } from "../support/engine-replay";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const CLUSTER = "worldstream-prod";

describe("VMs placed together", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;

  beforeEach(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
  });
  afterEach(async () => {
    await federation.stop();
  });

  /** As many small ones as nodes, which balance out, and one that needs a whole node. */
  function shapes() {
    const nodes = federation.simulator.world.state.clusters[CLUSTER]!.nodes;
    const small = { cores: 1, memory: "8GiB", pin: { cluster: CLUSTER }, disks: [{ size: "1GiB" }] };
    const big = { ...small, memory: "215GiB" };
    return { small, big, smallNames: Object.keys(nodes).map((node) => `shop-${node}`) };
  }

  const placeOf = (name: string) => stack.get(name).outputs.placement as { cluster: string; node: string };

  it("leave room for the one that needs most, where one after the other does not", async () => {
    const { small, big, smallNames } = shapes();
    const members = [...smallNames.map((name) => ({ name, args: small })), { name: "shop-big", args: big }];
    const peers = members.map(({ name, args }) => ({ kind: "vm", name, pool: "production-pool", args }));
    const apart = [
      pool("production-pool"),
      ...members.map(({ name, args }, index) => vm(name, { ...args, __before: JSON.stringify(peers.slice(0, index)), __ordered: true })),
    ];
    await expect(stack.preview(apart)).rejects.toThrow(/shop-big/);

    const deployment = {
      kind: "deployment",
      name: "shop",
      pool: "production-pool",
      shapes: [
        { args: small, names: smallNames },
        { args: big, names: ["shop-big"] },
      ],
    };
    const together = [
      pool("production-pool"),
      ...members.map(({ name, args }) => vm(name, { ...args, __before: "[]", __ordered: true, __together: JSON.stringify(deployment) })),
      vm("later", { ...small, __before: JSON.stringify([deployment]), __ordered: true }),
    ];
    await stack.up(together);
    for (const name of [...smallNames, "later"]) expect(placeOf(name).node).not.toBe(placeOf("shop-big").node);
    const again = await stack.preview(together);
    expect(again.map(({ operation }) => operation)).toEqual(again.map(() => "same"));
  });

  it("move together when their cluster is drained, and only then", async () => {
    const { small } = shapes();
    const { pin: _pin, ...free } = small;
    const names = ["web-1", "web-2"];
    const tagged = { ...free, tags: ["web"], antiAffinity: ["web"] };
    const deployment = { kind: "deployment", name: "web", pool: "production-pool", shapes: [{ args: tagged, names }] };
    const program = [
      pool("production-pool"),
      ...names.map((name) => vm(name, { ...tagged, __before: "[]", __ordered: true, __together: JSON.stringify(deployment) })),
    ];
    await stack.up(program);
    const home = placeOf("web-1").cluster;
    expect(placeOf("web-2").node).not.toBe(placeOf("web-1").node);
    await federation.edit((text) => setClusterStatus(text, home, "draining"));
    const steps = await stack.preview(program);
    const replaced = steps.filter(({ operation }) => operation === "replace").map(({ name }) => name);
    expect(replaced.sort()).toEqual(names);
    await stack.up(program);
    expect(placeOf("web-1").cluster).not.toBe(home);
    expect(placeOf("web-2").node).not.toBe(placeOf("web-1").node);
    await federation.edit((text) => setClusterStatus(text, home, "active"));
    const after = await stack.preview(program);
    expect(after.map(({ operation }) => operation)).toEqual(after.map(() => "same"));
  });
});
