/** What both guests and the task tell about a remote migration that nobody has watched. */
import { describe, expect, it } from "vitest";
import { formatDescription, type MoveJournal, readMarkedGuest } from "../../src/migration";
import { awaitPassage } from "../../src/migration/passage";
import type { FakeGuest } from "../support/fake-guest";
import { IDENTITY, moveScenario, POOL, SOURCE_VMID } from "../support/move-scenario";

const JOURNAL: MoveJournal = {
  id: "0123456789ab",
  method: "storage",
  target: { cluster: "b", node: "b1", vmid: SOURCE_VMID },
  wasRunning: true,
  onBoot: true,
  wasFenced: false,
  step: "finishing",
  startedAt: "2026-01-01T00:00:00Z",
};

interface Sides {
  source?: { lock?: string; power?: FakeGuest["power"]; fenced?: boolean };
  /** Absent: there is none. */
  target?: { lock?: string; power?: FakeGuest["power"]; moveId?: string; verified?: boolean };
  /** How the last migration of the source ended. */
  task?: string;
}

async function passageOf({ source = {}, target, task }: Sides) {
  const { world, a, b } = moveScenario({ method: "storage" });
  const moving = formatDescription("", { ...IDENTITY, generation: 1, phase: "moving", move: JOURNAL });
  const from = a.guests.get(SOURCE_VMID)!;
  from.power = source.power ?? "stopped";
  from.config.description = moving;
  if (source.lock) from.config.lock = source.lock;
  if (source.fenced) from.config.template = "1";
  if (target) {
    const move = { ...JOURNAL, id: target.moveId ?? JOURNAL.id };
    const description = target.verified
      ? formatDescription("", { ...IDENTITY, generation: 2, phase: "restored", source: { cluster: "a", vmid: SOURCE_VMID } })
      : formatDescription("", { ...IDENTITY, generation: 1, phase: "moving", move });
    const config = { description, ...(target.lock ? { lock: target.lock } : {}) };
    b.addGuest({ vmid: SOURCE_VMID, node: "b1", power: target.power ?? "stopped", config });
  }
  if (task !== undefined) {
    const finish = () => {
      if (task !== "OK") throw new Error(task);
    };
    world.start({ cluster: "a", node: "a1", type: "qmigrate", id: String(SOURCE_VMID), durationMs: 1_000, finish });
  }
  const ref = { api: a, node: "a1", vmid: SOURCE_VMID };
  return awaitPassage({ name: "web", source: ref, targetApi: b, journal: JOURNAL }, world.pace);
}

describe("a remote migration", () => {
  it.each<[string, Sides]>([
    ["whose task ended well", { source: { lock: "migrate" }, target: {}, task: "OK" }],
    ["of a running guest whose task ended well", { source: { lock: "migrate" }, target: { power: "running" }, task: "OK" }],
    ["whose source was unlocked afterwards", { target: { power: "running" }, task: "OK" }],
    ["that was verified, whatever the task's log still knows", { source: { lock: "migrate" }, target: { verified: true } }],
    [
      "that handed the running guest over and failed behind the switch",
      { source: { lock: "migrate" }, target: { power: "running" }, task: "migration problems" },
    ],
  ])("%s has arrived", async (_what, sides) => {
    expect(await passageOf(sides)).toBe("arrived");
  });

  it.each<[string, Sides]>([
    ["that was never begun", { source: { power: "running" } }],
    ["that failed and was cleaned up", { source: { power: "running" }, task: "migration aborted" }],
    ["whose vmid belongs to somebody else", { target: { moveId: "other", power: "running" }, task: "migration aborted" }],
    ["that left its target locked", { target: { lock: "migrate" }, task: "migration aborted" }],
  ])("%s has stayed", async (_what, sides) => {
    expect(await passageOf(sides)).toBe("stayed");
  });

  it.each<[string, Sides, RegExp]>([
    [
      "killed at rest",
      { source: { lock: "migrate", fenced: true }, target: { lock: "migrate" }, task: "unexpected status" },
      /is stopped and is locked.*qm destroy 100 --skiplock 1.*qm unlock 100/,
    ],
    [
      "killed while the guest serves",
      { source: { lock: "migrate", power: "running" }, task: "unexpected status" },
      /still serves and is locked.*qm unlock 100/,
    ],
    [
      "killed, and the half-made target unlocked by hand",
      { source: { fenced: true }, target: {}, task: "unexpected status" },
      /may lack data.*qm destroy 100/,
    ],
    [
      "at rest, killed, and the half-made target unlocked and started by hand",
      { source: { lock: "migrate", fenced: true }, target: { power: "running" }, task: "unexpected status" },
      /broke off half-way/,
    ],
    [
      "whose target is still locked though the task ended well",
      { source: { lock: "migrate" }, target: { lock: "migrate" }, task: "OK" },
      /broke off half-way/,
    ],
    [
      "whose source was unlocked and started again",
      { source: { power: "running" }, target: { verified: true } },
      /may have new data on both sides/,
    ],
    ["of a guest under another lock", { source: { lock: "backup" } }, /is locked \(backup\)/],
  ])("%s is for an administrator", async (_what, sides, message) => {
    await expect(passageOf(sides)).rejects.toThrow(message);
  });
});

describe("a guest that arrived with the mark of the one it came from", () => {
  it("is a target on its way, and its source is the one that moves", async () => {
    const { a, b } = moveScenario({ method: "storage" });
    const description = formatDescription("", { ...IDENTITY, generation: 1, phase: "moving", move: JOURNAL });
    a.guests.get(SOURCE_VMID)!.config.description = description;
    b.addGuest({ vmid: SOURCE_VMID, node: "b1", pool: POOL, config: { description } });
    expect((await readMarkedGuest({ api: a, node: "a1", vmid: SOURCE_VMID }))?.mark?.phase).toBe("moving");
    expect((await readMarkedGuest({ api: b, node: "b1", vmid: SOURCE_VMID }))?.mark?.phase).toBe("restored");
  });
});
