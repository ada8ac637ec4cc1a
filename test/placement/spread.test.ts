import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Inventory, type PlacementRequest, PlacementSession, placeMany, placeOne, type Rule } from "../../src/placement";
import { afterApply, inOrder, shuffled } from "./arbitraries";
import { cluster, guest, inventory, node, pool, request, rule } from "./builders";

const web = (count: number) => Array.from({ length: count }, () => guest({ tags: ["web"], cores: 0, memoryMiB: 0 }));
const spread = (extra: Partial<Rule> = {}) => rule("spread must tag web", extra);
const asked = (rules: Rule[], extra: Partial<PlacementRequest> = {}) => request("new", { tags: ["web"], pool: pool({ rules }), ...extra });

describe("a spread rule", () => {
  // a1 has far more room, so that without the rule everything goes there.
  const uneven = (first: number, second: number) =>
    inventory(cluster("a", [node("a1", { cores: 64, memoryMiB: 1 << 17, guests: web(first) }), node("a2", { guests: web(second) })]));

  it.each([
    ["lets the difference grow to 1 by default", 0, 0, {}, "a1"],
    ["sends the next one where there are fewer", 1, 0, {}, "a2"],
    ["allows what max_skew says", 2, 0, { maxSkew: 3 }, "a1"],
    ["and no more", 3, 0, { maxSkew: 3 }, "a2"],
  ])("%s", (_what, first, second, extra, expected) => {
    expect(placeOne(asked([spread(extra)]), uneven(first, second), [])).toMatchObject({ ok: true, placement: { node: expected } });
  });

  it("binds only guests that carry the tag", () => {
    expect(placeOne(asked([spread()], { tags: ["db"] }), uneven(5, 0), [])).toMatchObject({ placement: { node: "a1" } });
  });

  it("counts clusters with scope cluster", () => {
    const facts = inventory(
      cluster("a", [node("a1", { cores: 64, guests: web(1) }), node("a2", { cores: 64 })]),
      cluster("b", [node("b1")]),
    );
    expect(placeOne(asked([spread({ scope: "cluster" })]), facts, [])).toMatchObject({ placement: { cluster: "b" } });
  });

  it.each([
    ["cordoned", { status: "cordoned" as const }],
    ["draining", { status: "draining" as const }],
    ["offline", { online: false }],
  ])("does not count a node that is %s: it would keep the others from growing", (_what, state) => {
    const facts = inventory(cluster("a", [node("a1", { guests: web(1) }), node("a2", { guests: web(1) }), node("a3", state)]));
    expect(placeOne(asked([spread()]), facts, []).ok).toBe(true);
  });

  it("counts a full node, and says what it would take", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: web(1) }), node("a2", { cores: 0 })]));
    const result = placeOne(asked([spread()]), facts, []);
    expect(result).toMatchObject({ ok: false });
    expect(result.explanation.candidates.find((candidate) => candidate.node === "a1")?.rejected).toMatchObject({
      filter: "spread",
      reasons: ['a/a1 would have 2 guests tagged web and a/a2 has 0, and the pool rule "spread must tag web" allows a difference of 1'],
    });
  });

  it("leaves out what the pool's own rules rule out", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: web(1) })]), cluster("b", [node("b1")]));
    const rules = [spread({ scope: "cluster" }), rule("location must_not cluster b")];
    expect(placeOne(asked(rules), facts, [])).toMatchObject({ ok: true, placement: { cluster: "a" } });
  });

  it("makes nobody leave, also where a new node stands empty", () => {
    const live = guest({ key: "new", tags: ["web"] });
    const facts = inventory(cluster("a", [node("a1", { guests: [live, ...web(4)] }), node("a2")]));
    const prior = { cluster: "a", node: "a1", storages: [] };
    expect(placeOne(asked([spread()], { prior }), facts, [])).toMatchObject({ ok: true, explanation: { outcome: "kept" } });
    expect(placeMany([asked([spread()], { prior })], facts).counts.kept).toBe(1);
  });

  it("as a should gives points where it is kept", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: web(2) }), node("a2")]));
    const result = placeOne(asked([rule("spread should tag web", { weight: 10 })]), facts, []);
    const terms = result.explanation.candidates.map((candidate) => candidate.terms?.find(({ term }) => term === "rule"));
    expect(result).toMatchObject({ ok: true, placement: { node: "a2" } });
    expect(terms.map((term) => term?.points)).toEqual([40, 0]);
  });

  it.each([
    ["spread must_not tag web", {}, "forbids to be even"],
    ["spread must cluster a", {}, "names no guests"],
    ["spread must tag web", { maxSkew: 0 }, "has max_skew 0"],
    ["spread must tag web", { maxSkew: 1.5 }, "has max_skew 1.5"],
  ])("%s %j is refused", (text, extra, why) => {
    const result = placeOne(asked([rule(text, extra)]), inventory(cluster("a", [node("a1")])), []);
    expect(result.explanation.candidates[0]?.rejected).toMatchObject({ filter: "request", reasons: [expect.stringContaining(why)] });
  });
});

