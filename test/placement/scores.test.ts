import { describe, expect, it } from "vitest";
import type { Inventory, PlacementRequest } from "../../src/placement";
import { placeOne } from "../../src/placement";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";

const ranking = (asked: PlacementRequest, facts: Inventory) =>
  placeOne(asked, facts, [])
    .explanation.candidates.filter(({ score }) => score !== undefined)
    .map(({ cluster: id, node: name, score }) => [`${id}/${name}`, score]);

const points = (asked: PlacementRequest, facts: Inventory) =>
  (placeOne(asked, facts, []).explanation.candidates[0]?.terms ?? []).map(({ term, points: amount }) => [term, amount]);

describe("every score", () => {
  it("is the sum of its terms", () => {
    const facts = inventory(
      cluster("a", [node("a1"), node("a2")], { location: { name: "Amsterdam" } }),
      cluster("b", [node("b1")], { location: { name: "Helsinki" }, tier: "edge" }),
    );
    const rules = [rule("affinity should cluster b"), rule("anti-affinity should tag db", { weight: 7 })];
    for (const strategy of ["balanced", "performance", "cost", "geographic"] as const) {
      const asked = request("vm", { location: "Paris", pool: pool({ strategy, rules, clusterWeights: { a: 80, b: 130 } }) });
      const { candidates } = placeOne(asked, facts, []).explanation;
      expect(candidates).toHaveLength(3);
      for (const { score, terms } of candidates) expect(terms?.reduce((sum, term) => sum + term.points, 0)).toBe(score);
    }
  });
});

describe("cost", () => {
  const priced = (perCoreMonth: number | undefined) => ({ prices: { perCoreMonth } });
  const cheap = pool({ strategy: "cost", clusters: ["a", "b", "c"] });

  it("prefers the cheaper cluster in proportion", () => {
    const facts = inventory(cluster("a", [node("a1")], priced(10)), cluster("b", [node("b1")], priced(20)));
    // Headroom and pressure are equal: 875 x 0.1 = 87 and 50. The dearer one gets half of 850.
    expect(ranking(request("vm", { pool: cheap }), facts)).toEqual([
      ["a/a1", 850 + 87 + 50],
      ["b/b1", 425 + 87 + 50],
    ]);
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, undefined])("counts a price of %s as unknown, not as free", (price) => {
    const facts = inventory(cluster("a", [node("a1")], priced(price)), cluster("b", [node("b1")], priced(1_000_000)));
    expect(ranking(request("vm", { pool: cheap }), facts)[0]?.[0]).toBe("b/b1");
  });

  it("adds up cores, memory and disks", () => {
    const facts = inventory(cluster("a", [node("a1")], { prices: { perCoreMonth: 5, perMemoryGiBMonth: 2, perStorageGiBMonth: 0.1 } }));
    const asked = request("vm", { cores: 2, memoryMiB: 4096, pool: cheap, disks: [{ name: "d", storageClass: "", sizeBytes: 30 * GIB }] });
    const term = placeOne(asked, facts, []).explanation.candidates[0]?.terms?.find(({ term: name }) => name === "cost");
    expect(term?.detail).toContain("21 per month");
  });
});

describe("geographic", () => {
  const near = pool({ strategy: "geographic", clusters: ["ams", "nyc", "sin"] });
  const facts = inventory(
    cluster("ams", [node("n")], { location: { name: "Amsterdam, NL" } }),
    cluster("nyc", [node("n")], { location: { name: "New York" } }),
    cluster("sin", [node("n")], { location: { name: "DC 4", latitude: 1.3, longitude: 103.8 } }),
  );
  it.each([
    ["Rotterdam", "ams/n"],
    ["Boston", "nyc/n"],
    ["Jakarta", "sin/n"],
    ["amsterdam", "ams/n"],
  ])("serves %s from %s", (location, expected) => {
    expect(ranking(request("vm", { pool: near, location }), facts)[0]?.[0]).toBe(expected);
  });
});

describe("performance", () => {
  it("prefers fast storage, hardware and tier", () => {
    const facts = inventory(
      cluster("a", [node("a1", { hardwareClass: "economy" })], { storages: [storage("main", ["a1"], { performanceTier: "nvme" })] }),
      cluster("b", [node("b1", { hardwareClass: "performance" })], { storages: [storage("main", ["b1"], { performanceTier: "hdd" })] }),
    );
    const asked = request("vm", { pool: pool({ strategy: "performance" }), disks: [{ name: "d", storageClass: "", sizeBytes: 1 }] });
    // a: 300 + 1000, b: 1000 + 200, each x 0.25; tier 200, pressure 200, headroom 87 for both.
    expect(ranking(asked, facts)).toEqual([
      ["a/a1", 75 + 250 + 200 + 200 + 87],
      ["b/b1", 250 + 50 + 200 + 200 + 87],
    ]);
  });
});

describe("soft rules and weights", () => {
  const facts = inventory(cluster("a", [node("a1")]), cluster("b", [node("b1", { guests: [guest({ tags: ["db"] })] })]));

  it.each([
    ["affinity should cluster b", "b/b1"],
    ["affinity should_not cluster a", "b/b1"],
    ["affinity should tag db", "b/b1"],
    ["anti-affinity should tag db", "a/a1"],
    ["anti-affinity should cluster a", "b/b1"],
    ["affinity should cluster nowhere", "a/a1"],
  ])("%s → %s", (text, expected) => {
    expect(ranking(request("vm", { rules: [rule(text)] }), facts)[0]?.[0]).toBe(expected);
  });

  it("a rule is worth four points per weight, 50 where none is given", () => {
    expect(points(request("vm", { rules: [rule("affinity should cluster b")] }), facts)).toContainEqual(["rule", 200]);
    expect(points(request("vm", { rules: [rule("affinity should cluster b", { weight: 100 })] }), facts)).toContainEqual(["rule", 400]);
  });

  it("a cluster weight is a percentage of the strategy's points", () => {
    const weighted = pool({ clusterWeights: { a: 50, b: 200 } });
    // b: headroom 1000 - 250 = 750 x 0.7 = 525, pressure 200, tier 100 = 825, doubled.
    expect(ranking(request("vm", { pool: weighted }), facts)[0]).toEqual(["b/b1", 1650]);
  });

  it("a preferred location counts under every strategy", () => {
    const cities = inventory(
      cluster("a", [node("a1", { guests: [guest({ cores: 2 })] })], { location: { name: "Amsterdam" } }),
      cluster("b", [node("b1")], { location: { name: "Helsinki" } }),
    );
    expect(ranking(request("vm"), cities)[0]?.[0]).toBe("b/b1");
    expect(ranking(request("vm", { location: "Amsterdam" }), cities)[0]?.[0]).toBe("a/a1");
  });
});

describe("ties", () => {
  it("are broken by the guest's key, and another node changes the answer only where it wins", () => {
    const nodes = ["n1", "n2", "n3", "n4"].map((name) => node(name));
    const keys = Array.from({ length: 60 }, (_, index) => `vm-${index}`);
    const winner = (key: string, amount: number) => ranking(request(key), inventory(cluster("a", nodes.slice(0, amount))))[0]?.[0];
    const before = keys.map((key) => winner(key, 3));
    const after = keys.map((key) => winner(key, 4));
    expect(new Set(before).size).toBe(3);
    keys.forEach((_, index) => {
      expect([before[index], "a/n4"]).toContain(after[index]);
    });
    expect(after).toContain("a/n4");
  });
});
