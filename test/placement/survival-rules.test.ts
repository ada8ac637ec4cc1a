import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GuestFacts, type Inventory, type Loss, type PlacementRequest, placeMany, placeOne, type Rule } from "../../src/placement";
import { afterApply, inOrder, shuffled } from "./arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";
import { canAbsorb, type Shelterable } from "./survival-oracle";

const production = (rules: Rule[] = []) => pool({ rules });
const asked = (key: string, extra: Partial<PlacementRequest> = {}) => request(key, { memoryMiB: 0, ...extra });

/** A federation with a demand, and the pool's rules for its live guests. */
function demanding(facts: Inventory, losses: Loss[], rules: Rule[] = []): Inventory {
  return { ...facts, survive: [{ pool: "production", clusters: ["a", "b"], losses }], poolRules: { production: rules } };
}

function nodes(...guests: Partial<GuestFacts>[][]) {
  return guests.map((own, index) =>
    node(`a${index + 1}`, { guests: own.map((each) => guest({ pool: "production", memoryMiB: 0, ...each })) }),
  );
}

describe("a pool that has to survive the loss of any node, with rules between guests", () => {
  const apart = [rule("anti-affinity must tag db")];
  const db = (key: string) => asked(key, { tags: ["db"], pool: production(apart) });

  it("takes one member of a group that must be apart less than there are nodes", () => {
    const facts = demanding(inventory(cluster("a", nodes([], [], []))), ["node"], apart);
    const plan = placeMany([db("db-1"), db("db-2"), db("db-3")], facts);
    expect(plan.counts).toMatchObject({ placed: 2, rejected: 1 });
    expect(plan.decisions.find(({ outcome }) => outcome === "rejected")?.message).toContain(
      "2 with a guest tagged db on the same node, 1 without a way out for db-1 after the loss of node a/a1",
    );
  });

  it("knows the rules of live guests by their pool", () => {
    const facts = demanding(inventory(cluster("a", nodes([{ tags: ["db"] }], [{ tags: ["db"] }]))), ["node"], apart);
    const result = placeOne(asked("new"), facts, []);
    expect(result.explanation.candidates.map(({ rejected }) => rejected?.reasons[0])).toEqual([
      expect.stringContaining("cannot be absorbed as it is: vm "),
      expect.stringContaining("(1 node with a guest tagged db on the same node)"),
    ]);
    expect(placeOne(asked("new"), { ...facts, poolRules: {} }, []).ok).toBe(true);
  });

  it("respects what guests that stay keep away from them, by rules of their own", () => {
    const alone = asked("alone", {
      rules: [rule("anti-affinity must tag web")],
      prior: { cluster: "a", node: "a2", storages: [] },
      pool: pool({ name: "other" }),
    });
    const facts = demanding(inventory(cluster("a", nodes([], [{ key: "alone", pool: "other" }]))), ["node"]);
    const web = asked("web", { tags: ["web"], pool: production() });
    expect(placeMany([alone, web], facts).counts).toMatchObject({ kept: 1, rejected: 1 });
    expect(placeMany([web], facts).counts).toMatchObject({ placed: 1 });
  });

  it("keeps guests together that have to be, and refuses one whose company would be lost with it", () => {
    const withCache = asked("app", { rules: [rule("affinity must tag cache")], pool: production() });
    const both = demanding(inventory(cluster("a", nodes([{ tags: ["cache"] }], [{ tags: ["cache"] }]))), ["node"]);
    const one = demanding(inventory(cluster("a", nodes([{ tags: ["cache"], pool: "other" }], []))), ["node"]);
    const follows = demanding(inventory(cluster("a", nodes([{ tags: ["cache"] }], []))), ["node"]);
    expect(placeOne(withCache, both, []).ok).toBe(true);
    expect(placeOne(withCache, one, []).ok).toBe(false);
    expect(placeOne(withCache, follows, []).ok).toBe(true);
  });

  it("keeps the spread where guests land", () => {
    const even = [rule("spread must tag web", { maxSkew: 1 })];
    const web = (key: string) => asked(key, { tags: ["web"], pool: production(even) });
    // After the loss of one of two nodes all members are on the other: no place is left that is less full.
    const pair = demanding(inventory(cluster("a", nodes([], []))), ["node"], even);
    expect(placeMany([web("w1"), web("w2")], pair).counts.placed).toBe(2);
    // With a third node that the pool's members may not fill: the skew to it binds.
    const small = cluster("a", [
      ...nodes([{ tags: ["web"] }], [{ tags: ["web"] }]),
      node("a3", { cores: 1, guests: [guest({ cores: 1, memoryMiB: 0 })] }),
    ]);
    expect(placeOne(web("w3"), demanding(inventory(small), ["node"], even), []).ok).toBe(false);
  });

  it.each([
    ["a pin to the node", { pin: { node: "a1" } }, "not the pinned node a1"],
    ["a rule on nodes", { rules: [rule("affinity must node a/a1")] }, 'against the guest rule "affinity must node a/a1"'],
  ])("refuses a newcomer that %s keeps from the other nodes", (_what, extra, words) => {
    const facts = demanding(inventory(cluster("a", nodes([], []))), ["node"]);
    const result = placeOne(asked("new", { ...extra, pool: production() }), facts, []);
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result.explanation.candidates)).toContain(JSON.stringify(`(1 node ${words})`).slice(1, -1));
  });

  it("does not count on nodes that do not see a shared storage", () => {
    const disks = [{ name: "scsi0", storageClass: "", sizeBytes: GIB }];
    const facts = demanding(inventory(cluster("a", nodes([], []), { storages: [storage("main", ["a1"])] })), ["node"]);
    expect(placeOne(asked("new", { disks, pool: production() }), facts, []).ok).toBe(false);
  });
});

