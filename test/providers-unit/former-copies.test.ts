/** The stopped source of a finished move, which people or a later update might take for the guest. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/proxmox";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const DAY_MS = 24 * 3600 * 1000;
const vm = (args: Declared["args"] = {}): Declared => ({
  name: "web",
  kind: "vm",
  args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }], ...args },
});
const disk = (args: Declared["args"] = {}): Declared => ({ name: "web", kind: "disk", args: { size: "2GiB", ...args } });

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
  scenario = new ProgramScenario();
});
afterEach(() => vi.restoreAllMocks());

const former = () => scenario.a.guests.get(100)!;

describe("a former copy that is to be kept for a week", () => {
  beforeEach(async () => {
    scenario.federation.migration.keepSourceMs = 7 * DAY_MS;
    await scenario.up([vm()]);
    scenario.prefer("b");
    await scenario.up([vm()]);
  });

  it.each<[string, "running" | "stopped"]>([
    ["runs", "running"],
    ["may have run", "stopped"],
  ])("is not destroyed when somebody has unfenced it, and it %s", async (_what, power) => {
    delete former().config.template;
    former().power = power;
    former().config.smbios1 = "uuid=changed";
    scenario.world.advance(8 * DAY_MS);
    await expect(scenario.up([vm()])).rejects.toThrow(/vm 100 on a\/a\d.*former copy.*unfenced or started.*qm set 100 --template 1/s);
    expect(former().power).toBe(power);
    expect(scenario.ours()).toHaveLength(2);
    Object.assign(former().config, { template: "1" });
    former().power = "stopped";
    await scenario.up([vm()]);
    expect(scenario.ours()).toEqual(["b/100 running"]);
  });
});

describe.each([
  [vm(), vm({ memory: "2GiB" })],
  [disk(), disk({ size: "4GiB" })],
])("the former copy of a $kind whose move was killed before the engine knew of it", (before, after) => {
  it("is not changed in place of the guest while that is out of sight", async () => {
    await scenario.up([before]);
    scenario.prefer("b");
    scenario.world.fault = (call) => (call.write && /"phase":"retired"/.test(former().config.description ?? "") ? "kill" : undefined);
    await expect(scenario.up([before])).rejects.toThrow();
    expect(scenario.world.isKilled).toBe(true);
    scenario.world.revive(60_000);
    scenario.world.fault = (call) => (call.cluster === "b" ? "offline" : undefined);
    scenario.prefer("a");
    const config = { ...former().config };
    await expect(scenario.up([after])).rejects.toThrow(/former copy.*vm 100 on b/s);
    expect(former().config).toEqual(config);
    scenario.world.fault = () => undefined;
    scenario.prefer("b");
    await scenario.up([after]);
    expect(scenario.ours()).toEqual([`b/100 ${before.kind === "vm" ? "running" : "stopped"}`]);
    expect(scenario.litter()).toEqual([]);
  });
});
