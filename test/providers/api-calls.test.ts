import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineReplay } from "../support/engine-replay";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const COUNT = 200;

interface Requests {
  clusters: Record<string, { total: number }>;
}

describe(`${COUNT} VMs at rest`, () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  const program = [
    pool("production-pool", { limits: { maxVms: COUNT } }),
    ...Array.from({ length: COUNT }, (_, index) =>
      vm(`vm-${String(index).padStart(3, "0")}`, {
        cores: 1,
        memory: "512MiB",
        disks: [{ size: "64MiB" }],
        networks: [{ network: "lan" }],
      }),
    ),
  ];

  beforeAll(async () => {
    federation = await startSimulatedFederation({ timeScale: 1000 });
    stack = startStack(federation);
    await stack.up(program);
  });
  afterAll(async () => {
    await federation?.stop();
  });

  async function countCalls(operation: () => Promise<unknown>): Promise<Record<string, number>> {
    await federation.admin("DELETE", "/requests");
    await operation();
    const { clusters } = await federation.admin<Requests>("GET", "/requests");
    return Object.fromEntries(Object.entries(clusters).map(([id, { total }]) => [id, total]));
  }

  it("are previewed with at most three API calls per cluster", async () => {
    const calls = await countCalls(async () => {
      const steps = await stack.preview(program);
      expect(steps.filter((step) => step.operation !== "same")).toEqual([]);
    });
    for (const count of Object.values(calls)) expect(count).toBeLessThanOrEqual(3);
  });

  it("are refreshed with at most one further call per VM", async () => {
    const calls = await countCalls(async () => {
      const steps = await stack.refresh();
      expect(steps.filter((step) => step.drift)).toEqual([]);
    });
    const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
    // One per VM, the looks at three clusters, and the pool on its two members.
    expect(total).toBeLessThanOrEqual(COUNT + 3 * 3);
  });
});
