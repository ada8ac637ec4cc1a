/** A guest that its program gives up while it is on its way to another cluster. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/proxmox";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const WEB: Declared = { name: "web", kind: "vm", args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }] } };

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
  scenario = new ProgramScenario();
});
afterEach(() => vi.restoreAllMocks());

describe("destroying a VM after its restore and then the process were killed", () => {
  it("leaves neither what the restore has made of the claim nor its disk", async () => {
    await scenario.up([WEB]);
    scenario.prefer("b");
    let creates = 0;
    scenario.world.fault = (call) => {
      if (call.cluster === "b" && call.name === "qemu.create" && ++creates === 2) return "kill-task";
      return creates === 2 && call.write && call.name !== "qemu.updateConfig" ? "kill" : undefined;
    };
    await expect(scenario.up([WEB])).rejects.toThrow();
    expect(scenario.world.isKilled).toBe(true);
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    expect([...scenario.b.guests.values()].map(({ config }) => config)).toEqual([{ memory: "128" }]);
    expect(scenario.b.volumes.size).toBe(1);
    await scenario.destroy();
    expect([...scenario.a.guests, ...scenario.b.guests]).toEqual([]);
    expect(scenario.litter()).toEqual([]);
  });
});
