import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Decision, type Inventory, type PlacementRequest, placeMany, scheduleMoves, sequenceMoves } from "../../../src/placement";
import { cluster, guest, inventory, node, pool, request, rule } from "../builders";

const at = (name: string) => ({ cluster: "a", node: name, storages: [] });
const spreadPool = (maxSkew = 1) => pool({ clusters: ["a"], rules: [rule("spread must tag web", { maxSkew })] });

/** Node by node: the members on it, and whether it has to be emptied. */
function federation(members: string[][], draining: boolean[] = []): Inventory {
  const nodes = members.map((keys, index) =>
    node(`n${index + 1}`, {
      status: draining[index] === true ? "draining" : "active",
      guests: keys.map((key) => guest({ key, tags: ["web"] })),
    }),
  );
  return inventory(cluster("a", nodes));
}

function moving(members: string[][], maxSkew = 1): PlacementRequest[] {
  return members.flatMap((keys, index) =>
    keys.map((key) => request(key, { tags: ["web"], pool: spreadPool(maxSkew), prior: at(`n${index + 1}`) })),
  );
}

const to = (targets: Record<string, string>): Decision[] =>
  Object.entries(targets).map(([key, name]) => ({ key, name: key, outcome: "moved", placement: at(name) }));

describe("a spread on the way", () => {
  it("lets a second member land on a node only once the other nodes have theirs", () => {
    const members = [["a", "b", "c"], [], []];
    const facts = federation(members, [true]);
    const result = sequenceMoves(to({ a: "n2", b: "n2", c: "n3" }), moving(members), facts, { outOfNode: 3, intoNode: 3 });
    expect(result.ok).toBe(true);
    expect(result.steps.map(({ wave, key, to: place }) => `${wave} ${key} ${place.node}`)).toEqual(["1 a n2", "2 c n3", "3 b n2"]);
  });

  it("counts guests that carry the tag without having the rule", () => {
    const members = [["a"], ["b"], []];
    const [a, b] = moving(members);
    const requests = [a!, { ...b!, pool: undefined }];
    const result = sequenceMoves(to({ a: "n2", b: "n3" }), requests, federation(members, [true]), { outOfNode: 2, intoNode: 2 });
    expect(result.steps.map(({ wave, key }) => `${wave} ${key}`)).toEqual(["1 b", "2 a"]);
  });

  it("says that there is no path where every order breaks it in between", () => {
    const members = [["x"], ["y"], ["z"]];
    const result = sequenceMoves(to({ x: "n2", y: "n1" }), moving(members), federation(members));
    expect(result).toMatchObject({ ok: false, steps: [] });
    expect(result.ok ? "" : result.message).toContain('the pool rule "spread must tag web (max skew 1)" allows a difference of 1');
  });

  it("holds nobody up where nothing is spread", () => {
    const members = [["a", "b"], [], []];
    const requests = moving(members).map((asked) => ({ ...asked, pool: undefined }));
    const result = sequenceMoves(to({ a: "n2", b: "n3" }), requests, federation(members, [true]), { outOfNode: 2 });
    expect(result.steps.map(({ wave }) => wave)).toEqual([1, 1]);
  });

  const arbitraryCase = fc.record({
    counts: fc.array(fc.nat({ max: 4 }), { minLength: 3, maxLength: 6 }),
    draining: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    maxSkew: fc.integer({ min: 1, max: 2 }),
    atOnce: fc.integer({ min: 1, max: 4 }),
  });

  it("for any drain: every landing obeys the spread at its moment, in waves and in times", () => {
    fc.assert(
      fc.property(arbitraryCase, ({ counts, draining, maxSkew, atOnce }) => {
        const members = counts.map((count, index) => Array.from({ length: count }, (_, number) => `m${index}-${number}`));
        const facts = federation(members, draining);
        const requests = moving(members, maxSkew);
        const plan = placeMany(requests, facts);
        const limits = { outOfNode: atOnce, intoNode: atOnce };
        const sequence = sequenceMoves(plan.decisions, requests, facts, limits);
        const schedule = scheduleMoves(plan.decisions, requests, facts, limits);
        const landings = [...schedule.steps].sort((left, right) => left.endSeconds - right.endSeconds);
        for (const steps of [sequence.steps, landings]) {
          const on = new Map(members.map((keys, index) => [`n${index + 1}`, keys.length]));
          for (const { from, to: place } of steps) {
            on.set(from.node, on.get(from.node)! - 1);
            on.set(place.node, on.get(place.node)! + 1);
            const counted = facts.clusters[0]!.nodes.filter(({ status }) => status === "active").map(({ name }) => on.get(name)!);
            expect(on.get(place.node)! - Math.min(...counted)).toBeLessThanOrEqual(maxSkew);
          }
        }
        expect(sequence.ok).toBe(true);
        expect(schedule.ok).toBe(true);
      }),
    );
  });
});