describe("a pool that has to survive the loss of any cluster, with rules", () => {
  const facts = (extra = {}) => demanding(inventory(cluster("a", [node("a1")]), cluster("b", [node("b1")], extra)), ["cluster"]);

  it.each([
    ["may be", {}, {}, true],
    ["may by its residency not be", { residency: ["NL"] }, { jurisdiction: "FI" }, false],
    ["may by its pin not be", { pin: { cluster: "a" } }, {}, false],
    ["has no network to be", { networks: ["dmz"] }, {}, false],
    ["may by the limit on guests not be", {}, { maxVms: 0 }, false],
    ["needs no image to be", { image: "debian" }, { images: [] }, true],
  ])("a guest that %s in the other cluster", (_words, wants, other, ok) => {
    const base = facts(other);
    const [first, second] = base.clusters;
    const both = { ...base, clusters: [{ ...first!, jurisdiction: "NL", networks: ["lan", "dmz"] }, second!] };
    const result = placeOne(
      asked("new", { pool: production(), rules: [rule("affinity should cluster a", { weight: 100 })], ...wants }),
      both,
      [],
    );
    expect(result.ok && result.placement.cluster === "a").toBe(ok);
  });
});

const RULES = [
  rule("anti-affinity must tag db"),
  rule("anti-affinity must tag web", { scope: "cluster" }),
  rule("affinity must tag cache", { scope: "cluster" }),
  rule("affinity must tag cache"),
  rule("spread must tag db", { maxSkew: 1 }),
  rule("spread must tag web", { maxSkew: 2, scope: "cluster" }),
  rule("affinity must_not node a1"),
];
const OWN_RULES = [
  [],
  [],
  [],
  [rule("anti-affinity must tag cache")],
  [rule("affinity must tag web")],
  [rule("anti-affinity must tag db", { scope: "cluster" })],
];

const size = fc.record({ cores: fc.integer({ min: 0, max: 4 }), memoryMiB: fc.constantFrom(0, 1024, 4096) });
const tags = fc.subarray(["db", "web", "cache"], { maxLength: 2 });
const poolName = fc.constantFrom("production", "production", "other");
const liveGuest = fc.record({ size, tags, pool: poolName });
const place = fc.record({
  cores: fc.integer({ min: 2, max: 12 }),
  status: fc.constantFrom("active" as const, "active" as const, "active" as const, "cordoned" as const),
  guests: fc.array(liveGuest, { maxLength: 2 }),
});
const federation = fc
  .array(fc.record({ nodes: fc.array(place, { minLength: 2, maxLength: 4 }), maxVms: fc.constantFrom(undefined, undefined, 5) }), {
    minLength: 1,
    maxLength: 2,
  })
  .map((clusters) =>
    inventory(
      ...clusters.map(({ nodes: places, maxVms }, index) => {
        const id = "ab"[index] ?? "z";
        const facts = places.map(({ cores, status, guests }, position) =>
          node(`${id}${position}`, {
            cores,
            status,
            guests: guests.map((own, number) =>
              guest({
                ...own.size,
                tags: own.tags,
                pool: own.pool,
                vmid: 1000 * index + 10 * position + number,
                key: `${id}${position}-${number}`,
              }),
            ),
          }),
        );
        return cluster(id, facts, { maxVms });
      }),
    ),
  );

