import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  explainDecision,
  explainText,
  type Inventory,
  type PlacementPlan,
  type PlacementRequest,
  placeMany,
  placeManyExplained,
} from "../../src/placement";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../../src/placement/filters";
import { Kinds } from "../../src/placement/many/kind";
import { Shape } from "../../src/placement/many/shape";
import { placeInWorld } from "../../src/placement/place-one";
import { scoreNode } from "../../src/placement/scores";
import { buildWorld, occupy } from "../../src/placement/world";
import { afterApply, arbitraryInventory, arbitraryRequests, inOrder, shuffled } from "./arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule } from "./builders";

const placesOf = (plan: PlacementPlan) =>
  Object.fromEntries(
    plan.decisions.map(({ key, outcome, placement }) => [key, `${outcome} ${placement?.cluster ?? ""}/${placement?.node ?? ""}`]),
  );

const placedIn = (requests: PlacementRequest[], plan: PlacementPlan) =>
  plan.decisions.flatMap(({ placement, outcome }, index) => {
    const asked = requests[index];
    return placement === undefined || asked === undefined || outcome === "rejected" ? [] : [{ request: asked, ...placement }];
  });

describe("placeMany", () => {
  it("puts the most constrained first: the big one gets the only node that can take it", () => {
    const facts = inventory(cluster("a", [node("small", { cores: 4 }), node("big", { cores: 8, memoryMiB: 32768 })]));
    const requests = [...["s1", "s2", "s3", "s4"].map((key) => request(key)), request("large", { cores: 8 })];
    const plan = placeMany(requests, facts);
    expect(plan.counts).toEqual({ kept: 0, placed: 5, moved: 0, rejected: 0 });
    expect(placesOf(plan)).toMatchObject({ large: "placed a/big", s1: "placed a/small" });
  });

  it("moves only what has to move", () => {
    const facts = inventory(
      cluster("a", [
        node("a1", { guests: [guest({ key: "one" }), guest({ key: "two" })] }),
        node("a2", { status: "draining", guests: [guest({ key: "three" })] }),
      ]),
      cluster("b", [node("b1")]),
    );
    const at = (name: string) => ({ cluster: "a", node: name, storages: [] });
    const requests = [
      request("one", { prior: at("a1") }),
      request("two", { prior: at("a1") }),
      request("three", { prior: at("a2") }),
      request("four"),
    ];
    const plan = placeMany(requests, facts);
    expect(placesOf(plan)).toEqual({ one: "kept a/a1", two: "kept a/a1", three: "moved a/a1", four: "placed b/b1" });
    expect(plan.decisions[2]?.moveReason).toBe("node a/a2 is draining");
  });

  it("of guests that may not be together, those with the fewest bytes leave", () => {
    const spread = pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] });
    const sizes = { light: 1, heavy: 50, middle: 20 };
    const guests = Object.keys(sizes).map((key) => guest({ key, tags: ["db"], pool: "production" }));
    const facts = inventory(cluster("a", [node("a1", { guests }), node("a2"), node("a3")]));
    const requests = Object.entries(sizes).map(([key, gib]) =>
      request(key, { tags: ["db"], pool: spread, moveBytes: gib * GIB, prior: { cluster: "a", node: "a1", storages: [] } }),
    );
    const plan = placeMany(requests, facts);
    expect(plan.decisions.map(({ key, outcome }) => [key, outcome])).toEqual([
      ["light", "moved"],
      ["heavy", "kept"],
      ["middle", "moved"],
    ]);
    expect(new Set(plan.decisions.map(({ placement }) => placement?.node)).size).toBe(3);
  });

  it("leaves a guest that has to leave but fits nowhere where it is, says why, and gives its room to nobody", () => {
    const facts = inventory(cluster("a", [node("a1", { status: "cordoned", cores: 2, guests: [guest({ key: "vm", cores: 2 })] })]));
    const away = request("vm", { cores: 2, prior: { cluster: "a", node: "a1", storages: [] }, rules: [rule("affinity must_not node a1")] });
    const [decision] = placeMany([away], facts).decisions;
    expect(decision).toMatchObject({ outcome: "rejected", placement: { cluster: "a", node: "a1" } });
    expect(decision?.message).toContain("0 of 1 node fit");
  });

  it("counts the bytes of moves between clusters, not of those inside", () => {
    const facts = inventory(
      cluster("a", [node("a1", { guests: [guest({ key: "vm" })] })], { status: "draining" }),
      cluster("b", [node("b1")]),
    );
    const disks = [{ name: "d", storageClass: "", sizeBytes: 7 * GIB }];
    expect(placeMany([request("vm", { disks, prior: { cluster: "a", node: "a1", storages: ["main"] } })], facts).movedBytes).toBe(7 * GIB);
  });

  it("refuses two requests with one key", () => {
    expect(() => placeMany([request("vm"), request("vm")], inventory())).toThrow("two requests have the key vm");
  });

  it("explains each decision from the finished plan", () => {
    const facts = inventory(cluster("a", [node("a1"), node("a2")]));
    const requests = [request("one"), request("two", { cores: 99 })];
    const plan = placeMany(requests, facts);
    const one = explainDecision("one", plan, requests, facts);
    const two = explainDecision("two", plan, requests, facts);
    expect(one?.explanation.candidates[0]).toMatchObject({ node: plan.decisions[0]?.placement?.node, score: 912 });
    expect(two?.ok === false && two.message).toContain("2 lack 91 cores");
    expect(one === undefined ? "" : explainText(one)).toContain("one → a/a");
    expect(explainDecision("absent", plan, requests, facts)).toBeUndefined();
  });
});

