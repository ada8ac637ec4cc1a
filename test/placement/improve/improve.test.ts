import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkNodeFailover,
  type ImproveBudget,
  type Improvement,
  type Inventory,
  improvePlacement,
  type PlacementRequest,
  placeMany,
  placeOne,
} from "../../../src/placement";
import { afterApply, arbitraryInventory, arbitraryRequests, inOrder, shuffled } from "../arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule } from "../builders";

const at = (name: string, clusterId = "a") => ({ cluster: clusterId, node: name, storages: [] });

/** Six guests of one core on n1, none on n2. */
function lopsided(extra: Partial<PlacementRequest> = {}): { facts: Inventory; requests: PlacementRequest[] } {
  const keys = ["u", "v", "w", "x", "y", "z"];
  const tags = extra.tags ?? [];
  const facts = inventory(cluster("a", [node("n1", { guests: keys.map((key) => guest({ key, tags })) }), node("n2")]));
  return { facts, requests: keys.map((key) => request(key, { ...extra, prior: at("n1") })) };
}

const shown = ({ moves }: Improvement) => moves.map(({ key, from, to }) => `${key} ${from.node}>${to.node}`);

describe("improvePlacement", () => {
  it("evens out a cluster, and says what that gains", () => {
    const { facts, requests } = lopsided();
    const result = improvePlacement(requests, facts, { moves: 10 });
    expect(result.moves).toHaveLength(3);
    expect(result.moves.every(({ from, to }) => from.node === "n1" && to.node === "n2")).toBe(true);
    expect(result.scoreAfter - result.scoreBefore).toBe(result.moves.reduce((sum, { gain }) => sum + gain, 0));
    expect(result).toMatchObject({ stopped: "nothing-pays", linkBytes: 0, localBytes: 3 * GIB, imbalance: [{ before: 375, after: 0 }] });
    expect(result.schedule).toMatchObject({ ok: true, steps: { length: 3 } });
    expect(result.decisions.filter(({ outcome }) => outcome === "moved").map(({ moveReason }) => moveReason)).toContain(
      `gains ${result.moves[0]?.gain} points in all`,
    );
  });

  it("keeps to its budget of moves and of bytes, and says that it ended there", () => {
    const { facts, requests } = lopsided();
    expect(improvePlacement(requests, facts, { moves: 1 })).toMatchObject({ moves: { length: 1 }, stopped: "budget" });
    expect(improvePlacement(requests, facts, { moves: 0 })).toMatchObject({ moves: [], stopped: "budget" });
    expect(improvePlacement(requests, facts, { moves: 9, localBytes: 2 * GIB })).toMatchObject({ moves: { length: 2 }, stopped: "budget" });
  });

  it("makes no move that gains less than asked", () => {
    const { facts, requests } = lopsided();
    expect(shown(improvePlacement(requests, facts, { moves: 10 }, { leastGain: 5000 }))).toEqual([]);
    expect(shown(improvePlacement(requests, facts, { moves: 10 }, { gainPerGiB: 5000 }))).toEqual([]);
  });

  it("crosses between clusters only with bytes to spend, and only as long as the link takes it", () => {
    const disks = [{ name: "scsi0", storageClass: "", sizeBytes: 10 * GIB }];
    const keys = ["x", "y"];
    const facts = inventory(
      cluster("a", [node("a1", { cores: 4, guests: keys.map((key) => guest({ key, cores: 2 })) })]),
      cluster("b", [node("b1", { cores: 4 })]),
    );
    const linked = { ...facts, links: [{ from: "a", to: "b", bandwidthBitsPerSecond: 1e9 }] };
    const requests = keys.map((key) => request(key, { cores: 2, disks, prior: { ...at("a1"), storages: ["main"] } }));
    const tried = (budget: ImproveBudget, where = linked) => improvePlacement(requests, where, budget).moves;
    const seconds = (8 * 10 * GIB) / 1e9;
    expect(tried({ moves: 5 })).toEqual([]);
    expect(tried({ moves: 5, linkBytes: 10 * GIB })).toMatchObject([{ to: { cluster: "b" }, linkBytes: 10 * GIB, linkSeconds: seconds }]);
    expect(tried({ moves: 5, linkBytes: 10 * GIB, secondsPerLink: seconds - 1 })).toEqual([]);
    expect(tried({ moves: 5, linkBytes: 10 * GIB, secondsPerLink: 1e6 }, { ...facts, links: [] })).toEqual([]);
    expect(tried({ moves: 5, linkBytes: 10 * GIB }, { ...facts, links: [] })).toMatchObject([{ linkSeconds: undefined }]);
  });

  it("follows the strategy of the pool: the cheaper cluster wins when price is what counts", () => {
    const cheap = pool({ clusters: ["a", "b"], strategy: "cost" });
    const facts = inventory(
      cluster("a", [node("a1", { guests: [guest({ key: "x" })] })], { prices: { perCoreMonth: 10 } }),
      cluster("b", [node("b1")], { prices: { perCoreMonth: 5 } }),
    );
    const result = improvePlacement([request("x", { pool: cheap, prior: at("a1") })], facts, { moves: 1, linkBytes: GIB });
    expect(shown(result)).toEqual(["x a1>b1"]);
  });

  it("leaves guests that break a rule to repair", () => {
    const { facts, requests } = lopsided({ rules: [rule("affinity must_not node n1")] });
    expect(improvePlacement(requests, facts, { moves: 10 })).toMatchObject({ moves: [], stopped: "nothing-pays" });
  });

  it("does not take the room that a guest needs when its node is lost", () => {
    // n1 is the only node that could take the big one, and only as long as it is as empty as it is.
    const facts = inventory(
      cluster("a", [
        node("n1", { cores: 8 }),
        node("n2", { cores: 8, guests: [guest({ key: "big", name: "big", cores: 8 })] }),
        node("n3", { cores: 4, guests: ["x", "y"].map((key) => guest({ key })) }),
      ]),
    );
    const requests = [request("big", { cores: 8, prior: at("n2") }), ...["x", "y"].map((key) => request(key, { prior: at("n3") }))];
    expect(checkNodeFailover(requests, facts).find(({ node: name }) => name === "n2")?.verdict).toBe("absorbed");
    expect(shown(improvePlacement(requests, facts, { moves: 10 }, { leastGain: 1, gainPerGiB: 0 }))).toEqual([]);
    const roomy = { ...facts, clusters: facts.clusters.map((each) => ({ ...each, nodes: [...each.nodes, node("n4")] })) };
    expect(improvePlacement(requests, roomy, { moves: 10 }, { leastGain: 1, gainPerGiB: 0 }).moves.length).toBeGreaterThan(0);
  });

  describe("two that would have to change places", () => {
    /** Big and small are kept apart, so that neither can go to the other's node; big is where most memory is taken already. */
    const crowded = (...spare: string[]) =>
      inventory(
        cluster("a", [
          node("n1", {
            memoryMiB: 24_576,
            guests: [guest({ key: "pinned", memoryMiB: 8192 }), guest({ key: "big", memoryMiB: 8192, tags: ["db"] })],
          }),
          node("n2", { memoryMiB: 24_576, guests: [guest({ key: "small", tags: ["db"] })] }),
          ...spare.map((name) => node(name, { memoryMiB: 4096 })),
        ]),
      );
    const settled = (small: Partial<PlacementRequest> = {}) => {
      const apart = { tags: ["db"], pool: pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] }) };
      // Parking is allowed there, settling is not worth it.
      const rules = [rule("affinity should_not node n3", { weight: 100 })];
      return [
        request("pinned", { memoryMiB: 8192, prior: at("n1"), pin: { node: "n1" } }),
        request("big", { ...apart, memoryMiB: 8192, prior: at("n1") }),
        request("small", { ...apart, rules, prior: at("n2"), ...small }),
      ];
    };

    it("do so over a place to park, and share what that gains", () => {
      const facts = crowded("n3");
      const result = improvePlacement(settled(), facts, { moves: 2 }, { gainPerGiB: 0 });
      expect(result.moves.map(({ from, to }) => `${from.node}>${to.node}`).sort()).toEqual(["n1>n2", "n2>n1"]);
      const [first, second] = result.moves;
      expect([first?.exchangedWith, second?.exchangedWith]).toEqual([second?.key, first?.key]);
      expect(result.scoreAfter - result.scoreBefore).toBe(first!.gain + second!.gain);
      expect(result.schedule).toMatchObject({ ok: true, steps: { length: 3 } });
      expect(result.schedule.steps.filter(({ purpose }) => purpose === "park")).toHaveLength(1);
    });

    it("stay where there is no way", () => {
      expect(improvePlacement(settled(), crowded(), { moves: 9 }, { gainPerGiB: 0 })).toMatchObject({ moves: [], stopped: "nothing-pays" });
    });

    it("stay where the budget has one move left", () => {
      const result = improvePlacement(settled(), crowded("n3"), { moves: 1 }, { gainPerGiB: 0 });
      expect(result).toMatchObject({ moves: [], stopped: "budget" });
    });

    it("stay where one of them may not be", () => {
      const fixed = settled({ pin: { node: "n2" } });
      expect(improvePlacement(fixed, crowded("n3"), { moves: 9 }, { gainPerGiB: 0 }).moves).toEqual([]);
    });
  });

  it("refuses a budget that is none", () => {
    expect(() => improvePlacement([], inventory(), { moves: Number.NaN })).toThrow("the budget's moves is NaN");
    expect(() => improvePlacement([], inventory(), { moves: 1, linkBytes: -1 })).toThrow("the budget's linkBytes is -1");
  });
});

