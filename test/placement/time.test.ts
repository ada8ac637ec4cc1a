import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WEEKDAYS } from "../../src/config";
import {
  activeAt,
  explainLine,
  explainText,
  type PlacementRequest,
  type PoolPolicy,
  placeMany,
  placeOne,
  type TimeWindow,
  validateRules,
} from "../../src/placement";
import { cluster, guest, inventory, node, pool, request, rule } from "./builders";

const HOUR_MS = 3_600_000;
const window = (start: number, end: number, timezone = "UTC", days: TimeWindow["days"] = [...WEEKDAYS]): TimeWindow => ({
  days,
  startMinute: start * 60,
  endMinute: end * 60,
  timezone,
});
/** Wednesday. */
const at = (hour: number) => Date.UTC(2026, 2, 4, hour);

const sun = (...zones: [city: string, start: number, end: number][]) =>
  pool({
    clusters: ["ams", "nyc", "sgp"],
    rules: zones.map(([city, start, end]) => rule(`location must cluster ${city}`, { window: window(start, end) })),
  });
const FOLLOW = sun(["ams", 6, 14], ["nyc", 14, 22], ["sgp", 22, 6]);
const WORLD = ["ams", "nyc", "sgp"].map((id) => cluster(id, [node(`${id}1`)]));

describe("rules that follow the sun", () => {
  it.each([
    [6, "ams"],
    [13, "ams"],
    [14, "nyc"],
    [21, "nyc"],
    [22, "sgp"],
    [3, "sgp"],
  ])("at %i:00 place in %s", (hour, expected) => {
    const result = placeOne(request("vm", { pool: FOLLOW }), { ...inventory(...WORLD), instantMs: at(hour) }, []);
    expect(result).toMatchObject({ ok: true, placement: { cluster: expected } });
  });

  it("make a guest leave when the next window opens, and leave it alone as long as its own is open", () => {
    const live = WORLD.map((each) => (each.id === "ams" ? { ...each, nodes: [node("ams1", { guests: [guest({ key: "vm" })] })] } : each));
    const asked = request("vm", { pool: FOLLOW, prior: { cluster: "ams", node: "ams1", storages: [] } });
    const decide = (hour: number) => placeMany([asked], { ...inventory(...live), instantMs: at(hour) }).decisions[0];
    expect(decide(13)).toMatchObject({ outcome: "kept" });
    expect(decide(14)).toMatchObject({ outcome: "moved", placement: { cluster: "nyc" } });
    expect(decide(14)?.moveReason).toContain("window 14:00–22:00 UTC");
  });

  it("do not make a guest leave for the sake of a should", () => {
    const soft = pool({ clusters: ["ams", "nyc"], rules: [rule("location should cluster nyc", { weight: 100, window: window(14, 22) })] });
    const live = [cluster("ams", [node("ams1", { guests: [guest({ key: "vm" })] })]), cluster("nyc", [node("nyc1")])];
    const asked = request("vm", { pool: soft, prior: { cluster: "ams", node: "ams1", storages: [] } });
    expect(placeOne(asked, { ...inventory(...live), instantMs: at(15) }, []).explanation.outcome).toBe("kept");
  });

  it("follow the clocks of their zone through daylight saving time", () => {
    const amsterdam = pool({
      clusters: ["ams", "nyc"],
      rules: [rule("location must cluster nyc", { window: window(8, 18, "Europe/Amsterdam") })],
    });
    const active = (instantMs: number) => activeAt(amsterdam, instantMs).rules.length;
    expect([active(Date.UTC(2026, 0, 7, 7)), active(Date.UTC(2026, 0, 7, 6))]).toEqual([1, 0]);
    expect([active(Date.UTC(2026, 6, 8, 6)), active(Date.UTC(2026, 6, 8, 5))]).toEqual([1, 0]);
  });

  it("are named in the reasons with their window", () => {
    const result = placeOne(request("vm", { pool: FOLLOW }), { ...inventory(...WORLD), instantMs: at(7) }, []);
    expect(explainText(result)).toContain('the pool rule "location must cluster ams (window 06:00–14:00 UTC)"');
  });

  it("cannot be decided on without an instant, and say so", () => {
    const result = placeOne(request("vm", { pool: FOLLOW }), inventory(...WORLD), []);
    expect(result).toMatchObject({ ok: false });
    if (!result.ok) expect(result.message).toContain("give the instant for which to decide");
    expect(placeMany([request("vm", { pool: FOLLOW })], inventory(...WORLD)).counts.rejected).toBe(1);
  });
});

