/** A guest that runs while its data arrive: what is kept, what is lost, and that it never runs twice. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type MoveRecord, rollBackMove } from "../../src/migration";
import type { CallRecord, Fault } from "../support/fake-world";
import {
  attempt,
  attemptOrDie,
  flawsOfFinished,
  flawsOfRolledBack,
  IDENTITY,
  type MoveScenario,
  markOf,
  oneMoveScenarioAtATime,
  POOL,
  SOURCE_VMID,
} from "../support/move-scenario";

const LIVE = { warm: true, live: true };

const begin = oneMoveScenarioAtATime();
let scenario: MoveScenario;
beforeEach(() => {
  scenario = begin(LIVE);
});

/** The restore over the claim: the claim itself is made by the same call. */
const isRestore = ({ name, cluster, vmid }: CallRecord) =>
  name === "qemu.create" &&
  cluster === "b" &&
  scenario.b.guests.has(vmid ?? 0) &&
  markOf(scenario.a, SOURCE_VMID)?.move?.step === "finishing";

function disturb(fault: Fault, when: (call: CallRecord) => boolean = isRestore): void {
  scenario.world.fault = (call) => (when(call) ? fault : undefined);
}

const calm = () => {
  scenario.world.fault = () => undefined;
};

const target = () => scenario.b.guests.get(SOURCE_VMID)!;
const source = () => scenario.a.guests.get(SOURCE_VMID)!;

/** The provider dies right after the restore was asked for. */
async function killedWhileRestoring(): Promise<void> {
  disturb("kill-after");
  expect(await attemptOrDie(scenario)).toBe("killed");
  calm();
}

function giveUp(): Promise<string | undefined> {
  const { a, b, world } = scenario;
  const ref = { api: a, node: "a1", vmid: SOURCE_VMID };
  return rollBackMove({ identity: IDENTITY, source: ref, targetApi: b, targetPool: POOL, restart: true }, world.pace).then(
    () => undefined,
    (error: Error) => error.message,
  );
}

describe("a live restore", () => {
  it("runs on its own bridge before its data are there, and keeps what was written before and meanwhile", async () => {
    let sawRunning = false;
    scenario.world.addLaw(() => {
      const guest = scenario.b.guests.get(SOURCE_VMID);
      if (guest?.power !== "running" || guest.config.lock !== "create") return [];
      sawRunning = true;
      const bridge = guest.config.net0?.includes("bridge=vmbr1") ? [] : [`started with ${guest.config.net0}`];
      return source().power === "stopped" && source().config.template === "1" ? bridge : ["the source is not stopped and fenced"];
    });
    const records: MoveRecord[] = [];
    expect(await attempt(scenario, { onEnd: async (record) => void records.push(record) })).toEqual({ ok: true });
    expect(sawRunning).toBe(true);
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
    expect(records).toMatchObject([{ result: "moved", liveRestore: true }]);
    expect(scenario.b.writesOf(SOURCE_VMID)?.filter((write) => write.startsWith("b/"))).toHaveLength(1);
  });

  it("is not asked for by a guest that shall not run", async () => {
    disturb("kill-task");
    expect(await attempt(scenario, { running: false })).toEqual({ ok: true });
    expect(markOf(scenario.a, SOURCE_VMID)?.move?.live).toBeUndefined();
  });

  it("is left out where the guest could not run from the start as declared", async () => {
    expect(await attempt(scenario, { liveShape: () => "net1 can only be changed before its start" })).toEqual({ ok: true });
    expect(scenario.world.reports).toContain("web: not restored live, since net1 can only be changed before its start");
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
  });

  it("that fails is rolled back to the final backup, and says what is lost since when", async () => {
    disturb("fail-task");
    const outcome = await attempt(scenario);
    expect(outcome).toMatchObject({
      ok: false,
      error: {
        message: expect.stringMatching(/live restore to vm 100 on b has failed: .*What web wrote there since its start \(2026-.*is lost/s),
      },
    });
    expect(flawsOfRolledBack(scenario, LIVE)).toEqual([]);
    calm();
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
  });

  it("whose worker is killed leaves a guest that runs: neither side is touched until it is stopped by hand", async () => {
    disturb("kill-task");
    const first = await attempt(scenario);
    expect(first).toMatchObject({ ok: false, error: { message: expect.stringContaining('"qm unlock 100 && qm stop 100" on node b1') } });
    calm();
    const stuck = () =>
      expect([source().power, target().power, markOf(scenario.a, SOURCE_VMID)?.move?.step]).toEqual(["stopped", "running", "finishing"]);
    stuck();
    expect(await attempt(scenario)).toMatchObject({ ok: false });
    expect(await giveUp()).toMatch(/still runs/);
    stuck();
    delete target().config.lock;
    target().power = "stopped";
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
  });

  it("whose worker and guest died with their node is rolled back; the locked rest is for an administrator and no twin", async () => {
    await killedWhileRestoring();
    scenario.world.revive(6_000);
    scenario.world.stopTask(
      scenario.world.listTasks("b", "b1").find(({ type, status }) => type === "qmrestore" && status === "running")!.upid,
    );
    target().power = "stopped";
    target().config.lock = "create";
    expect(await giveUp()).toBeUndefined();
    expect(source().power).toBe("running");
    expect(markOf(scenario.b, SOURCE_VMID)?.phase).toBe("claimed");
    const records: MoveRecord[] = [];
    expect(await attempt(scenario, { onEnd: async (record) => void records.push(record) })).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
    expect(records[0]).toMatchObject({ to: { vmid: 101 }, leftToDo: "qm unlock 100 && qm destroy 100 on node b1 of b" });
  });

  it("goes on when the provider dies: the next run waits for it, and loses nothing", async () => {
    await killedWhileRestoring();
    scenario.world.revive(6_000);
    expect(target()).toMatchObject({ power: "running", config: { lock: "create" } });
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
    // The claim and one restore.
    expect(scenario.world.calls.filter(({ name, cluster }) => name === "qemu.create" && cluster === "b")).toHaveLength(2);
  });

  it("that arrived while nobody watched is not given up: what it wrote would be lost", async () => {
    await killedWhileRestoring();
    scenario.world.revive(60_000);
    expect(await giveUp()).toMatch(/cannot be rolled back: its successor may have run/);
    expect([source().power, target().power]).toEqual(["stopped", "running"]);
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, LIVE)).toEqual([]);
  });

  it.each([
    ["is given up", giveUp, flawsOfRolledBack],
    ["is tried again from the same backup", async () => (await attempt(scenario)).ok, flawsOfFinished],
  ])("that failed while nobody watched %s", async (_what, next, flaws) => {
    disturb("fail-task");
    const die = vi.spyOn(scenario.b.tasks, "wait").mockImplementation(() => {
      scenario.world.fault = () => "kill";
      return scenario.b.getVersion() as never;
    });
    expect(await attemptOrDie(scenario)).toBe("killed");
    die.mockRestore();
    calm();
    scenario.world.revive(60_000);
    await next();
    expect(flaws(scenario, LIVE)).toEqual([]);
  });

  it("is not begun on a backup that the server has found damaged: the guest serves on", async () => {
    scenario.world.addLaw(() => {
      for (const archive of scenario.store.archives) archive.verification = "failed";
      return [];
    });
    expect(await attempt(scenario)).toMatchObject({ ok: false, error: { message: expect.stringMatching(/is damaged: .*verification/) } });
    expect(flawsOfRolledBack(scenario, LIVE)).toEqual([]);
    expect(markOf(scenario.a, SOURCE_VMID)?.phase).toBe("settled");
  });
});