describe("placeMany, for any federation", () => {
  it("finds with rankings and bounds what the full scan finds", () => {
    // Few copies of a shape are placed by bounds, many with a ranking.
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.constantFrom(1, 4, 40), (facts, requests, copies) => {
        const all = requests.flatMap((each) => Array.from({ length: copies }, (_, copy) => ({ ...each, key: `${each.key}-${copy}` })));
        expect(placeMany(all, facts, { search: "fast" })).toEqual(placeMany(all, facts, { search: "scan" }));
      }),
    );
  });

  it("finds by bounds what the full scan finds on larger, similar nodes, where equal scores are frequent", () => {
    const sizes = fc.array(fc.record({ cores: fc.integer({ min: 1, max: 9 }), memoryMiB: fc.integer({ min: 1, max: 30_000 }) }), {
      minLength: 1,
      maxLength: 120,
    });
    const nodes = fc.array(fc.constantFrom({ cores: 64, memoryMiB: 262_144 }, { cores: 96, memoryMiB: 524_288 }), {
      minLength: 2,
      // More of one size in a cluster than the search passes over in one step.
      maxLength: 150,
      size: "max",
    });
    fc.assert(
      fc.property(
        sizes,
        nodes,
        fc.constantFrom("balanced" as const, "cost" as const, "performance" as const),
        (asked, hardware, strategy) => {
          const half = hardware.length >> 1;
          const named = hardware.map((facts, index) => node(`n${index}`, facts));
          const facts = inventory(
            cluster("a", named.slice(0, half), { prices: { perCoreMonth: 4 }, tier: "edge" }),
            cluster("b", named.slice(half), { prices: { perCoreMonth: 5 } }),
          );
          const policy = pool({ strategy, clusterWeights: { a: 90 } });
          const requests = asked.map((amounts, index) => request(`vm-${index}`, { ...amounts, pool: policy }));
          expect(placeMany(requests, facts, { search: "fast" })).toEqual(placeMany(requests, facts, { search: "scan" }));
        },
      ),
    );
  });

  it("finds what the full scan finds where kinds that differ in tags and rules about them share the ranking of their size", () => {
    const hardware = fc.array(fc.constantFrom({ cores: 64, memoryMiB: 65_536 }, { cores: 24, memoryMiB: 131_072 }), {
      minLength: 1,
      maxLength: 90,
      size: "max",
    });
    const guest = fc.record({ tag: fc.integer({ min: 0, max: 12 }), cores: fc.constantFrom(2, 8), ownRule: fc.boolean() });
    const groupRules = Array.from({ length: 8 }, (_, index) =>
      rule(`anti-affinity ${index === 3 ? "should" : "must"} tag t${index}`, { scope: index === 5 ? "cluster" : "node" }),
    );
    fc.assert(
      fc.property(hardware, fc.array(guest, { minLength: 64, maxLength: 160, size: "max" }), (nodes, asked) => {
        const named = nodes.map((facts, index) => node(`n${index}`, facts));
        const third = Math.ceil(named.length / 3);
        const facts = inventory(cluster("a", named.slice(0, third)), cluster("b", named.slice(third), { maxVms: 60 }));
        const policy = pool({ rules: groupRules, clusterWeights: { b: 110 } });
        const requests = asked.map(({ tag, cores, ownRule }, index) =>
          request(`vm-${index}`, {
            cores,
            tags: [`T${tag}`],
            rules: ownRule ? [rule(`anti-affinity must tag t${(tag + 1) % 12}`)] : [],
            pool: policy,
          }),
        );
        expect(placeMany(requests, facts, { search: "fast" })).toEqual(placeMany(requests, facts, { search: "scan" }));
      }),
    );
  });

  it("scores and fits exactly as the single decision does", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const world = buildWorld(facts, []);
        for (const asked of requests) {
          const kind = new Kinds(world).newcomerKindOf(asked);
          const shape = new Shape(kind, asked);
          kind.candidates.nodes.forEach((place, index) => {
            const ask = { ...kind.ask, request: asked };
            expect(shape.score(index)).toBe(scoreNode(ask, place).score);
            const passes =
              NODE_FILTERS.every((filter) => filter.check(ask, place).length === 0) &&
              CLUSTER_FILTERS.every((filter) => filter.name === "pool-limits" || filter.check(ask, place.cluster).length === 0);
            expect(shape.fits(index)).toBe(passes);
          });
          const found = placeInWorld(asked, world);
          if (found.ok) occupy(world, asked, found.placement);
        }
      }),
    );
  });

  it("gives the figures that the full explanation of each decision has", () => {
    let known = 0;
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const plan = placeManyExplained(requests, facts);
        expect(plan).toMatchObject(placeMany(requests, facts));
        for (const figures of plan.figures()) {
          const full = explainDecision(figures.key, plan, requests, facts);
          expect(figures.outcome).toBe(full?.explanation.outcome);
          if (!figures.isNextKnown) continue;
          known += 1;
          const [chosen, next] = full?.explanation.candidates.filter(({ score }) => score !== undefined) ?? [];
          expect(figures).toMatchObject({ score: chosen?.score, margin: full?.explanation.margin });
          expect(figures.next?.score).toBe(next?.score);
        }
      }),
    );
    expect(known).toBeGreaterThan(20);
  });

  it("gives the same plan whatever the order of inventory and requests", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.integer(), (facts, requests, seed) => {
        const plan = placesOf(placeMany(requests, facts));
        expect(placesOf(placeMany(inOrder(requests, seed), shuffled(facts, seed)))).toEqual(plan);
      }),
    );
  });

  it("moves nothing in six reruns", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const first = placeMany(requests, facts);
        const placed = placedIn(requests, first);
        let live: Inventory = afterApply(facts, placed);
        for (let rerun = 0; rerun < 6; rerun++) {
          const again = placed.map(({ request: asked, ...prior }) => ({ ...asked, prior }));
          const plan = placeMany(again, live);
          expect(plan.counts).toEqual({ kept: placed.length, placed: 0, moved: 0, rejected: 0 });
          live = afterApply(live, placedIn(again, plan));
        }
      }),
    );
  });

  it("never breaks a must, also when clusters drain", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const placed = placedIn(requests, placeMany(requests, facts));
        const live = afterApply(facts, placed);
        const [first] = live.clusters;
        if (first !== undefined) first.status = "draining";
        const again = placed.map(({ request: asked, ...prior }) => ({ ...asked, prior }));
        const plan = placeMany(again, live);
        const all = plan.decisions.flatMap(({ placement }, index) => (placement === undefined ? [] : [{ asked: again[index], placement }]));
        plan.decisions.forEach(({ outcome, placement, key }, index) => {
          const asked = again[index];
          if (outcome === "rejected" || placement === undefined || asked === undefined) return;
          expect(placement.cluster).not.toBe(first?.status === "draining" && first.reachable ? first.id : "");
          const hard = (asked.pool?.rules ?? []).filter(({ operator }) => operator.startsWith("must"));
          if (hard.some(({ type }) => type === "location")) expect(placement.cluster).not.toBe("b");
          for (const { value, scope } of hard.filter(({ type }) => type === "anti-affinity")) {
            if (!asked.tags.includes(value)) continue;
            const together = all.filter(
              (other) =>
                other.asked?.key !== key &&
                other.asked?.tags.includes(value) &&
                other.placement.cluster === placement.cluster &&
                (scope === "cluster" || other.placement.node === placement.node),
            );
            expect(together).toEqual([]);
          }
        });
      }),
    );
  });
});
