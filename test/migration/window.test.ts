import { describe, expect, it } from "vitest";
import type { MigrationWindow } from "../../src/config";
import type { Route } from "../../src/migration";
import { windowRefusal } from "../../src/migration";

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