const wanted = fc.record({
  size,
  tags,
  pool: poolName,
  rules: fc.constantFrom(...OWN_RULES),
  pin: fc.constantFrom(undefined, undefined, undefined, { cluster: "a" }, { node: "a0" }),
});
const scenario = fc.record({
  facts: federation,
  rules: fc.record({ production: fc.subarray(RULES, { maxLength: 3 }), other: fc.subarray(RULES, { maxLength: 1 }) }),
  newcomers: fc.array(wanted, { minLength: 1, maxLength: 7 }),
  losses: fc.constantFrom<Loss[]>(["node"], ["cluster"], ["node", "cluster"]),
});

function build({ facts, rules, newcomers, losses }: typeof scenario extends fc.Arbitrary<infer Value> ? Value : never) {
  const inventoryFacts: Inventory = {
    ...facts,
    survive: [{ pool: "production", clusters: ["a", "b"], losses }],
    poolRules: rules,
  };
  const pools = { production: pool({ rules: rules.production }), other: pool({ name: "other", rules: rules.other }) };
  const requests = newcomers.map(({ size: own, tags: carried, pool: name, rules: extra, pin }, index) =>
    request(`new-${index}`, { ...own, tags: carried, pool: name === "other" ? pools.other : pools.production, rules: extra, pin }),
  );
  return { facts: inventoryFacts, requests };
}

function placedIn(requests: readonly PlacementRequest[], decisions: ReturnType<typeof placeMany>["decisions"]) {
  return requests.flatMap((each, index) => {
    const placement = decisions[index]?.placement;
    return placement === undefined ? [] : [{ request: each, ...placement }];
  });
}

describe("survival under rules, for any federation", () => {
  it("whoever is placed leaves every loss it concerns absorbable under all rules, by an independent search", () => {
    let absorbed = 0;
    fc.assert(
      fc.property(scenario, (drawn) => {
        const { facts, requests } = build(drawn);
        const placed = placedIn(requests, placeMany(requests, facts).decisions);
        const after = afterApply(facts, placed);
        const guests: Shelterable[] = after.clusters.flatMap((each) =>
          each.nodes.flatMap((where) =>
            where.guests.map((own) => {
              const by = placed.find(({ request: { key } }) => key === own.key)?.request;
              const poolRules = drawn.rules[own.pool === "other" ? "other" : "production"];
              return { guest: own, cluster: each.id, node: where.name, poolRules, ownRules: by?.rules ?? [], pin: by?.pin };
            }),
          ),
        );
        for (const kind of drawn.losses) {
          for (const lost of kind === "node"
            ? after.clusters.flatMap(({ id, nodes: own }) => own.map(({ name }) => ({ cluster: id, node: name })))
            : after.clusters.map(({ id }) => ({ cluster: id, node: undefined }))) {
            const isDown = (where: { cluster: string; node: string }) =>
              where.cluster === lost.cluster && (lost.node === undefined || where.node === lost.node);
            const mayConcern = (where: { cluster: string }) => kind === "cluster" || where.cluster === lost.cluster;
            const concerns = placed.some((one) => mayConcern(one) && (!isDown(one) || one.request.pool?.name === "production"));
            if (!concerns || !guests.some((one) => isDown(one) && one.guest.pool === "production")) continue;
            absorbed += 1;
            expect(canAbsorb(after, guests, lost)).toBe(true);
          }
        }
      }),
      { numRuns: 400 },
    );
    // The property is about something.
    expect(absorbed).toBeGreaterThan(100);
  });

  it("gives the same plan the fast way and by scan, in any order of the input", () => {
    fc.assert(
      fc.property(scenario, fc.integer(), (drawn, seed) => {
        const { facts, requests } = build(drawn);
        const plan = placeMany(requests, facts);
        expect(placeMany(requests, facts, { search: "scan" }).decisions).toEqual(plan.decisions);
        const { survive, poolRules } = facts;
        const other = placeMany(inOrder(requests, seed), { ...shuffled(facts, seed), survive, poolRules });
        expect(new Map(other.decisions.map(({ key, placement }) => [key, placement]))).toEqual(
          new Map(plan.decisions.map(({ key, placement }) => [key, placement])),
        );
      }),
    );
  });
});
