/** A move that is killed at any call, and run again: it must end as if nothing had happened. */
import { describe, expect, it } from "vitest";
import { type MoveRecord, type MoveResult, rollBackMove } from "../../src/migration";
import { type CallRecord, type Fault, matters } from "../support/fake-world";
import {
  attempt,
  attemptOrDie,
  ENDPOINT,
  failAt,
  flawsOfFinished,
  flawsOfRolledBack,
  IDENTITY,
  type MoveScenario,
  markOf,
  oneMoveScenarioAtATime,
  POOL,
  type ScenarioOptions,
  SOURCE_VMID,
} from "../support/move-scenario";

const begin = oneMoveScenarioAtATime();

const KINDS: [string, ScenarioOptions][] = [
  ["a running VM", {}],
  ["a stopped VM", { sourceRunning: false }],
  ["a VM whose vmid is taken at the target", { vmidTaken: true }],
  ["a VM with tokens that see only their pool", { poolOnly: true }],
  ["a VM whose vmid is taken outside of what our token sees", { poolOnly: true, vmidTaken: true }],
  ["the owner of a disk", { diskOwner: true }],
  ["a running VM, warm", { warm: true }],
  ["a running VM, warm, with tokens that see only their pool and a vmid that is taken", { warm: true, poolOnly: true, vmidTaken: true }],
  ["a highly available, replicated VM", { highlyAvailable: true }],
  ["a running VM, restored live", { live: true }],
  ["a running VM, warm and restored live, whose vmid is taken", { warm: true, live: true, vmidTaken: true }],
  ["a running VM by remote migration", { method: "storage" }],
  ["a stopped VM by remote migration", { method: "storage", sourceRunning: false }],
  ["a VM by remote migration, shut down", { method: "offline" }],
  ["a VM by remote migration whose vmid is taken at the target", { method: "offline", vmidTaken: true }],
];

/** Calls of an undisturbed move. */
async function callsOf(options: ScenarioOptions): Promise<CallRecord[]> {
  const scenario = begin(options);
  expect(await attempt(scenario)).toEqual({ ok: true });
  expect(flawsOfFinished(scenario, options)).toEqual([]);
  return scenario.world.calls;
}

describe.each(KINDS)("moving %s", (_kind, options) => {
  it("ends with one guest at the target, the source fenced and retired, no archive", async () => {
    expect((await callsOf(options)).length).toBeGreaterThan(20);
  });

  it.each<[Fault, string, number]>([
    ["kill", "at once", 0],
    ["kill-after", "at once", 0],
    ["kill", "when all tasks have ended", 60_000],
    ["kill-after", "when all tasks have ended", 60_000],
    ["kill-after", "in the middle of a task", 5_000],
  ])("killed (%s) at any call and run again %s, ends the same", async (fault, _when, afterMs) => {
    const calls = (await callsOf(options)).filter((call) => matters(call, fault));
    const found: string[] = [];
    for (const { index: nth } of calls) {
      const scenario = begin(options);
      failAt(scenario.world, nth, fault);
      expect(await attemptOrDie(scenario)).toBe("killed");
      const at = scenario.world.calls.at(-1)!;
      scenario.world.fault = () => undefined;
      scenario.world.revive(afterMs);
      const again = await attempt(scenario);
      const flaws = again.ok ? flawsOfFinished(scenario, options) : [again.error.message];
      for (const flaw of flaws) found.push(`${nth} ${at.cluster} ${at.name}: ${flaw}`);
    }
    expect(found).toEqual([]);
  });
});

describe("moving a VM", () => {
  it.each<[string, ScenarioOptions]>([
    ["a taken vmid", { vmidTaken: true }],
    ["a taken vmid that our token does not see", { vmidTaken: true, poolOnly: true }],
  ])("killed twice, at any two calls (%s), ends the same", async (_kind, options) => {
    const found: string[] = [];
    const killed = async (first: number) => {
      const scenario = begin(options);
      failAt(scenario.world, first, "kill-after");
      expect(await attemptOrDie(scenario)).toBe("killed");
      scenario.world.fault = () => undefined;
      scenario.world.revive(5_000);
      return scenario;
    };
    for (const { index: first } of (await callsOf(options)).filter((call) => matters(call, "kill-after"))) {
      const resumed = await killed(first);
      const from = resumed.world.calls.length;
      expect(await attemptOrDie(resumed)).toBe("done");
      for (const { index: second } of resumed.world.calls.slice(from).filter((call) => matters(call, "kill"))) {
        const scenario = await killed(first);
        scenario.world.fault = (call) => (call.index === second ? "kill" : undefined);
        expect(await attemptOrDie(scenario)).toBe("killed");
        scenario.world.fault = () => undefined;
        scenario.world.revive(5_000);
        await attemptOrDie(scenario);
        for (const flaw of flawsOfFinished(scenario, options)) found.push(`${first}, ${second}: ${flaw}`);
      }
    }
    expect(found).toEqual([]);
  });
});

