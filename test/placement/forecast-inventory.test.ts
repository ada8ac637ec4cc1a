import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkClusterFailover, type ForecastOptions, forecastInventory, placeMany, placeOne } from "../../src/placement";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 2, 1);
/** Thirty daily readings of a straight line that ends now. */
const line = (now: number, perDay: number) =>
  Array.from({ length: 30 }, (_, day) => ({ atMs: NOW - day * DAY_MS, used: now - day * perDay }));

const facts = inventory(
  cluster("a", [node("a1")], { storages: [storage("main", ["a1"], { totalBytes: 100 * GIB, usedBytes: 60 * GIB })] }),
  cluster("b", [node("b1")], { storages: [storage("main", ["b1"], { totalBytes: 100 * GIB, usedBytes: 80 * GIB })], tier: "edge" }),
);
const asked = request("vm", { disks: [{ name: "scsi0", storageClass: "", sizeBytes: 10 * GIB }] });
const growing = { storages: [{ cluster: "a", storage: "main", readings: line(60 * GIB, GIB) }], nodes: [] };
const then = (days: number, mode?: ForecastOptions["mode"]) =>
  forecastInventory(facts, growing, { nowMs: NOW, horizonMs: days * DAY_MS, mode });

describe("placing for a horizon", () => {
  it.each([
    ["now", 0, "a"],
    ["in 10 days: 70 of 100 GiB", 10, "a"],
    ["in 35 days: 95 of 100 GiB, and 10 are asked for", 35, "b"],
  ])("%s", (_when, days, expected) => {
    expect(placeOne(asked, days === 0 ? facts : then(days), [])).toMatchObject({ ok: true, placement: { cluster: expected } });
    expect(placeMany([asked], days === 0 ? facts : then(days)).decisions[0]?.placement?.cluster).toBe(expected);
  });

  it("says what was predicted, until when, and how sure that is", () => {
    const rejected = placeOne(asked, then(35), []).explanation.candidates.find((candidate) => candidate.cluster === "a")?.rejected;
    expect(rejected?.reasons).toEqual([
      "storage main of a/a1 has 5 GiB available, 10 GiB needed for scsi0, with growth by 35 GiB predicted for 35 days from now (full on 2026-04-10, give or take 0 B)",
    ]);
  });

  it("as a matter of score only avoids such a place, and shows the prediction", () => {
    const alone = { ...then(60, "score"), clusters: then(60, "score").clusters.slice(0, 1) };
    const result = placeOne(asked, alone, []);
    expect(result.ok).toBe(true);
    const pressure = result.explanation.candidates[0]?.terms?.find(({ term }) => term === "pressure");
    expect(pressure?.detail).toContain("(predicted: storage main +60 GiB in 60 days)");
    expect(pressure?.points).toBeLessThan(
      placeOne(asked, facts, [])
        .explanation.candidates.find((candidate) => candidate.cluster === "a")
        ?.terms?.find(({ term }) => term === "pressure")?.points ?? 0,
    );
  });

  it("makes nobody leave", () => {
    const live = guest({ key: "vm", disks: [{ storage: "main", sizeBytes: 10 * GIB }] });
    const [first, second] = then(90).clusters;
    const full = { ...then(90), clusters: [{ ...first!, nodes: [node("a1", { guests: [live] })] }, second!] };
    expect(placeOne({ ...asked, prior: { cluster: "a", node: "a1", storages: ["main"] } }, full, []).explanation.outcome).toBe("kept");
  });

  it("looks at memory in use as well, and at local storages per node", () => {
    const local = inventory(
      cluster("a", [node("a1", { usedMemoryMiB: 4000 }), node("a2", { usedMemoryMiB: 4000 })], {
        storageClasses: { "": "local" },
        storages: ["a1", "a2"].map((name) => storage("local", [name], { shared: false, totalBytes: 100 * GIB })),
      }),
    );
    const history = {
      storages: [{ cluster: "a", storage: "local", node: "a1", readings: line(0, 4 * GIB) }],
      nodes: [{ cluster: "a", node: "a2", memory: line(4000, 100) }],
    };
    const [found] = forecastInventory(local, history, { nowMs: NOW, horizonMs: 10 * DAY_MS }).clusters;
    expect(found?.storages.map(({ usedBytes }) => usedBytes)).toEqual([40 * GIB, 0]);
    expect(found?.nodes.map(({ usedMemoryMiB }) => usedMemoryMiB)).toEqual([4000, 5000]);
  });

  it("leaves what shrinks, and what too little is known about, as it is", () => {
    for (const readings of [line(60 * GIB, -GIB), line(60 * GIB, GIB).slice(0, 2), []]) {
      const history = { storages: [{ cluster: "a", storage: "main", readings }], nodes: [] };
      expect(forecastInventory(facts, history, { nowMs: NOW, horizonMs: DAY_MS })).toEqual(facts);
    }
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuses a horizon of %d", (horizonMs) => {
    expect(() => forecastInventory(facts, growing, { nowMs: NOW, horizonMs })).toThrow(RangeError);
  });

  it("never finds more room for a later horizon", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 }), (one, other) => {
        const used = (days: number) => then(days).clusters[0]?.storages[0]?.usedBytes ?? 0;
        expect(used(Math.max(one, other))).toBeGreaterThanOrEqual(used(Math.min(one, other)));
      }),
    );
  });
});

describe("checkClusterFailover", () => {
  const owned = (key: string, extra = {}) => request(key, { cores: 4, memoryMiB: 0, pool: pool(), ...extra });
  const live = (key: string | undefined, cores = 4) => guest({ key, name: key ?? "foreign", cores, memoryMiB: 0 });
  const two = (free: number, keys: (string | undefined)[]) =>
    inventory(
      cluster("a", [node("a1", { guests: keys.map((key) => live(key)) })]),
      cluster(
        "b",
        Array.from({ length: free }, (_, index) => node(`b${index}`, { cores: 4 })),
      ),
    );

  it.each([
    ["absorbed", 2, [owned("x"), owned("y")], []],
    ["short", 1, [owned("x"), owned("y")], ["y"]],
    ["fragmented", 2, [owned("x", { rules: [rule("affinity must tag y")], tags: ["x"] }), owned("y")], ["x"]],
  ])("is %s with %i nodes elsewhere", (verdict, free, requests, homeless) => {
    expect(checkClusterFailover(requests, two(free, ["x", "y"]))[0]).toEqual({ cluster: "a", verdict, homeless, unmanaged: [] });
  });

  it("leaves out guests that are not ours, and needs no image: archives are restored", () => {
    const [found] = checkClusterFailover([owned("x", { image: "nowhere" })], two(1, ["x", undefined]));
    expect(found).toEqual({ cluster: "a", verdict: "absorbed", homeless: [], unmanaged: ["foreign"] });
  });
});
