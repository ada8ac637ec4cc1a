/** What a guest's own Pulumi program demands, where the command line plans. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PlanReport } from "../../src/cli/plan/report";
import { formatDescription, type Identity, identityTag, type Mark } from "../../src/migration";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const CLUSTER = "worldstream-prod";
const APART = { type: "anti-affinity", target: "tag", operator: "must", value: "web", scope: "node" };

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
  const api = clientOf(simulated, CLUSTER);
  await api.pools.create("production-pool", "");
  await api.close();
  await make(101, "web-1", { demands: { rules: [APART] } });
  await make(102, "web-2", { demands: { rules: [APART] } });
  await make(103, "old", {});
});
afterAll(() => simulated.stop());

async function make(vmid: number, name: string, more: Partial<Mark>, size: Record<string, number> = {}): Promise<void> {
  const api = clientOf(simulated, CLUSTER);
  const identity: Identity = { federation: "acme", stack: "shop/prod", kind: "vm", name };
  const description = formatDescription("", { ...identity, generation: 1, phase: "settled", ...more });
  const shape = { vmid, name, cores: 2, memory: 4096, scsi0: "nvme:4", pool: "production-pool", description, ...size };
  await api.tasks.wait(await api.qemu.create("ams-1", shape));
  await api.qemu.updateConfig("ams-1", vmid, { tags: [identityTag(identity), ...(name.startsWith("web") ? ["web"] : [])].join(";") });
  await api.close();
}

async function run<T>(...argv: string[]): Promise<T> {
  const { out } = await federate([...argv, "--format", "json"], simulated.env);
  return JSON.parse(out) as T;
}

describe("a guest's own rules", () => {
  it("move it in a plan as those of its pool would", async () => {
    const { changes, notes } = await run<PlanReport>("plan");
    expect(changes.map(({ name, outcome }) => [name, outcome])).toEqual(expect.arrayContaining([["web-1", "moved"]]));
    expect(new Set(changes.map(({ to }) => to)).size).toBe(changes.length);
    expect(notes).toEqual([expect.stringMatching(/^their own rules are not known: old \(worldstream-prod\)/)]);
  });

  it("are respected by rebalance, which leaves a guest alone whose rules are not known", async () => {
    const big = { cores: 8, memory: 40_960 };
    for (const [index, name] of ["free-1", "free-2", "free-3"].entries()) await make(110 + index, name, { demands: {} }, big);
    await make(113, "bound", { demands: { pin: { node: "ams-1" } } }, big);
    await make(114, "older", {}, big);
    const rebalance = () => run<{ moves: { name: string }[]; notes: string[] }>("rebalance");
    // Proxmox's own list learns of guests with a delay.
    await expect.poll(async () => (await rebalance()).moves.length, { timeout: 30_000 }).toBeGreaterThan(0);
    const { moves, notes } = await rebalance();
    for (const { name } of moves) expect(name).toMatch(/^free-/);
    expect(notes).toEqual([expect.stringContaining("not known: old (worldstream-prod), older (worldstream-prod)")]);
  });

  it("keep migrate from taking a VM where its program would not have it", async () => {
    await make(104, "pinned", { demands: { pin: { cluster: CLUSTER } } });
    const { code, err } = await federate(
      ["migrate", "pinned", "--from", CLUSTER, "--to", "databarn-dr", "--hand-over", "--dry-run"],
      simulated.env,
    );
    expect([code, err]).toEqual([1, expect.stringContaining(`pins it to ${CLUSTER}, and would move it back`)]);
  });
});
