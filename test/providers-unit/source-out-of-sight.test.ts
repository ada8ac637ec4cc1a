/** A move that was interrupted, and whose source's cluster does not answer when the next update comes. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseDescription } from "../../src/migration";
import { systemClock } from "../../src/proxmox";
import type { FakeCluster } from "../support/fake-cluster";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const WEB: Declared = { name: "web", kind: "vm", args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }] } };
const DATA: Declared = { name: "data", kind: "disk", args: { size: "2GiB" } };

let scenario: ProgramScenario;
/** To the disk of the source, before the move. */
let written: string[];
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
  scenario = new ProgramScenario();
});
afterEach(() => vi.restoreAllMocks());

const generationOn = (cluster: FakeCluster) => parseDescription(cluster.guests.get(100)?.config.description).mark?.generation;
const phaseOn = (cluster: FakeCluster) =>
  [...cluster.guests.values()].map(({ config }) => parseDescription(config.description).mark?.phase);

/** Killed on its way from a to b, as soon as the target is in that phase. */
async function killAt(declared: Declared, phase: string): Promise<void> {
  await scenario.up([declared]);
  scenario.a.volumes.values().next().value!.writes.push("payroll");
  written = scenario.a.writesOf(100)!;
  scenario.prefer("b");
  scenario.world.fault = (call) => (call.write && phaseOn(scenario.b).includes(phase as "claimed") ? "kill" : undefined);
  await expect(scenario.up([declared])).rejects.toThrow();
  expect(scenario.world.isKilled).toBe(true);
  scenario.world.revive(60_000);
  scenario.world.fault = (call) => (call.cluster === "a" ? "offline" : undefined);
}

describe.each([WEB, DATA])("a move of a $kind", (declared) => {
  it.each(["claimed", "restored"])("is refused while only what is %s of it can be seen, and goes on afterwards", async (phase) => {
    await killAt(declared, phase);
    const before = scenario.ours();
    await expect(scenario.preview([declared])).rejects.toThrow(/on its way from a \(vm 100\).*a/s);
    await expect(scenario.up([declared])).rejects.toThrow(/on its way from a \(vm 100\)/);
    expect(scenario.ours()).toEqual(before);
    scenario.world.fault = () => undefined;
    await scenario.up([declared]);
    expect(scenario.ours()).toEqual([`b/100 ${declared.kind === "vm" ? "running" : "stopped"}`]);
    expect(scenario.b.writesOf(100)).toEqual(expect.arrayContaining(written));
    expect(scenario.litter()).toEqual([]);
  });

  it("that has arrived is taken over; its source goes when it is seen again, and nothing else does", async () => {
    await killAt(declared, "settled");
    await expect(scenario.up([declared])).rejects.toThrow();
    expect(scenario.outputs(declared.name).placement).toMatchObject({ cluster: "b" });
    scenario.world.fault = () => undefined;
    await scenario.up([declared]);
    expect(scenario.ours()).toEqual([`b/100 ${declared.kind === "vm" ? "running" : "stopped"}`]);
    expect(scenario.b.writesOf(100)).toEqual(expect.arrayContaining(written));
    expect(scenario.litter()).toEqual([]);
    expect((await scenario.preview([declared]))[declared.name]?.step).toBe("same");
  });

  it("that has arrived, was taken over and is to come back, comes back with what was written since", async () => {
    await killAt(declared, "settled");
    await expect(scenario.up([declared])).rejects.toThrow();
    scenario.world.fault = () => undefined;
    scenario.b.volumes.values().next().value!.writes.push("written on b");
    scenario.prefer("a");
    await scenario.up([declared]);
    expect(scenario.ours()).toEqual([expect.stringMatching(/^a\//)]);
    const [vmid] = scenario.a.guests.keys();
    expect(scenario.a.writesOf(vmid!)).toContain("written on b");
    expect(scenario.litter()).toEqual([]);
    expect((await scenario.preview([declared]))[declared.name]?.step).toBe("same");
  });

  it("that has arrived and was taken over keeps its source for as long as was asked", async () => {
    scenario.federation.migration.keepSourceMs = 7 * 24 * 3600 * 1000;
    await killAt(declared, "settled");
    await expect(scenario.up([declared])).rejects.toThrow();
    scenario.world.fault = () => undefined;
    await scenario.up([declared]);
    expect(scenario.ours()).toHaveLength(2);
    expect(phaseOn(scenario.a)).toEqual(["retired"]);
    expect((await scenario.preview([declared]))[declared.name]?.step).toBe("same");
    scenario.world.advance(8 * 24 * 3600 * 1000);
    await scenario.up([declared]);
    expect(scenario.ours()).toHaveLength(1);
    expect(scenario.litter()).toEqual([]);
  });

  it("that has arrived and was taken over loses no source that somebody has unfenced meanwhile", async () => {
    await killAt(declared, "settled");
    await expect(scenario.up([declared])).rejects.toThrow();
    scenario.world.fault = () => undefined;
    delete scenario.a.guests.get(100)!.config.template;
    await expect(scenario.up([declared])).rejects.toThrow(/former vm 100 on a.*may have run.*qm set 100 --template 1/s);
    expect(scenario.ours()).toHaveLength(2);
  });

  it("that has arrived and was taken over by a run that was killed, is the stack's all the same: it can be destroyed", async () => {
    await killAt(declared, "settled");
    scenario.world.fault = (call) => {
      if (call.cluster === "a") return "offline";
      return generationOn(scenario.b) === 3 ? "kill" : undefined;
    };
    await expect(scenario.up([declared])).rejects.toThrow();
    expect(scenario.world.isKilled).toBe(true);
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    await scenario.up([declared]);
    expect(scenario.ours()).toEqual([`b/100 ${declared.kind === "vm" ? "running" : "stopped"}`]);
    await scenario.destroy();
    expect(scenario.ours()).toEqual([]);
    expect(scenario.litter()).toEqual([]);
  });

  it("that has arrived, was taken over and is killed on its way back, loses nothing that was written since", async () => {
    await killAt(declared, "settled");
    await expect(scenario.up([declared])).rejects.toThrow();
    scenario.b.volumes.values().next().value!.writes.push("written on b");
    scenario.prefer("a");
    scenario.world.fault = (call) => (call.write && phaseOn(scenario.a).includes("claimed") ? "kill" : undefined);
    await expect(scenario.up([declared])).rejects.toThrow();
    expect(scenario.world.isKilled).toBe(true);
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    await scenario.up([declared]);
    expect(scenario.ours()).toEqual([expect.stringMatching(/^a\//)]);
    const [vmid] = scenario.a.guests.keys();
    expect(scenario.a.writesOf(vmid!)).toContain("written on b");
    expect(scenario.litter()).toEqual([]);
  });
});
