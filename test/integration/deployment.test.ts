import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack, type PulumiStack } from "../support/engine";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { REPOSITORY } from "./support/example-stack";
import { findLeftovers, getGuest } from "./support/federation-view";

const REPLICAS = ["shop-api-1", "shop-api-2", "shop-api-3"];

describe("the example of VMs placed together, on the real engine", () => {
  let federation: SimulatedFederation;
  let stack: PulumiStack;

  beforeAll(async () => {
    federation = await startSimulatedFederation();
    stack = await createStack(join(REPOSITORY, "examples", "joint-placement"), { env: federation.env });
  });
  afterAll(async () => {
    stack?.dispose();
    await federation?.stop();
  });

  it("shows every place in the preview and keeps to it, whatever order the engine registers the members in", async () => {
    const plan = join(stack.stateDir, "plan.json");
    const preview = await stack.preview({ args: ["--save-plan", plan, "--diff"] });
    const planned = Object.fromEntries(
      preview.steps.flatMap(({ name, inputs }) => (inputs?.placement ? [[name, (inputs.placement as { node: string }).node]] : [])),
    ) as Record<string, string>;
    expect(Object.keys(planned).sort()).toEqual([...REPLICAS, "shop-warehouse"].sort());
    for (const name of REPLICAS) expect(planned[name]).not.toBe(planned["shop-warehouse"]);

    await stack.up({ args: ["--plan", plan] });
    const world = () => federation.simulator.world;
    for (const [name, node] of Object.entries(planned)) expect(getGuest(world(), name).node).toBe(node);
    await stack.preview({ args: ["--expect-no-changes"] });
    await stack.destroy();
    expect(findLeftovers(world())).toEqual([]);
  });
});
