/** Moves among people, other moves and clusters that do not do as they are told. */
import { describe, expect, it } from "vitest";
import { formatDescription, identityTag, type MoveJournal, rollBackMove, storeOf, TargetNotAliveError } from "../../src/migration";
import { FakeCluster } from "../support/fake-cluster";
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
  type ScenarioOptions,
  SOURCE_VMID,
} from "../support/move-scenario";

const begin = oneMoveScenarioAtATime();

/** Kills the move before or after the first call for which that holds. */
async function killWhen(scenario: MoveScenario, fault: "kill" | "kill-after", when: (call: CallRecord) => boolean): Promise<void> {
  scenario.world.fault = (call) => (when(call) ? fault : undefined);
  expect(await attemptOrDie(scenario)).toBe("killed");
  scenario.world.fault = () => undefined;
  scenario.world.revive(60_000);
}

const isRestored = (scenario: MoveScenario) => markOf(scenario.b, SOURCE_VMID)?.phase === "restored";

describe("a source that somebody starts in the middle of an interrupted move", () => {
  it.each<[string, (scenario: MoveScenario) => Promise<void>]>([
    ["while only the archive is there", (scenario) => killWhen(scenario, "kill-after", (call) => call.name === "backup.start")],
    [
      "while the restored target stands ready",
      (scenario) => killWhen(scenario, "kill", (call) => call.cluster === "a" && isRestored(scenario)),
    ],
  ])("loses nothing that was written meanwhile (%s)", async (_when, interrupt) => {
    const scenario = begin();
    await interrupt(scenario);
    await scenario.a.qemu.updateConfig("a1", SOURCE_VMID, { delete: "template" });
    await scenario.a.tasks.wait(await scenario.a.qemu.start("a1", SOURCE_VMID));
    const written = scenario.a.writesOf(SOURCE_VMID)?.at(-1);
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(scenario.b.writesOf(SOURCE_VMID)).toContain(written);
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("between its shutdown and its fence is shut down again", async () => {
    const scenario = begin();
    let started = false;
    scenario.world.fault = (call) => {
      const source = scenario.a.guests.get(SOURCE_VMID)!;
      if (call.name === "qemu.updateConfig" && source.power === "stopped" && !started) {
        started = true;
        source.power = "running";
      }
      return undefined;
    };
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(started).toBe(true);
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("and unfences each time wins: the move is given up and it goes on running", async () => {
    const scenario = begin();
    scenario.world.fault = (call) => {
      const source = scenario.a.guests.get(SOURCE_VMID)!;
      if (call.name === "qemu.getStatus" && markOf(scenario.a, SOURCE_VMID)?.move?.step === "stopping") {
        source.power = "running";
        source.pending = {};
        delete source.config.template;
      }
      return undefined;
    };
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(/started again each time/);
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });
});

describe("a move that begins anew", () => {
  it("still knows that the source ran before: the rollback of the second attempt starts it", async () => {
    const scenario = begin();
    // First attempt: the restore fails, and the process dies in the rollback, before it has started the source again.
    let restores = 0;
    scenario.world.fault = (call) => {
      if (call.name === "qemu.create" && ++restores === 2) return "fail-task";
      return call.name === "qemu.start" ? "kill" : undefined;
    };
    expect(await attemptOrDie(scenario)).toBe("killed");
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    // Second attempt: fails too, and this time its rollback gets through.
    scenario.world.fault = (call) => (call.name === "backup.start" ? "refuse" : undefined);
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    scenario.world.fault = () => undefined;
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });

  it("because another node was planned rolls the old target back first", async () => {
    const scenario = begin();
    await killWhen(scenario, "kill-after", (call) => call.name === "backup.start");
    const target = { api: scenario.b, node: "b2", pool: POOL, storage: "fast" };
    expect(await attempt(scenario, { target })).toEqual({ ok: true });
    expect(scenario.b.guests.get(SOURCE_VMID)?.node).toBe("b2");
    expect(flawsOfFinished(scenario).filter((flaw) => flaw !== "the target is on b2")).toEqual([]);
  });

  it("on another cluster, after the target that may have run was removed by hand, keeps a journal that names the new place", async () => {
    const scenario = begin();
    const c = new FakeCluster("c", scenario.world, { nodes: ["c1"], storages: { fast: {}, "bk-c": { store: scenario.store } } });
    c.proxmoxPools.set(POOL, { comment: "" });
    scenario.clusters.set("c", c);
    await killWhen(scenario, "kill-after", (call) => call.name === "qemu.start");
    expect(markOf(scenario.a, SOURCE_VMID)?.move?.step).toBe("finishing");
    scenario.b.guests.get(SOURCE_VMID)!.power = "stopped";
    scenario.b.guests.delete(SOURCE_VMID);
    scenario.b.volumes.clear();
    const route = { ...scenario.route, target: "c", store: { ...storeOf(scenario.route), readStorage: "bk-c" } };
    const journals: (MoveJournal | undefined)[] = [];
    const adapt = async () => {
      journals.push(markOf(scenario.a, SOURCE_VMID)?.move);
    };
    expect(await attempt(scenario, { route, target: { api: c, node: "c1", pool: POOL, storage: "fast" }, adapt })).toEqual({ ok: true });
    expect(journals.map((journal) => journal?.target)).toEqual([{ cluster: "c", node: "c1", vmid: SOURCE_VMID }]);
  });
});

describe("a move that has all but arrived", () => {
  const arriving = async (): Promise<MoveScenario> => {
    const scenario = begin();
    await killWhen(scenario, "kill-after", (call) => call.name === "qemu.start");
    expect(markOf(scenario.a, SOURCE_VMID)?.move?.step).toBe("finishing");
    return scenario;
  };
  const writes = (scenario: MoveScenario) => scenario.world.calls.filter((call) => call.write).length;

  it("is left to people when its source was unfenced: both sides may have new data", async () => {
    const scenario = await arriving();
    delete scenario.a.guests.get(SOURCE_VMID)!.config.template;
    const before = writes(scenario);
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(/new data on both sides: vm 100 on a .*vm 100 on b/s);
    expect(writes(scenario)).toBe(before);
  });

  it("goes nowhere else", async () => {
    const scenario = await arriving();
    const c = new FakeCluster("c", scenario.world, { nodes: ["c1"], storages: { fast: {} } });
    scenario.clusters.set("c", c);
    const before = writes(scenario);
    const target = { api: c, node: "c1", pool: POOL, storage: "fast" };
    const outcome = await attempt(scenario, { route: { ...scenario.route, target: "c" }, target });
    expect(outcome.ok === false && outcome.error.message).toMatch(/all but arrived on b \(vm 100\)/);
    expect(writes(scenario)).toBe(before);
  });
});

describe("the target's vmid", () => {
  it("is another one where the source's is taken", async () => {
    const scenario = begin({ vmidTaken: true });
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(markOf(scenario.a, SOURCE_VMID)?.successor).toEqual({ cluster: "b", vmid: 101 });
    expect(scenario.b.guests.get(SOURCE_VMID)?.config.name).toBe("other");
  });

  it("is another one where the source's is taken by a guest that our token cannot see", async () => {
    const scenario = begin({ vmidHidden: true });
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(scenario.b.guests.get(SOURCE_VMID)?.config.name).toBe("other");
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("is taken from the cluster's range when the source's is not free", async () => {
    const scenario = begin({ vmidTaken: true });
    const target = { api: scenario.b, node: "b1", pool: POOL, storage: "fast", vmidRange: { first: 5000, last: 5001 } };
    expect(await attempt(scenario, { target })).toEqual({ ok: true });
    expect(markOf(scenario.a, SOURCE_VMID)?.successor?.vmid).toBe(5000);
  });
});

describe("two moves to one cluster from guests of the same vmid", () => {
  /** Another guest's restore under way on b, over its claim 100. */
  async function strangersRestore(scenario: MoveScenario): Promise<void> {
    const stranger = { ...IDENTITY, name: "db" };
    const claim = scenario.b.addGuest({
      vmid: SOURCE_VMID,
      node: "b1",
      pool: POOL,
      config: {
        memory: "16",
        tags: identityTag(stranger),
        description: formatDescription("", { ...stranger, generation: 2, phase: "claimed" }),
      },
    });
    scenario.store.archives.push({
      path: "backup/vzdump-qemu-100-2025_12_31-23_00_00.vma.zst",
      vmid: SOURCE_VMID,
      notes: "another move",
      protected: true,
      createdAtSeconds: 1,
      config: { memory: "512", scsi0: "fast:vm-100-disk-0,size=1G" },
      disks: [{ slot: "scsi0", sizeBytes: GIB, writes: ["db"] }],
    });
    await scenario.b.qemu.create("b1", {
      vmid: claim.vmid,
      archive: "bk-b:backup/vzdump-qemu-100-2025_12_31-23_00_00.vma.zst",
      storage: "fast",
      force: 1,
      tags: identityTag(stranger),
      description: formatDescription("", { ...stranger, generation: 2, phase: "restored" }),
    });
  }

  it("the rollback of one, which has claimed nothing yet, leaves the other's restore alone", async () => {
    const scenario = begin();
    // Killed after the journal is written and before anything is claimed.
    await killWhen(scenario, "kill", (call) => call.cluster === "b");
    expect(markOf(scenario.a, SOURCE_VMID)?.move?.step).toBe("preparing");
    await strangersRestore(scenario);
    // In the data phase the other's target is known by nothing but its pool.
    scenario.world.advance(5_000);
    const request = {
      identity: IDENTITY,
      source: { api: scenario.a, node: "a1", vmid: SOURCE_VMID },
      targetApi: scenario.b,
      targetPool: POOL,
      restart: true,
    };
    await rollBackMove(request, scenario.world.pace);
    scenario.world.advance(60_000);
    expect(scenario.b.writesOf(SOURCE_VMID)).toEqual(["db"]);
    expect(markOf(scenario.b, SOURCE_VMID)).toMatchObject({ name: "db", phase: "restored" });
  });

  it("the second one takes another vmid and does not wait for the first", async () => {
    const scenario = begin();
    await strangersRestore(scenario);
    expect(await attempt(scenario)).toEqual({ ok: true });
    scenario.world.advance(60_000);
    expect(markOf(scenario.a, SOURCE_VMID)?.successor).toEqual({ cluster: "b", vmid: 101 });
    expect(scenario.b.writesOf(SOURCE_VMID)).toEqual(["db"]);
  });
});

describe("a target that does not come up", () => {
  it("whose agent does not answer leaves both sides: the target running, the source stopped and fenced", async () => {
    const scenario = begin();
    const outcome = await attempt(scenario, {
      waitUntilAlive: async () => {
        throw new Error("its guest agent did not answer within 300 s");
      },
    });
    expect(outcome.ok === false && outcome.error).toBeInstanceOf(TargetNotAliveError);
    expect(outcome.ok === false && outcome.error.message).toMatch(
      /vm 100, but is not verified.*agent did not answer.*stays stopped and fenced/s,
    );
    const source = scenario.a.guests.get(SOURCE_VMID)!;
    expect([source.power, source.config.template]).toEqual(["stopped", "1"]);
    expect(scenario.b.guests.get(SOURCE_VMID)?.power).toBe("running");
    expect(scenario.store.archives).toHaveLength(1);
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("because its start fails is removed, and the source runs again", async () => {
    const scenario = begin();
    scenario.world.fault = (call) => (call.name === "qemu.start" && call.cluster === "b" ? "fail-task" : undefined);
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });

  it("whose start nobody could follow to its end is not raced by its source", async () => {
    const scenario = begin();
    let started = false;
    scenario.world.fault = (call) => {
      if (call.name === "qemu.start" && call.cluster === "b") started = true;
      return started && call.name === "tasks.wait" && call.cluster === "b" ? "offline" : undefined;
    };
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    scenario.world.advance(60_000);
    expect([...scenario.world.violations]).toEqual([]);
    scenario.world.fault = () => undefined;
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("while its source stays reachable and the target's whole cluster goes, is not raced by its source either", async () => {
    const scenario = begin();
    let started = false;
    scenario.world.fault = (call) => {
      if (call.name === "qemu.start" && call.cluster === "b") {
        started = true;
        return undefined;
      }
      return started && call.cluster === "b" ? "offline" : undefined;
    };
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    scenario.world.advance(60_000);
    expect([...scenario.world.violations]).toEqual([]);
    expect(scenario.a.guests.get(SOURCE_VMID)?.power).toBe("stopped");
  });
});

describe("a source that cannot be moved", () => {
  it("that does not shut down goes on running, with nothing left", async () => {
    const scenario = begin();
    scenario.a.guests.get(SOURCE_VMID)!.deaf = true;
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });

  it("that does not shut down is switched off where that is allowed", async () => {
    const scenario = begin();
    scenario.a.guests.get(SOURCE_VMID)!.deaf = true;
    expect(await attempt(scenario, { shutdown: { timeoutSeconds: 60, force: true } })).toEqual({ ok: true });
    expect(flawsOfFinished(scenario)).toEqual([]);
  });

  it("that is locked is refused with the administrator's command before anything is written", async () => {
    const scenario = begin();
    const source = scenario.a.guests.get(SOURCE_VMID)!;
    source.config.lock = "migrate";
    const before = { ...source.config };
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toContain("qm unlock 100");
    expect(source.config).toEqual(before);
    expect(scenario.b.guests.size).toBe(0);
  });

  it.each<[string, string | undefined, RegExp]>([
    ["without our mark", "just a guest", /no longer carries our mark/],
    [
      "with somebody else's mark",
      formatDescription("", { ...IDENTITY, stack: "other/prod", generation: 1, phase: "settled" }),
      /no longer carries our mark/,
    ],
  ])("%s is not touched", async (_kind, description, message) => {
    const scenario = begin();
    scenario.a.guests.get(SOURCE_VMID)!.config.description = description!;
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(message);
    expect(scenario.world.calls.filter((call) => call.write)).toEqual([]);
  });

  it("that has gone to another node meanwhile is not touched", async () => {
    const scenario = begin();
    scenario.a.guests.get(SOURCE_VMID)!.node = "a2";
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(/no longer on a\/a1.*Run again/s);
    expect(scenario.world.calls.filter((call) => call.write)).toEqual([]);
  });
});

describe("the limit of the way", () => {
  it.each<[string, "source" | "target" | undefined, boolean, boolean]>([
    ["both where nobody knows where the store stands", undefined, true, true],
    ["the restore where the store stands beside the source", "source", false, true],
    ["the backup where the store stands beside the target", "target", true, false],
  ])("holds for %s", async (_what, beside, backup, restore) => {
    const scenario = begin();
    scenario.a.permissions = { "/": { ...scenario.a.permissions["/"], "Sys.Modify": true } };
    const route = { ...scenario.route, bitsPerSecond: 100_000_000, store: { ...storeOf(scenario.route), ...(beside ? { beside } : {}) } };
    const limits: unknown[] = [];
    const create = scenario.b.qemu.create;
    scenario.b.qemu.create = (node, params, options) => {
      if (params.archive !== undefined) limits.push(params.bwlimit);
      return create(node, params, options);
    };
    expect(await attempt(scenario, { route, onLink: (work) => work(100_000_000) })).toEqual({ ok: true });
    expect([scenario.a.lastBackup?.bwlimit, limits]).toEqual([backup ? 12_207 : undefined, [restore ? 12_207 : undefined]]);
  });
});

describe("a store that is not what it seems", () => {
  it("that the target does not see ends in a rollback that names both reasons", async () => {
    const scenario = begin();
    delete scenario.b.storages["bk-b"]!.store;
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(
      /not visible on b: either bk-b is another store than bk-a of a, or the token lacks VM.Backup/,
    );
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });

  it("that does not exist at the source ends in a rollback", async () => {
    const scenario = begin();
    delete scenario.a.storages["bk-a"]!.store;
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });
});

describe("a restored guest that is not what was backed up", () => {
  it.each<[string, (config: Record<string, string>) => void, RegExp]>([
    [
      "a smaller disk",
      (config) => Object.assign(config, { scsi0: config.scsi0!.replace("size=8G", "size=4G") }),
      /scsi0 has 4294967296 bytes instead of 8589934592/,
    ],
    ["a missing disk", (config) => delete config.scsi0, /scsi0 is missing/],
    ["less memory", (config) => Object.assign(config, { memory: "512" }), /memory is 512 instead of 2048/],
    [
      "another MAC address",
      (config) => Object.assign(config, { net0: "virtio=BC:24:11:FF:FF:FF,bridge=vmbr0" }),
      /net0 lost its MAC address/,
    ],
  ])("(%s) is removed and the source runs again", async (_what, damage, message) => {
    const scenario = begin();
    let done = false;
    scenario.world.fault = () => {
      const target = scenario.b.guests.get(SOURCE_VMID);
      if (!done && target && markOf(scenario.b, SOURCE_VMID)?.phase === "restored") {
        damage(target.config);
        done = true;
      }
      return undefined;
    };
    const outcome = await attempt(scenario);
    expect(outcome.ok === false && outcome.error.message).toMatch(message);
    scenario.b.volumes.clear();
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });
});

describe("a rollback", () => {
  const request = (scenario: MoveScenario, restart = true) => ({
    identity: IDENTITY,
    source: { api: scenario.a, node: "a1", vmid: SOURCE_VMID },
    targetApi: scenario.b,
    targetPool: POOL,
    restart,
  });

  /** A move that was killed right before the target would have been started. */
  async function restored(): Promise<MoveScenario> {
    const scenario = begin();
    await killWhen(scenario, "kill", (call) => call.cluster === "a" && isRestored(scenario));
    return scenario;
  }

  it("takes everything back, and again changes nothing", async () => {
    const scenario = await restored();
    await rollBackMove(request(scenario), scenario.world.pace);
    expect(flawsOfRolledBack(scenario)).toEqual([]);
    const writes = scenario.world.calls.filter((call) => call.write).length;
    await rollBackMove(request(scenario), scenario.world.pace);
    expect(scenario.world.calls.filter((call) => call.write)).toHaveLength(writes);
  });

  it("killed at any call and run again, takes everything back", async () => {
    const counted = await restored();
    const before = counted.world.calls.length;
    await rollBackMove(request(counted), counted.world.pace);
    const calls = counted.world.calls.length - before;
    expect(calls).toBeGreaterThan(10);
    const found: string[] = [];
    for (const fault of ["kill", "kill-after"] as const)
      for (let nth = 1; nth <= calls; nth++) {
        const scenario = await restored();
        failAt(scenario.world, nth, fault);
        await expect(rollBackMove(request(scenario), scenario.world.pace)).rejects.toThrow("killed");
        scenario.world.fault = () => undefined;
        scenario.world.revive(5_000);
        await rollBackMove(request(scenario), scenario.world.pace);
        for (const flaw of flawsOfRolledBack(scenario)) found.push(`${fault} at ${nth}: ${flaw}`);
      }
    expect(found).toEqual([]);
  });

  it("in which one call is refused serves again after the next run", async () => {
    const counted = await restored();
    const before = counted.world.calls.length;
    await rollBackMove(request(counted), counted.world.pace);
    const calls = counted.world.calls.length - before;
    const found: string[] = [];
    for (const fault of ["refuse", "offline", "lose-reply", "fail-task"] as const)
      for (let nth = 1; nth <= calls; nth++) {
        const scenario = await restored();
        failAt(scenario.world, nth, fault);
        await rollBackMove(request(scenario), scenario.world.pace).catch(() => undefined);
        scenario.world.fault = () => undefined;
        scenario.world.advance(5_000);
        await rollBackMove(request(scenario), scenario.world.pace);
        for (const flaw of flawsOfRolledBack(scenario)) found.push(`${fault} at ${nth}: ${flaw}`);
      }
    expect(found).toEqual([]);
  });

  it("starts the source although the target's cluster is gone, and says that it is not finished", async () => {
    const scenario = await restored();
    scenario.world.fault = (call) => (call.cluster === "b" ? "offline" : undefined);
    await expect(rollBackMove(request(scenario), scenario.world.pace)).rejects.toThrow();
    expect(scenario.a.guests.get(SOURCE_VMID)?.power).toBe("running");
    scenario.world.fault = () => undefined;
    await rollBackMove(request(scenario), scenario.world.pace);
    expect(flawsOfRolledBack(scenario)).toEqual([]);
  });

  it("is refused once the target may have run", async () => {
    const scenario = begin();
    await killWhen(scenario, "kill-after", (call) => call.name === "qemu.start");
    await expect(rollBackMove(request(scenario), scenario.world.pace)).rejects.toThrow(/cannot be rolled back: its successor may have run/);
    expect(scenario.a.guests.get(SOURCE_VMID)?.power).toBe("stopped");
  });

  it("of somebody else's guest does nothing", async () => {
    const scenario = await restored();
    const stranger = { ...IDENTITY, name: "db" };
    const writes = scenario.world.calls.filter((call) => call.write).length;
    await rollBackMove({ ...request(scenario), identity: stranger }, scenario.world.pace);
    expect(scenario.world.calls.filter((call) => call.write)).toHaveLength(writes);
  });

  it("keeps a target that is somebody else's by now", async () => {
    const scenario = await restored();
    const target = scenario.b.guests.get(SOURCE_VMID)!;
    target.config.description = "taken over by hand";
    await rollBackMove(request(scenario), scenario.world.pace);
    expect(scenario.b.guests.get(SOURCE_VMID)).toBe(target);
    expect(scenario.a.guests.get(SOURCE_VMID)?.power).toBe("running");
  });
});

describe("a VM that was restored because its cluster was lost", () => {
  it.each<[string, ScenarioOptions]>([
    ["over a store", {}],
    ["live", { live: true }],
    ["by remote migration", { method: "storage" }],
  ])("keeps the note of it when it moves on %s: by that its old copy is known when it comes back", async (_how, options) => {
    const scenario = begin(options);
    const failover = { from: { cluster: "c", vmid: 77 }, archive: "bk-a:backup/old", backedUpAt: "2026-01-01T00:00:00.000Z" };
    const source = scenario.a.guests.get(SOURCE_VMID)!;
    source.config.description = formatDescription("the shop", { ...markOf(scenario.a, SOURCE_VMID)!, failover });
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(markOf(scenario.b, SOURCE_VMID)?.failover).toEqual(failover);
  });
});