describe("a restore from a backup server whose worker is killed on the node", () => {
  const WARM = { warm: true };
  /** "qm destroy" takes only disks that the configuration names. */
  const REMOVAL = "qm unlock 100 && qm destroy 100 && pvesm free fast:vm-100-disk-0";
  const isPlainRestore = ({ name, cluster }: CallRecord) =>
    name === "qemu.create" && cluster === "b" && markOf(scenario.a, SOURCE_VMID)?.move?.step === "restoring";

  beforeEach(() => {
    scenario = begin(WARM);
  });

  it("is rolled back, names the command for what stays locked, and the next move takes another vmid", async () => {
    disturb("kill-task", isPlainRestore);
    const records: MoveRecord[] = [];
    const onEnd = async (record: MoveRecord) => void records.push(record);
    const first = await attempt(scenario, { onEnd });
    expect(first).toMatchObject({ ok: false, error: { message: expect.stringContaining(`"${REMOVAL}" on node b1`) } });
    calm();
    expect([source().power, target().config]).toEqual(["running", { memory: "128", lock: "create" }]);
    expect(await attempt(scenario, { onEnd })).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, WARM)).toEqual([]);
    expect(records).toMatchObject([
      { result: "rolled-back", leftToDo: `${REMOVAL} on node b1 of b` },
      { result: "moved", to: { vmid: 101 } },
    ]);
    expect(target().config).toEqual({ memory: "128", lock: "create" });
  });

  it("together with the provider, is taken up under another vmid", async () => {
    scenario.world.fault = (call) =>
      isPlainRestore(call)
        ? "kill-task"
        : call.name === "tasks.wait" && markOf(scenario.a, SOURCE_VMID)?.move?.step === "restoring"
          ? "kill"
          : undefined;
    expect(await attemptOrDie(scenario)).toBe("killed");
    calm();
    scenario.world.revive(60_000);
    const records: MoveRecord[] = [];
    expect(await attempt(scenario, { onEnd: async (record) => void records.push(record) })).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, WARM)).toEqual([]);
    expect(records).toMatchObject([{ to: { vmid: 101 }, leftToDo: `${REMOVAL} on node b1 of b` }]);
  });

  it("is not mistaken for somebody else's guest that is being created there", async () => {
    disturb("kill-task", isPlainRestore);
    await attempt(scenario);
    calm();
    target().config = { name: "other", memory: "4096", lock: "create" };
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(scenario.world.reports.filter((line) => line.includes("qm destroy 100"))).toHaveLength(1);
    expect(target().config).toEqual({ name: "other", memory: "4096", lock: "create" });
  });
});