describe.each<[string, ScenarioOptions]>([
  ["a move", { vmidTaken: true }],
  ["a remote migration", { method: "storage" }],
  ["a remote migration, shut down,", { method: "offline", vmidTaken: true }],
])("%s whose rollback is interrupted", (_kind, options) => {
  it.each<[Fault, Fault]>([
    ["refuse", "kill-after"],
    ["offline", "refuse"],
    ["fail-task", "kill"],
    ["fail-task", "lose-reply"],
  ])("(%s at any call, then %s at any later one) is finished by the next run", async (first, second) => {
    const found: string[] = [];
    for (const { index: nth } of (await callsOf(options)).filter((call) => matters(call, first))) {
      const undisturbed = begin(options);
      failAt(undisturbed.world, nth, first);
      // Nothing was rolled back: the second fault alone has a test of its own.
      if ((await attempt(undisturbed)).ok) continue;
      for (const { index: later } of undisturbed.world.calls.slice(nth).filter((call) => matters(call, second))) {
        const scenario = begin(options);
        const { world } = scenario;
        world.fault = (call) => (call.index === nth ? first : call.index === later ? second : undefined);
        await attempt(scenario);
        expect(world.calls.length).toBeGreaterThanOrEqual(later);
        world.fault = () => undefined;
        world.revive(5_000);
        const again = await attempt(scenario);
        for (const flaw of again.ok ? flawsOfFinished(scenario, options) : [again.error.message]) found.push(`${nth}, ${later}: ${flaw}`);
      }
    }
    expect(found).toEqual([]);
  });
});

describe("a move in which one call goes wrong", () => {
  it.each<[Fault, string, ScenarioOptions]>(
    (["refuse", "offline", "lose-reply", "fail-task", "kill-task"] as Fault[]).flatMap((fault) =>
      KINDS.map(([kind, options]): [Fault, string, ScenarioOptions] => [fault, kind, options]),
    ),
  )("(%s, %s) is finished, rolled back, or left to the next run, which finishes it", async (fault, _kind, options) => {
    const calls = (await callsOf(options)).filter((call) => matters(call, fault));
    const found: string[] = [];
    for (const { index: nth } of calls) {
      const scenario = begin(options);
      failAt(scenario.world, nth, fault);
      const first = await attempt(scenario);
      const at = scenario.world.calls[nth - 1]!;
      const key = `${nth} ${at.cluster} ${at.name}`;
      scenario.world.fault = () => undefined;
      scenario.world.advance(60_000);
      const flaws = first.ok ? flawsOfFinished(scenario, options) : flawsOfFailed(scenario, options, fault);
      for (const flaw of flaws) found.push(`${key}: ${flaw}${first.ok ? "" : ` (after: ${first.error.message})`}`);
      const again = await attempt(scenario);
      if (fault === "kill-task" && !again.ok && /qm unlock/.test(again.error.message)) continue;
      const after = again.ok ? flawsOfFinished(scenario, options) : [again.error.message];
      for (const flaw of after) found.push(`${key}, run again: ${flaw}`);
    }
    expect(found).toEqual([]);
  });

  /** After a failure that had its chance to roll back. */
  function flawsOfFailed(scenario: MoveScenario, options: ScenarioOptions, fault: Fault): string[] {
    const journal = sourceJournal(scenario);
    // From "finishing" on there is no way back, and a worker killed on the node leaves a lock no token removes.
    if (journal?.step === "finishing" || scenario.a.guests.get(100)?.config.lock !== undefined) return [...scenario.world.violations];
    if (fault === "kill-task") return [...scenario.world.violations];
    return flawsOfRolledBack(scenario, options);
  }
});

