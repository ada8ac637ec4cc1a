import { describe, expect, it } from "vitest";
import type { MigrationWindow } from "../../src/config";
import type { Route } from "../../src/migration";
import { awaitWindow, describeWindow, windowRefusal } from "../../src/migration";
import { FakeWorld } from "../support/fake-world";

const NIGHTS: MigrationWindow = {
  days: ["mon", "tue", "wed", "thu", "fri"],
  startMinute: 22 * 60,
  endMinute: 6 * 60,
  timezone: "Europe/Amsterdam",
};
const route = (window?: MigrationWindow): Route => ({
  source: "ams",
  target: "fra",
  method: "backup-restore",
  compression: true,
  store: { name: "pbs", type: "pbs", writeStorage: "pbs", readStorage: "pbs-ams" },
  window,
});

describe("the window of a move", () => {
  it("is always open where none is declared", () => {
    expect(windowRefusal(route(), Date.parse("2026-11-23T12:00:00Z"))).toBeUndefined();
  });

  it("is open at night, also after midnight", () => {
    expect(windowRefusal(route(NIGHTS), Date.parse("2026-11-23T21:30:00Z"))).toBeUndefined();
    expect(windowRefusal(route(NIGHTS), Date.parse("2026-11-24T04:59:00Z"))).toBeUndefined();
  });

  it("is closed at noon, and the refusal says when it opens, in its own time", () => {
    expect(windowRefusal(route(NIGHTS), Date.parse("2026-11-23T12:00:00Z"))).toMatch(
      /opens 23 Nov 2026, 22:00 and closes 24 Nov 2026, 06:00 \(Europe\/Amsterdam\).*overrideWindow true/,
    );
  });
});

describe("a move that may wait", () => {
  const waiting = (hours: number): Route => ({ ...route(NIGHTS), outsideWindow: "wait", longestWindowWaitMs: hours * 3_600_000 });
  const NOON = Date.parse("2026-11-23T12:00:00Z");

  it("is planned outside its window, if that is not too far away", () => {
    expect(windowRefusal(waiting(9), NOON)).toBeUndefined();
    expect(windowRefusal(waiting(8), NOON)).toMatch(/further away than max_window_wait \(8h\)/);
  });

  it("waits until the window opens, and says how long that takes", async () => {
    const world = new FakeWorld();
    world.nowMs = NOON;
    await awaitWindow("web", waiting(9), world.pace);
    // 22:00 in Amsterdam.
    expect(new Date(world.nowMs).toISOString()).toBe("2026-11-23T21:00:00.000Z");
    expect(world.reports).toEqual([expect.stringMatching(/^web: waiting for the migration window: it opens 23 Nov 2026, 22:00/)]);
    expect(world.progress.slice(0, 2)).toEqual(["web: the migration window opens in 9h", "web: the migration window opens in 8h 59m"]);
  });

  it("waits across the end of daylight saving time for the hour its clocks show", async () => {
    const world = new FakeWorld();
    // Saturday noon; on Sunday at 3:00 clocks go back to 2:00.
    world.nowMs = Date.parse("2026-10-24T10:00:00Z");
    const sundays: MigrationWindow = { ...NIGHTS, days: ["sun"], startMinute: 4 * 60 };
    await awaitWindow("web", { ...waiting(24), window: sundays }, world.pace);
    expect(new Date(world.nowMs).toISOString()).toBe("2026-10-25T03:00:00.000Z");
  });

  it("does not wait at all within its window, nor where waiting is not allowed", async () => {
    const world = new FakeWorld();
    world.nowMs = Date.parse("2026-11-23T21:30:00Z");
    await awaitWindow("web", waiting(1), world.pace);
    expect(world.reports).toEqual([]);
    world.nowMs = NOON;
    await expect(awaitWindow("web", route(NIGHTS), world.pace)).rejects.toThrow(/web is not moved now.*is closed/);
    expect(world.nowMs).toBe(NOON);
  });
});

describe("the window in the preview", () => {
  it("is the same at any time, so that a saved plan stays valid", () => {
    expect(describeWindow(route())).toBeUndefined();
    expect(describeWindow(route(NIGHTS))).toBe("mon, tue, wed, thu, fri 22:00 to 06:00 (Europe/Amsterdam); outside: refused");
  });
});