describe("a schedule of strategies", () => {
  const scheduled: PoolPolicy = pool({
    clusters: ["cheap", "near"],
    strategy: "geographic",
    schedule: [
      { window: window(20, 6), strategy: "cost" },
      { window: window(0, 8), strategy: "balanced", clusterWeights: { near: 10 } },
    ],
  });
  const facts = (hour: number) => ({
    ...inventory(
      cluster("cheap", [node("c1")], { prices: { perCoreMonth: 1 }, location: { name: "Singapore" } }),
      cluster("near", [node("n1")], { prices: { perCoreMonth: 9 }, location: { name: "Amsterdam" } }),
    ),
    instantMs: at(hour),
  });
  const asked = request("vm", { pool: scheduled, location: "Rotterdam" });

  it.each([
    [12, "near", "geographic"],
    [21, "cheap", "cost"],
    // Both windows are open: the first counts.
    [3, "cheap", "cost"],
    [7, "cheap", "balanced"],
  ])("at %i:00 the guest goes to %s by %s", (hour, expected, strategy) => {
    const result = placeOne(asked, facts(hour), []);
    expect(result).toMatchObject({ ok: true, placement: { cluster: expected }, explanation: { strategy } });
    expect(placeMany([asked], facts(hour)).decisions[0]?.placement?.cluster).toBe(expected);
  });

  it("tells in the line for a preview which window chose the strategy", () => {
    expect(explainLine(placeOne(asked, facts(21), []))).toContain("cost (window 20:00–06:00 UTC)");
    expect(explainLine(placeOne(asked, facts(12), []))).not.toContain("window");
  });

  it("needs an instant", () => {
    expect(placeOne(asked, { ...facts(1), instantMs: undefined }, []).ok).toBe(false);
  });
});

describe("activeAt", () => {
  it("returns a policy without windows as it is", () => {
    const plain = pool({ rules: [rule("affinity must cluster a")] });
    expect(activeAt(plain, 0)).toBe(plain);
  });

  it("gives exactly the rules that are open, whatever was asked before", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 47 }), { minLength: 1, maxLength: 12 }), (hours) => {
        for (const hour of hours) {
          const names = activeAt(FOLLOW, at(0) + hour * HOUR_MS).rules.map(({ value }) => value);
          const time = hour % 24;
          expect(names).toEqual([time >= 6 && time < 14 ? "ams" : time >= 14 && time < 22 ? "nyc" : "sgp"]);
        }
      }),
    );
  });
});

describe("contradictions of rules with windows", () => {
  const problems = (...rules: PoolPolicy["rules"]) => validateRules({ name: "p", clusters: ["a", "b"], rules });

  it("are found where the windows overlap, and named with them", () => {
    const found = problems(
      rule("affinity must cluster a", { window: window(8, 18) }),
      rule("affinity must_not cluster a", { window: window(17, 20) }),
    );
    expect(found).toHaveLength(1);
    expect(found[0]?.message).toContain("while window 08:00–18:00 UTC and window 17:00–20:00 UTC are open");
  });

  it("are none where they never meet", () => {
    expect(
      problems(rule("affinity must cluster a", { window: window(8, 18) }), rule("affinity must cluster b", { window: window(18, 8) })),
    ).toEqual([]);
    expect(
      problems(
        rule("affinity must cluster a", { window: window(8, 18, "UTC", ["mon"]) }),
        rule("affinity must_not cluster a", { window: window(8, 18, "UTC", ["tue"]) }),
      ),
    ).toEqual([]);
  });

  it("are found where the clocks of two zones make them meet for some weeks only", () => {
    // New York is five hours behind London, and four in the weeks when only one of them has changed its clocks.
    const rules = [
      rule("affinity must cluster a", { window: window(9, 13, "Europe/London") }),
      rule("affinity must cluster b", { window: window(8, 12, "America/New_York") }),
    ];
    expect(problems(...rules)).toHaveLength(1);
    const apart = [rules[0]!, rule("affinity must cluster b", { window: window(9, 12, "America/New_York") })];
    expect(problems(...apart)).toEqual([]);
  });

  it("include a pool that is left with nothing while all of several windows are open", () => {
    const found = problems(
      rule("location must_not cluster a", { window: window(0, 12) }),
      rule("location must_not cluster b", { window: window(11, 13) }),
    );
    expect(found).toMatchObject([{ code: "nothing-left", rules: [0, 1] }]);
  });

  it("with a rule that always holds count in its window", () => {
    expect(problems(rule("affinity must cluster a"), rule("affinity must cluster b", { window: window(8, 18) }))).toHaveLength(1);
  });
});

it("decides alike whatever zone the process runs in", () => {
  const before = process.env.TZ;
  const decide = () => placeOne(request("vm", { pool: FOLLOW }) as PlacementRequest, { ...inventory(...WORLD), instantMs: at(14) }, []);
  try {
    process.env.TZ = "UTC";
    const first = decide();
    process.env.TZ = "Pacific/Kiritimati";
    expect(decide()).toEqual(first);
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
});