describe("a move that is cancelled", () => {
  it.each(KINDS)("at any call (%s) is rolled back, or has all but arrived and is finished by the next run", async (_kind, options) => {
    const found: string[] = [];
    let rolledBack = 0;
    for (const { index: nth } of await callsOf(options)) {
      const scenario = begin(options);
      const controller = new AbortController();
      scenario.world.fault = (call) => {
        if (call.index === nth) controller.abort(new Error("cancelled by the user"));
        return undefined;
      };
      const results: MoveResult[] = [];
      const onEnd = async ({ result }: MoveRecord) => void results.push(result);
      const first = await attempt(scenario, { onEnd }, controller.signal);
      const at = scenario.world.calls[nth - 1]!;
      scenario.world.fault = () => undefined;
      scenario.world.advance(60_000);
      if (!first.ok && sourceJournal(scenario)?.step !== "finishing") {
        rolledBack++;
        if (results.length > 0 && results[0] !== "rolled-back") found.push(`${nth}: recorded as ${results.join()}`);
        for (const flaw of flawsOfRolledBack(scenario, options))
          found.push(`${nth} ${at.cluster} ${at.name}: ${flaw} (${first.error.message})`);
      }
      const again = await attempt(scenario);
      for (const flaw of again.ok ? flawsOfFinished(scenario, options) : [again.error.message]) found.push(`${nth}, run again: ${flaw}`);
    }
    expect(found).toEqual([]);
    expect(rolledBack).toBeGreaterThan(10);
  });
});

describe("a remote migration that is given up after a kill", () => {
  it.each(KINDS.filter(([, { method }]) => method !== undefined))(
    "at any call (%s) is undone, or has arrived and is finished",
    async (_kind, options) => {
      const found: string[] = [];
      let undone = 0;
      for (const { index: nth } of (await callsOf(options)).filter((call) => matters(call, "kill-after"))) {
        const scenario = begin(options);
        const { world, a, b } = scenario;
        failAt(world, nth, "kill-after");
        expect(await attemptOrDie(scenario)).toBe("killed");
        world.fault = () => undefined;
        world.revive(1_000);
        const source = { api: a, node: "a1", vmid: SOURCE_VMID };
        const given = await rollBackMove({ identity: IDENTITY, source, targetApi: b, targetPool: POOL, restart: true }, world.pace).then(
          () => undefined,
          (error: Error) => error.message,
        );
        if (given === undefined && markOf(a, SOURCE_VMID)?.phase === "settled") {
          undone++;
          for (const flaw of flawsOfRolledBack(scenario, options)) found.push(`${nth}, given up: ${flaw}`);
        } else if (given !== undefined && !/cannot be rolled back/.test(given)) found.push(`${nth}: ${given}`);
        const again = await attempt(scenario);
        for (const flaw of again.ok ? flawsOfFinished(scenario, options) : [again.error.message]) found.push(`${nth}, run again: ${flaw}`);
      }
      expect(found).toEqual([]);
      expect(undone).toBeGreaterThan(1);
    },
  );

  it("never runs on both sides when an administrator has unlocked and started the source", async () => {
    const scenario = begin({ method: "storage" });
    scenario.world.fault = ({ name, vmid, cluster }) =>
      cluster === "b" && name === "qemu.updateConfig" && vmid === SOURCE_VMID ? "kill" : undefined;
    expect(await attemptOrDie(scenario)).toBe("killed");
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    const source = scenario.a.guests.get(SOURCE_VMID)!;
    const target = scenario.b.guests.get(SOURCE_VMID)!;
    delete source.config.lock;
    target.power = "stopped";
    source.power = "running";
    const again = await attempt(scenario);
    expect(again).toMatchObject({ ok: false, error: { message: expect.stringContaining("may have new data on both sides") } });
    expect([source.power, target.power]).toEqual(["running", "stopped"]);
  });

  it("tells nobody the token of the target", async () => {
    const scenario = begin({ method: "storage" });
    const records: MoveRecord[] = [];
    expect(await attempt(scenario, { onEnd: async (record) => void records.push(record) })).toEqual({ ok: true });
    const { world, a, b } = scenario;
    const told = JSON.stringify([records, world.reports, world.progress, [...a.guests.values()], [...b.guests.values()]]);
    expect(JSON.stringify(a.lastMigration)).toContain(ENDPOINT.secret);
    expect(told).not.toContain(ENDPOINT.secret);
  });
});

function sourceJournal(scenario: MoveScenario): { step: string } | undefined {
  const description = scenario.a.guests.get(100)?.config.description ?? "";
  const json = /<!-- proxmox-federation:v1 (.*) -->/.exec(description)?.[1];
  return json === undefined ? undefined : (JSON.parse(json) as { move?: { step: string } }).move;
}
