/** What people do to the guests of a move between two of its steps. */
import { describe, expect, it } from "vitest";
import { formatDescription } from "../../src/migration";
import type { CallRecord } from "../support/fake-world";
import {
  attempt,
  attemptOrDie,
  failAt,
  flawsOfFinished,
  flawsOfRolledBack,
  GIB,
  IDENTITY,
  type MoveScenario,
  markOf,
  oneMoveScenarioAtATime,
  POOL,
  SOURCE_VMID,
} from "../support/move-scenario";

const begin = oneMoveScenarioAtATime();

/** Kills the move after the first call for which that holds. */
async function killAfter(scenario: MoveScenario, when: (call: CallRecord) => boolean): Promise<void> {
  scenario.world.fault = (call) => (when(call) ? "kill-after" : undefined);
  expect(await attemptOrDie(scenario)).toBe("killed");
  scenario.world.fault = () => undefined;
  scenario.world.revive(60_000);
}

/** The claim on b is removed by hand, and its vmid is free again. */
function removeFromTarget({ b }: MoveScenario): void {
  b.guests.get(SOURCE_VMID)!.power = "stopped";
  b.guests.delete(SOURCE_VMID);
  b.volumes.clear();
}

describe("the claimed vmid, given to somebody else while the source is backed up", () => {
  it.each([{}, { warm: true, live: true }])("is not restored over (%o)", async (options) => {
    const scenario = begin(options);
    let taken = false;
    scenario.world.fault = (call) => {
      if (call.name === "backup.start" && !taken) {
        taken = true;
        removeFromTarget(scenario);
        scenario.b.addGuest(
          { vmid: SOURCE_VMID, node: "b1", power: "stopped", config: { name: "payroll", memory: "512" } },
          { scsi0: { storage: "fast", sizeBytes: GIB, writes: ["payroll"] } },
        );
      }
      return undefined;
    };
    const outcome = await attempt(scenario);
    expect(taken).toBe(true);
    expect(outcome.ok === false && outcome.error.message).toMatch(/vm 100 on b\/b1 is not the claim of web any more.*Run again/s);
    expect(scenario.b.guests.get(SOURCE_VMID)?.config.name).toBe("payroll");
    expect(scenario.b.writesOf(SOURCE_VMID)).toEqual(["payroll"]);
    scenario.world.fault = () => undefined;
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(markOf(scenario.a, SOURCE_VMID)?.successor?.vmid).toBe(101);
    expect(scenario.b.writesOf(SOURCE_VMID)).toEqual(["payroll"]);
  });

  it("nor is a claim that somebody has given a disk", async () => {
    const scenario = begin();
    scenario.world.fault = (call) => {
      if (call.name === "backup.start") scenario.b.guests.get(SOURCE_VMID)!.config.scsi3 = "fast:vm-100-disk-7,size=1G";
      return undefined;
    };
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(/not the claim of web any more/);
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });
});

