/** A former copy that is to be kept for a while, through the life of its successor. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/proxmox";
import { sweepCalls } from "../support/call-sweep";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const DAY_MS = 24 * 3600 * 1000;
const WEB: Declared = { name: "web", kind: "vm", args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }] } };

let scenario: ProgramScenario;
beforeEach(async () => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
  scenario = new ProgramScenario();
  scenario.federation.migration.keepSourceMs = 7 * DAY_MS;
  await scenario.up([WEB]);
  scenario.prefer("b");
  await scenario.up([WEB]);
});
afterEach(() => vi.restoreAllMocks());

const planned = async () => (await scenario.preview([WEB])).web!;
const former = () => scenario.a.guests.get(100);

describe("the source of a finished move that is to be kept for a week", () => {
  it("stays stopped and fenced, says until when, and is no reason for a change", async () => {
    expect(scenario.ours()).toEqual(["a/100 stopped", "b/100 running"]);
    expect(former()?.config).toMatchObject({ template: "1", onboot: "0" });
    expect(scenario.world.reports.join("\n")).toMatch(
      /vm 100 on a stays, stopped and fenced, until 2026-01-08T.*first update after that removes it/,
    );
    expect(scenario.outputs("web").lastMove).toMatchObject({ sourceKeptUntil: expect.stringMatching(/^2026-01-08T/) });
    expect(scenario.litter()).toEqual([]);
    expect((await planned()).step).toBe("same");
  });

  it("is removed by the first update after that, and the preview says so", async () => {
    scenario.world.advance(8 * DAY_MS);
    expect(await planned()).toMatchObject({ step: "update", inputs: { cleanup: expect.stringMatching(/former vm 100 on a.*is removed/) } });
    await scenario.up([WEB]);
    expect(scenario.ours()).toEqual(["b/100 running"]);
    expect(scenario.a.volumes.size).toBe(0);
    expect((await planned()).step).toBe("same");
  });

  it("keeps its successor from being destroyed meanwhile, with what to do", async () => {
    await expect(scenario.destroy()).rejects.toThrow(
      /not destroyed: its former copy, vm 100 on a.*until 2026-01-08T.*overrideKeepSource true/,
    );
    expect(scenario.ours()).toHaveLength(2);
    scenario.world.advance(8 * DAY_MS);
    await scenario.destroy();
    expect(scenario.ours()).toEqual([]);
  });

  it("is in nobody's way when the VM moves back: it comes back under another vmid", async () => {
    scenario.prefer("a");
    await scenario.up([WEB]);
    expect(scenario.ours()).toEqual(["a/100 stopped", "a/101 running", "b/100 stopped"]);
    expect([...scenario.world.violations]).toEqual([]);
    scenario.world.advance(8 * DAY_MS);
    await scenario.up([WEB]);
    expect(scenario.ours()).toEqual(["a/101 running"]);
  });

  it("is kept although the process is killed at any call of the move, and nothing else is", async () => {
    const begin = async () => {
      scenario = new ProgramScenario();
      scenario.federation.migration.keepSourceMs = 7 * DAY_MS;
      await scenario.up([WEB]);
      scenario.prefer("b");
      return scenario.world;
    };
    const isKept = () => scenario.ours().join() === "a/100 stopped,b/100 running";
    const check = () => [...scenario.litter(), ...(isKept() ? [] : [scenario.ours().join()])];
    expect(await sweepCalls("kill-after", begin, () => scenario.up([WEB]), check)).toEqual([]);
  });

  it("goes although the process is killed at any call of its removal", async () => {
    scenario.world.advance(8 * DAY_MS);
    const before = scenario.world.calls.length;
    for (let nth = 1; former(); nth++) {
      const at = scenario.world.calls.length + nth;
      scenario.world.fault = ({ index }) => (index === at ? "kill-after" : undefined);
      await scenario.up([WEB]).catch((error: unknown) => {
        if (!(error instanceof Error)) throw error;
      });
      scenario.world.fault = () => undefined;
      scenario.world.revive(2_000);
    }
    expect(scenario.world.calls.length).toBeGreaterThan(before);
    await scenario.up([WEB]);
    expect(scenario.ours()).toEqual(["b/100 running"]);
    expect(scenario.litter()).toEqual([]);
  });
});
