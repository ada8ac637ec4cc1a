import { describe, expect, it } from "vitest";
import { validateRules } from "../../src/placement";
import { pool, rule } from "./builders";

const problems = (...rules: Parameters<typeof rule>[]) =>
  validateRules(pool({ rules: rules.map((each) => rule(...each)) })).map(({ code, rules: indexes }) => [code, ...indexes]);

describe("validateRules", () => {
  it.each([
    ["anti-affinity must_not tag db", "double-negation"],
    ["anti-affinity should_not tag db", "double-negation"],
    ["affinity must tier gold", "unknown-tier"],
    ["affinity must cluster ", "empty-value"],
  ])("refuses %s", (text, code) => {
    expect(problems([text])).toEqual([[code, 0]]);
  });

  it.each([
    ["affinity must cluster a", "affinity must_not cluster a"],
    ["affinity must cluster a", "anti-affinity must cluster a"],
    ["location must location Amsterdam", "location must_not location amsterdam"],
    ["affinity must cluster a", "affinity must cluster b"],
    ["affinity must provider hetzner", "location must provider worldstream"],
    ["affinity must tier primary", "affinity must tier edge"],
    ["affinity must node n1", "affinity must node n2"],
    ["affinity must tag db", "anti-affinity must tag db"],
  ])("finds that %s contradicts %s", (first, second) => {
    expect(problems([first], [second])).toEqual([["contradiction", 0, 1]]);
  });

  it("finds that every cluster is forbidden", () => {
    expect(problems(["location must_not cluster a"], ["affinity should tag x"], ["anti-affinity must cluster b"])).toEqual([
      ["nothing-left", 0, 2],
    ]);
  });

  it.each([
    // One may want a preference against a duty.
    ["affinity must cluster a", "affinity should_not cluster a"],
    // Neither is the id of a cluster of the pool: both may be tags of one cluster.
    ["affinity must cluster prod", "affinity must cluster ssd"],
    ["affinity must location Amsterdam", "affinity must location NL"],
    ["anti-affinity must tag db", "anti-affinity must tag web"],
    // A place tagged db is not a guest tagged db.
    ["location must tag db", "anti-affinity must tag db"],
    ["affinity must node a/n1", "affinity must node n1"],
  ])("accepts %s with %s", (first, second) => {
    expect(problems([first], [second])).toEqual([]);
  });

  it("accepts one cluster with different nodes, refuses one node in different clusters", () => {
    expect(problems(["affinity must tag db", { scope: "cluster" }], ["anti-affinity must tag db", { scope: "node" }])).toEqual([]);
    expect(problems(["affinity must tag db", { scope: "node" }], ["anti-affinity must tag db", { scope: "cluster" }])).toEqual([
      ["contradiction", 0, 1],
    ]);
  });

  it("says what to do", () => {
    const [problem] = validateRules(pool({ rules: [rule("affinity must cluster a"), rule("affinity must_not cluster a")] }));
    expect(problem?.message).toBe(
      'Rule 0 "affinity must cluster a" and rule 1 "affinity must_not cluster a" contradict each other: ' +
        "one demands what the other forbids. Drop or soften (should) one of them.",
    );
  });
});
