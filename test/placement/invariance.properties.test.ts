import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Inventory, type PlacementRequest, type PoolPolicy, placeMany, type Rule } from "../../src/placement";
import { afterApply, arbitraryInventory, arbitraryRequests, inOrder, shuffled } from "./arbitraries";
import { cluster, inventory, node, pool, request, rule } from "./builders";

/** What must not matter, and what must never be traded, with every kind of rule at once. */

const ALWAYS = { days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const, startMinute: 0, endMinute: 1440, timezone: "UTC" };
const NIGHT = { days: [...ALWAYS.days], startMinute: 22 * 60, endMinute: 6 * 60, timezone: "Europe/Amsterdam" };
const WEDNESDAY_NOON_MS = Date.UTC(2026, 2, 4, 12);
const WEDNESDAY_NIGHT_MS = Date.UTC(2026, 2, 4, 23);

const newRules = fc.subarray<Rule>([
  rule("spread must tag db", { scope: "node" }),
  rule("spread must tag web", { scope: "cluster", maxSkew: 2 }),
  rule("spread should tag cache", { weight: 30 }),
  rule("location must_not cluster a", { window: NIGHT }),
  rule("anti-affinity must tag cache", { window: NIGHT }),
]);
const schedule = fc.constantFrom<PoolPolicy["schedule"][]>(undefined, [{ window: NIGHT, strategy: "cost", clusterWeights: { b: 150 } }]);
const survive = fc.constantFrom<Inventory["survive"][]>(
  undefined,
  [{ pool: "production", clusters: ["a", "b", "c"], losses: ["node"] }],
  [{ pool: "production", clusters: ["a", "b", "c"], losses: ["cluster"] }],
);
const instantMs = fc.constantFrom(WEDNESDAY_NOON_MS, WEDNESDAY_NIGHT_MS);

const scene = fc
  .record({ facts: arbitraryInventory, requests: arbitraryRequests, rules: newRules, schedule, survive, instantMs })
  .map(({ facts, requests, rules, schedule: hours, survive: losses, instantMs: at }) => {
    const shared = requests.find((each) => each.pool !== undefined)?.pool ?? pool();
    const policy = { ...shared, rules: [...shared.rules, ...rules], schedule: hours };
    return {
      facts: { ...facts, survive: losses, instantMs: at } satisfies Inventory,
      requests: requests.map((each) => (each.pool === undefined ? each : { ...each, pool: policy })),
    };
  });

function places(requests: readonly PlacementRequest[], facts: Inventory): Map<string, string> {
  const { decisions } = placeMany(requests, facts);
  return new Map(
    decisions.map(({ key, placement }) => [key, placement === undefined ? "nowhere" : `${placement.cluster}/${placement.node}`]),
  );
}

function settle(requests: readonly PlacementRequest[], facts: Inventory) {
  const { decisions } = placeMany(requests, facts);
  const placed = requests.flatMap((each, index) => {
    const placement = decisions[index]?.placement;
    return placement === undefined ? [] : [{ request: each, ...placement }];
  });
  const again = placed.map(({ request: each, ...prior }) => ({ ...each, prior }));
  return { placed, again, after: { ...afterApply(facts, placed), survive: facts.survive, instantMs: facts.instantMs } };
}

