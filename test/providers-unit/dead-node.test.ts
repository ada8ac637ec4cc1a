/** One node of a cluster is down: what only it can tell must not stop the plans of everybody else. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/proxmox";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const web = (name: string): Declared => ({
  name,
  kind: "vm",
  args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }], networks: [{ network: "lan" }] },
});

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
  scenario = new ProgramScenario();
});
afterEach(() => vi.restoreAllMocks());

/** A guest of others on a2, in a pool of theirs, and a2 down; ours are on a1. */
async function loseNode(): Promise<void> {
  scenario.a.deadNodes.add("a2");
  await scenario.up([web("one")]);
  scenario.a.addGuest({ vmid: 700, node: "a2", pool: "finance", config: { net0: "virtio=BC:24:11:00:00:77,bridge=vmbr0" } });
}

describe("a dead node that holds a guest of others", () => {
  it("hinders neither plans nor creates nor changes on the other nodes", async () => {
    await loseNode();
    expect((await scenario.preview([web("one")])).one?.step).toBe("same");
    expect(await scenario.up([web("one"), web("two")])).toEqual({ one: "same", two: "create" });
    expect(scenario.outputs("two").placement).toMatchObject({ cluster: "a", node: "a1" });
  });

  it("of the target does not hinder a move there; what was not compared is said", async () => {
    await scenario.up([web("one")]);
    scenario.b.deadNodes.add("b2");
    scenario.b.addGuest({ vmid: 700, node: "b2", config: { net0: "virtio=BC:24:11:00:00:77,bridge=vmbr0" } });
    scenario.prefer("b");
    expect((await scenario.preview([web("one")])).one).toMatchObject({
      step: "replace",
      inputs: { placement: { cluster: "b", node: "b1" } },
    });
    expect(scenario.world.reports.join("\n")).toMatch(/addresses of 1 guests of b were not compared.*down: b2/);
  });
});
