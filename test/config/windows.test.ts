import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { isTimezone, isWithinWindow, type MigrationWindow, nextWindow, WEEKDAYS, type Weekday, windowAt } from "../../src/config";

const HOUR_MS = 3_600_000;
const at = (text: string): number => Date.parse(text);
const window = (start: string, end: string, timezone = "UTC", days: readonly Weekday[] = WEEKDAYS): MigrationWindow => {
  const minutes = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  return { days: [...days], startMinute: minutes(start), endMinute: minutes(end), timezone };
};
const span = (occurrence: { startMs: number; endMs: number }) => [
  new Date(occurrence.startMs).toISOString(),
  new Date(occurrence.endMs).toISOString(),
];

describe("a window inside one day", () => {
  const night = window("01:00", "04:00");
  test.each([
    ["2026-03-10T00:59:59.999Z", false],
    ["2026-03-10T01:00:00Z", true],
    ["2026-03-10T03:59:59.999Z", true],
    ["2026-03-10T04:00:00Z", false],
  ])("at %s open is %s", (instant, open) => {
    expect(isWithinWindow(night, at(instant))).toBe(open);
  });

  it("is in its own time zone", () => {
    // Amsterdam is two hours ahead of UTC in summer.
    expect(span(nextWindow(window("01:00", "04:00", "Europe/Amsterdam"), at("2026-07-01T12:00:00Z")))).toEqual([
      "2026-07-01T23:00:00.000Z",
      "2026-07-02T02:00:00.000Z",
    ]);
  });
});

describe("a window over midnight", () => {
  const weekend = window("22:00", "06:00", "UTC", ["sat"]);
  test.each([
    ["2026-03-13T23:00:00Z", false],
    ["2026-03-14T22:00:00Z", true],
    ["2026-03-15T05:59:00Z", true],
    ["2026-03-15T06:00:00Z", false],
    ["2026-03-15T22:30:00Z", false],
  ])("that starts on Saturday: at %s open is %s", (instant, open) => {
    expect(isWithinWindow(weekend, at(instant))).toBe(open);
  });

  it("that is open is also the next one", () => {
    const instant = at("2026-03-15T01:00:00Z");
    expect(nextWindow(weekend, instant)).toEqual(windowAt(weekend, instant));
  });

  it("that is closed opens a week later", () => {
    expect(span(nextWindow(weekend, at("2026-03-15T06:00:00Z")))[0]).toBe("2026-03-21T22:00:00.000Z");
  });
});

describe("changes of daylight saving time (Amsterdam: 29 March and 25 October 2026)", () => {
  const zone = "Europe/Amsterdam";

  it("start in the skipped hour: opens with the change", () => {
    expect(span(nextWindow(window("02:30", "05:00", zone), at("2026-03-28T12:00:00Z")))).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-29T03:00:00.000Z",
    ]);
  });

  it("wholly inside the skipped hour: does not open that day", () => {
    expect(span(nextWindow(window("02:15", "02:45", zone), at("2026-03-28T12:00:00Z")))).toEqual([
      "2026-03-30T00:15:00.000Z",
      "2026-03-30T00:45:00.000Z",
    ]);
  });

  it("in the hour that occurs twice: opens once, the first time", () => {
    const twice = window("02:15", "02:45", zone, ["sun"]);
    expect(span(nextWindow(twice, at("2026-10-24T12:00:00Z")))).toEqual(["2026-10-25T00:15:00.000Z", "2026-10-25T00:45:00.000Z"]);
    expect(isWithinWindow(twice, at("2026-10-25T01:30:00Z"))).toBe(false);
  });

  it("a night across the change is an hour longer or shorter", () => {
    const night = window("22:00", "06:00", zone);
    const length = (instant: string) => {
      const occurrence = windowAt(night, at(instant))!;
      return (occurrence.endMs - occurrence.startMs) / HOUR_MS;
    };
    expect(length("2026-03-29T00:00:00Z")).toBe(7);
    expect(length("2026-10-25T00:00:00Z")).toBe(9);
    expect(length("2026-06-01T00:00:00Z")).toBe(8);
  });

  it("a zone that skipped a whole day (Samoa, 30 December 2011) has no window then", () => {
    const noon = window("12:00", "13:00", "Pacific/Apia");
    expect(span(nextWindow(noon, at("2011-12-29T23:30:00Z")))[0]).toBe("2011-12-30T22:00:00.000Z");
  });
});

describe("laws", () => {
  const zones = fc.constantFrom("UTC", "Europe/Amsterdam", "America/New_York", "Asia/Singapore", "Australia/Lord_Howe", "Asia/Kathmandu");
  const windows = fc
    .record({
      days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
      startMinute: fc.integer({ min: 0, max: 1439 }),
      endMinute: fc.integer({ min: 1, max: 1440 }),
      timezone: zones,
    })
    .filter(({ startMinute, endMinute }) => startMinute !== endMinute);
  const instants = fc.integer({ min: at("2025-01-01T00:00:00Z"), max: at("2028-01-01T00:00:00Z") });

  it("the next window ends after the instant, and is open from its start until its end", () => {
    fc.assert(
      fc.property(windows, instants, (someWindow, instant) => {
        const { startMs, endMs } = nextWindow(someWindow, instant);
        expect(endMs).toBeGreaterThan(instant);
        expect(isWithinWindow(someWindow, startMs)).toBe(true);
        expect(isWithinWindow(someWindow, endMs - 1)).toBe(true);
        expect(isWithinWindow(someWindow, instant)).toBe(startMs <= instant);
      }),
      { numRuns: 150 },
    );
  });

  it("away from changes of the clock, open is what the wall clock says", () => {
    fc.assert(
      fc.property(windows, fc.integer({ min: at("2026-06-01T00:00:00Z"), max: at("2026-08-01T00:00:00Z") }), (someWindow, instant) => {
        const parts = new Intl.DateTimeFormat("en-GB", {
          timeZone: someWindow.timezone,
          weekday: "short",
          hour: "2-digit",
          minute: "2-digit",
          hourCycle: "h23",
        }).formatToParts(instant);
        const part = (type: string) => parts.find((candidate) => candidate.type === type)!.value;
        const minute = Number(part("hour")) * 60 + Number(part("minute"));
        const today = part("weekday").toLowerCase() as Weekday;
        const yesterday = WEEKDAYS[(WEEKDAYS.indexOf(today) + 6) % 7]!;
        const { days, startMinute, endMinute } = someWindow;
        const expected =
          startMinute < endMinute
            ? days.includes(today) && minute >= startMinute && minute < endMinute
            : (days.includes(today) && minute >= startMinute) || (days.includes(yesterday) && minute < endMinute);
        expect(isWithinWindow(someWindow, instant)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});

test("time zones are known or not", () => {
  expect(isTimezone("Europe/Amsterdam")).toBe(true);
  expect(isTimezone("Europe/Atlantis")).toBe(false);
});