describe("with every kind of rule", () => {
  it("the fast ways find what the scan finds, and the order of the input does not matter", () => {
    fc.assert(
      fc.property(scene, fc.integer(), ({ facts, requests }, seed) => {
        const plan = placeMany(requests, facts);
        expect(placeMany(requests, facts, { search: "scan" }).decisions).toEqual(plan.decisions);
        const other = { ...shuffled(facts, seed), survive: facts.survive, instantMs: facts.instantMs };
        expect(places(inOrder(requests, seed), other)).toEqual(places(requests, facts));
      }),
    );
  });

  it("the locale and the time zone of the process do not matter", () => {
    const zone = process.env.TZ;
    const compare = String.prototype.localeCompare;
    fc.assert(
      fc
        .property(scene, ({ facts, requests }) => {
          process.env.TZ = "UTC";
          const here = places(requests, facts);
          process.env.TZ = "Asia/Kathmandu";
          String.prototype.localeCompare = () => {
            throw new Error("placement asked for the machine's locale");
          };
          expect(places(requests, facts)).toEqual(here);
        })
        .afterEach(() => {
          String.prototype.localeCompare = compare;
          if (zone === undefined) delete process.env.TZ;
          else process.env.TZ = zone;
        }),
      { numRuns: 30 },
    );
  });

  it("the units do not matter: all sizes, and all prices, times the same factor", () => {
    fc.assert(
      fc.property(scene, fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 9 }), ({ facts, requests }, sizes, prices) => {
        // Sizes that shares of a percent divide without rest: what is rounded away depends on the unit.
        const even = rescaled(facts, requests, 10_000, 1);
        const scaled = rescaled(facts, requests, 10_000 * sizes, prices);
        expect(places(scaled.requests, scaled.facts)).toEqual(places(even.requests, even.facts));
      }),
    );
  });

  it("the unit of memory and disks does not decide between equal nodes either", () => {
    const facts = (factor: number) =>
      inventory(
        cluster(
          "a",
          Array.from({ length: 9 }, (_, index) => node(`a${index}`, { memoryMiB: 65536 * factor })),
        ),
      );
    const limited = (factor: number) => pool({ limits: { maxMemoryMiB: (1 << 20) << factor } });
    const asked = (factor: number) =>
      Array.from({ length: 6 }, (_, index) => request(`vm-${index}`, { memoryMiB: (1 + index) * 1024 * factor, pool: limited(factor) }));
    for (const factor of [2, 3, 7]) expect(places(asked(factor), facts(factor))).toEqual(places(asked(1), facts(1)));
  });

  it("reruns move nothing, as long as no window opens", () => {
    fc.assert(
      fc.property(scene, ({ facts, requests }) => {
        const { placed, again, after } = settle(requests, facts);
        expect(placeMany(again, after).counts).toMatchObject({ kept: placed.length, moved: 0, rejected: 0 });
      }),
    );
  });

  it("no must is broken by a newcomer or by a guest that moves, also when a window opens", () => {
    fc.assert(
      fc.property(scene, ({ facts, requests }) => {
        const { again, after } = settle(requests, { ...facts, instantMs: WEDNESDAY_NOON_MS });
        const night = { ...after, instantMs: WEDNESDAY_NIGHT_MS };
        const plan = placeMany(again, night);
        plan.decisions.forEach(({ outcome, placement, message }, index) => {
          const rules = again[index]?.pool?.rules ?? [];
          const forbidsA = rules.some(({ type, operator, value }) => type === "location" && operator === "must_not" && value === "a");
          if (!forbidsA || placement?.cluster !== "a") return;
          // It stays only because it fits nowhere else, and says so; a cluster that does not answer cannot be left.
          const answers = night.clusters.find(({ id }) => id === "a")?.reachable;
          if (answers) expect([outcome, message === undefined]).toEqual(["rejected", false]);
          else expect(outcome).toBe("kept");
        });
      }),
    );
  });
});

/** The same federation in a smaller unit, and in another currency. */
function rescaled(facts: Inventory, requests: readonly PlacementRequest[], sizes: number, prices: number) {
  const priced = (price: number | undefined) => (price === undefined ? undefined : price * prices);
  return {
    requests: requests.map((each) => ({
      ...each,
      cores: each.cores * sizes,
      memoryMiB: each.memoryMiB * sizes,
      disks: each.disks.map((disk) => ({ ...disk, sizeBytes: (disk.sizeBytes / 2 ** 20) * sizes })),
      pool: each.pool && {
        ...each.pool,
        limits: { ...each.pool.limits, maxCores: each.pool.limits.maxCores && each.pool.limits.maxCores * sizes },
      },
    })),
    facts: {
      ...facts,
      clusters: facts.clusters.map((each) => ({
        ...each,
        prices: { perCoreMonth: priced(each.prices.perCoreMonth) },
        nodes: each.nodes.map((place) => ({
          ...place,
          cores: place.cores * sizes,
          memoryMiB: place.memoryMiB * sizes,
          guests: place.guests.map((own) => ({ ...own, cores: own.cores * sizes, memoryMiB: own.memoryMiB * sizes })),
        })),
        storages: each.storages.map((one) => ({
          ...one,
          totalBytes: (one.totalBytes / 2 ** 20) * sizes,
          usedBytes: (one.usedBytes / 2 ** 20) * sizes,
        })),
      })),
    },
  };
}