const scope = fc.constantFrom("cluster" as const, "node" as const, undefined);
const layout = fc.array(
  fc.array(fc.record({ cores: fc.integer({ min: 0, max: 6 }), members: fc.integer({ min: 0, max: 3 }) }), { minLength: 1, maxLength: 3 }),
  {
    minLength: 1,
    maxLength: 3,
  },
);

function built(clusters: { cores: number; members: number }[][]): Inventory {
  return inventory(
    ...clusters.map((nodes, index) => {
      const id = "abc"[index] ?? "z";
      return cluster(
        id,
        nodes.map(({ cores, members }, position) => node(`${id}${position}`, { cores, guests: web(members) })),
      );
    }),
  );
}

/** Members per place, of the places that count. */
function members(facts: Inventory, placed: readonly { cluster: string; node: string }[], of: Rule["scope"]): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (clusterId: string, nodeName: string, many: number) => {
    const place = of === "cluster" ? clusterId : `${clusterId}/${nodeName}`;
    counts.set(place, (counts.get(place) ?? 0) + many);
  };
  for (const each of facts.clusters) for (const { name, guests } of each.nodes) add(each.id, name, guests.length);
  for (const { cluster: id, node: name } of placed) add(id, name, 1);
  return counts;
}

describe("a spread rule, for any federation", () => {
  it("nobody lands where that makes the difference greater than allowed", () => {
    fc.assert(
      fc.property(layout, scope, fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 10 }), (clusters, of, maxSkew, count) => {
        const facts = built(clusters);
        const policy = pool({ clusters: ["a", "b", "c"], rules: [spread({ scope: of, maxSkew })] });
        const session = new PlacementSession(facts);
        const placed: { cluster: string; node: string }[] = [];
        for (let index = 0; index < count; index++) {
          const decision = session.add(request(`vm-${index}`, { tags: ["web"], pool: policy }));
          if (decision.placement === undefined) continue;
          placed.push(decision.placement);
          const counts = members(facts, placed, of);
          const { cluster: id, node: name } = decision.placement;
          expect((counts.get(of === "cluster" ? id : `${id}/${name}`) ?? 0) - Math.min(...counts.values())).toBeLessThanOrEqual(maxSkew);
        }
      }),
    );
  });

  it("one by one, jointly the fast way and jointly by scan agree, whatever the order of the input, and reruns move nothing", () => {
    fc.assert(
      fc.property(layout, scope, fc.integer({ min: 1, max: 12 }), fc.integer(), (clusters, of, count, seed) => {
        const facts = built(clusters);
        const policy = pool({
          clusters: ["a", "b", "c"],
          rules: [spread({ scope: of }), rule("spread should tag web", { maxSkew: 2, scope: of })],
        });
        const requests = Array.from({ length: count }, (_, index) => request(`vm-${index}`, { tags: ["web"], pool: policy }));
        const plan = placeMany(requests, facts);
        expect(placeMany(requests, facts, { search: "scan" }).decisions).toEqual(plan.decisions);
        const other = placeMany(inOrder(requests, seed), shuffled(facts, seed));
        expect(new Map(other.decisions.map((each) => [each.key, each.placement]))).toEqual(
          new Map(plan.decisions.map((each) => [each.key, each.placement])),
        );
        const settled = requests.flatMap((each, index) => {
          const placement = plan.decisions[index]?.placement;
          return placement === undefined ? [] : [{ request: each, ...placement }];
        });
        const again = settled.map(({ request: each, ...prior }) => ({ ...each, prior }));
        expect(placeMany(again, afterApply(facts, settled)).counts).toMatchObject({ kept: settled.length, moved: 0, rejected: 0 });
      }),
    );
  });
});