describe("a move whose target was started", () => {
  const arriving = async (): Promise<MoveScenario> => {
    const scenario = begin();
    await killAfter(scenario, (call) => call.name === "qemu.start");
    expect(markOf(scenario.a, SOURCE_VMID)?.move?.step).toBe("finishing");
    return scenario;
  };

  it("and has lost its mark by hand is not made a second time", async () => {
    const scenario = await arriving();
    scenario.b.guests.get(SOURCE_VMID)!.config.description = "the shop";
    delete scenario.b.guests.get(SOURCE_VMID)!.config.tags;
    const writes = scenario.world.calls.filter((call) => call.write).length;
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(/vm 100 on b\/b1.*no longer carries.*mark/s);
    expect(scenario.world.calls.filter((call) => call.write)).toHaveLength(writes);
    expect(scenario.b.guests.size).toBe(1);
  });

  it("and was removed by hand, whose vmid is a stranger's now, begins anew under another one", async () => {
    const scenario = await arriving();
    removeFromTarget(scenario);
    scenario.b.addGuest({
      vmid: SOURCE_VMID,
      node: "b1",
      power: "stopped",
      config: { name: "payroll", memory: "512", smbios1: "uuid=payroll" },
    });
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(scenario.b.guests.get(SOURCE_VMID)?.config.name).toBe("payroll");
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("and was removed by hand leaves no archive, and can be rolled back", async () => {
    const scenario = await arriving();
    removeFromTarget(scenario);
    scenario.world.fault = (call) => (call.name === "backup.start" ? "refuse" : undefined);
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });
});

describe("a source that is given something no backup carries, after the checks of the preview", () => {
  it.each<[string, Record<string, string>, RegExp]>([
    ["a disk taken off", { unused0: "fast:vm-100-disk-9" }, /unused0 \(fast:vm-100-disk-9\)/],
    ["a disk left out of backups", { scsi4: "fast:vm-100-disk-9,backup=0,size=1G" }, /scsi4 \(fast:vm-100-disk-9\)/],
    ["a snapshot", { parent: "before-upgrade" }, /snapshots \(before-upgrade\)/],
  ])("(%s) is not retired: it runs again, with all it had", async (_what, given, message) => {
    const scenario = begin();
    await killAfter(scenario, (call) => call.name === "backup.start");
    Object.assign(scenario.a.guests.get(SOURCE_VMID)!.config, given);
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(message);
    expect(scenario.a.guests.get(SOURCE_VMID)!.config).toMatchObject(given);
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });

  it("is moved without the disk of another owner that it uses: that one moves by itself", async () => {
    const scenario = begin();
    scenario.a.guests.get(SOURCE_VMID)!.config.scsi4 = "fast:vm-300-disk-0,backup=0,size=1G";
    expect(await attempt(scenario)).toEqual({ ok: true });
  });
});

describe("a source that somebody unfences while its copy is restored", () => {
  it.each(["running", "stopped"] as const)("and is %s then, keeps what it may have written: the copy goes", async (power) => {
    const scenario = begin();
    let done = false;
    scenario.world.fault = () => {
      if (!done && markOf(scenario.b, SOURCE_VMID)?.phase === "restored") {
        done = true;
        delete scenario.a.guests.get(SOURCE_VMID)!.config.template;
        scenario.a.guests.get(SOURCE_VMID)!.power = power;
      }
      return undefined;
    };
    const outcome = await attempt(scenario);
    expect(done).toBe(true);
    expect(outcome.ok === false && outcome.error.message).toMatch(/vm 100 on a\/a1 was unfenced or started/);
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });
});

describe("a store that is gone when the guest has been restored already", () => {
  it("keeps nobody from starting it", async () => {
    const scenario = begin();
    scenario.world.fault = (call) => (call.name === "qemu.start" ? "kill" : undefined);
    expect(await attemptOrDie(scenario)).toBe("killed");
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    expect(scenario.b.guests.get(SOURCE_VMID)?.power).toBe("stopped");
    delete scenario.a.storages["bk-a"]!.store;
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(scenario.b.guests.get(SOURCE_VMID)?.power).toBe("running");
    expect(markOf(scenario.a, SOURCE_VMID)?.phase).toBe("retired");
  });
});

describe("a copy that somebody has restored at the target by hand, with our mark", () => {
  it("is not taken for what the move has brought: the source is not retired for it", async () => {
    const scenario = begin();
    scenario.world.fault = (call) => (call.cluster === "b" ? "kill" : undefined);
    expect(await attemptOrDie(scenario)).toBe("killed");
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    const { config } = scenario.a.guests.get(SOURCE_VMID)!;
    const description = formatDescription("", { ...IDENTITY, generation: 1, phase: "settled" });
    scenario.b.addGuest({
      vmid: 300,
      node: "b1",
      pool: POOL,
      power: "stopped",
      config: { name: "web", memory: "2048", tags: config.tags!, description },
    });
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(/vm 300 on b\/b1 carries the mark of web too/);
    expect(flawsOfRolledBack(scenario)).toEqual(["left on the target: 300"]);
  });
});

describe("a plan that was changed while the source was at a stand", () => {
  it.each(["refuse", "kill", "kill-after"] as const)("leaves no source stopped that nobody knows of (%s at any call)", async (fault) => {
    const lost: number[] = [];
    for (let nth = 1; ; nth++) {
      const scenario = begin();
      await killAfter(scenario, (call) => call.name === "backup.start");
      failAt(scenario.world, nth, fault);
      const first = scenario.world.calls.length + 1;
      await attempt(scenario, { target: { api: scenario.b, node: "b2", pool: POOL, storage: "fast" } });
      if (scenario.world.calls.length < first + nth - 1) break;
      const stopped = scenario.a.guests.get(SOURCE_VMID)!.power === "stopped";
      if (stopped && markOf(scenario.a, SOURCE_VMID)?.phase === "settled") lost.push(nth);
    }
    expect(lost).toEqual([]);
  });
});