/** A federation whose guests live where they were once put, not where they would be put now. */
function living(facts: Inventory, requests: PlacementRequest[]): { live: Inventory; again: PlacementRequest[] } {
  const crooked = requests.map((asked) =>
    asked.pool === undefined ? asked : { ...asked, pool: { ...asked.pool, strategy: "geographic" as const } },
  );
  const placed = placeMany(crooked, facts).decisions.flatMap(({ placement }, index) =>
    placement === undefined ? [] : [{ request: requests[index]!, ...placement }],
  );
  return { live: afterApply(facts, placed), again: placed.map(({ request: asked, ...prior }) => ({ ...asked, prior })) };
}

const generous: ImproveBudget = { moves: 100, linkBytes: 1000 * GIB };

const rerun = (result: Improvement, requests: readonly PlacementRequest[]) =>
  requests.map((asked, index) => ({ ...asked, prior: result.decisions[index]!.placement! }));

describe("improvePlacement, for any federation", () => {
  it("never makes the layout worse, gains what it says and keeps to the budget", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.nat({ max: 4 }), (facts, requests, moves) => {
        const { live, again } = living(facts, requests);
        const result = improvePlacement(again, live, { moves, linkBytes: 20 * GIB }, { leastGain: 1, gainPerGiB: 0 });
        expect(result.moves.length).toBeLessThanOrEqual(moves);
        expect(result.linkBytes).toBeLessThanOrEqual(20 * GIB);
        expect(result.scoreAfter - result.scoreBefore).toBeGreaterThanOrEqual(result.moves.length);
        expect(result.schedule.ok).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("trades no must: everybody may be where it is afterwards", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = living(facts, requests);
        const result = improvePlacement(again, live, generous, { leastGain: 1, gainPerGiB: 0 });
        const after = rerun(result, again);
        for (const asked of after) {
          const wanted = { ...asked, pin: { cluster: asked.prior.cluster, node: asked.prior.node } };
          expect(placeOne(wanted, result.inventory, [])).toMatchObject({ ok: true, explanation: { outcome: "kept" } });
        }
      }),
      { numRuns: 60 },
    );
  });

  it("finds nothing more on its own result", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = living(facts, requests);
        const result = improvePlacement(again, live, generous);
        fc.pre(result.stopped === "nothing-pays");
        expect(shown(improvePlacement(rerun(result, again), result.inventory, generous))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("decides the same whatever the order of what it is given", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.integer(), (facts, requests, seed) => {
        const { live, again } = living(facts, requests);
        const sorted = (result: Improvement) => shown(result).sort();
        const other = improvePlacement(inOrder(again, seed), shuffled(live, seed), generous);
        expect(sorted(other)).toEqual(sorted(improvePlacement(again, live, generous)));
      }),
      { numRuns: 60 },
    );
  });

  it("leaves nobody without a place after the loss of a node who had one before", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = living(facts, requests);
        const result = improvePlacement(again, live, generous, { leastGain: 1, gainPerGiB: 0 });
        const homeless = (who: PlacementRequest[], where: Inventory) =>
          checkNodeFailover(who, where).flatMap((failover) => failover.homeless);
        const before = homeless(again, live);
        expect(homeless(rerun(result, again), result.inventory).filter((name) => !before.includes(name))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
