import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Inventory, PlacementRequest, Promised } from "../../src/placement";
import { placeOne } from "../../src/placement";
import { cpuCapacityMilli, memoryCapacityMiB } from "../../src/placement/capacity";
import { shuffled, tags } from "./arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule } from "./builders";

const status = fc.constantFrom("active" as const, "active" as const, "cordoned" as const, "draining" as const);
const hostile = fc.constantFrom(0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, 2 ** 53);

const arbitraryNode = fc
  .record({
    status,
    online: fc.boolean(),
    cores: fc.integer({ min: 0, max: 16 }),
    memoryMiB: fc.integer({ min: 0, max: 32768 }),
    guests: fc.array(tags, { maxLength: 4 }),
  })
  .map(({ guests, ...rest }) => ({ ...rest, guests: guests.map((own) => guest({ tags: own })) }));

const arbitraryInventory = fc
  .array(fc.record({ nodes: fc.array(arbitraryNode, { minLength: 1, maxLength: 4 }), status, reachable: fc.boolean() }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((clusters) =>
    inventory(
      ...clusters.map(({ nodes, ...rest }, index) => {
        const id = "abc"[index] ?? "z";
        return cluster(
          id,
          nodes.map((facts, position) => node(`${id}${position}`, facts)),
          rest,
        );
      }),
    ),
  );

const rules = fc.subarray([
  rule("anti-affinity must tag db"),
  rule("anti-affinity must tag web", { scope: "cluster" }),
  rule("affinity should tag cache"),
  rule("location must_not cluster b"),
  rule("affinity should cluster c"),
]);

const arbitraryRequests = fc
  .array(fc.record({ cores: fc.integer({ min: 0, max: 6 }), memoryMiB: fc.integer({ min: 0, max: 8192 }), tags }), {
    minLength: 1,
    maxLength: 12,
  })
  .chain((requests) =>
    rules.map((poolRules) =>
      requests.map((fields, index) =>
        request(`vm-${index}`, {
          ...fields,
          pool: pool({ clusters: ["a", "b", "c"], rules: poolRules }),
          disks: [{ name: "scsi0", storageClass: "", sizeBytes: index * GIB }],
        }),
      ),
    ),
  );

/** One after the other, each seeing the promises before it. */
function placeAll(requests: PlacementRequest[], facts: Inventory): Promised[] {
  const promised: Promised[] = [];
  for (const asked of requests) {
    const result = placeOne(asked, facts, promised);
    if (result.ok) promised.push({ request: asked, placement: result.placement });
  }
  return promised;
}

describe("placeOne, for any federation", () => {
  it("gives the same answer whatever the order of inventory and promises", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.integer(), (facts, requests, seed) => {
        const promised = placeAll(requests.slice(1), facts);
        const [first] = requests;
        if (first === undefined) return;
        expect(placeOne(first, shuffled(facts, seed), [...promised].reverse())).toEqual(placeOne(first, facts, promised));
      }),
    );
  });

  it("never promises more than a node has, and never on a node that must not take it", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const promised = placeAll(requests, facts);
        for (const each of facts.clusters) {
          for (const place of each.nodes) {
            const here = promised.filter(({ placement }) => placement.cluster === each.id && placement.node === place.name);
            if (here.length === 0) continue;
            expect([each.reachable, each.status, place.online, place.status]).toEqual([true, "active", true, "active"]);
            const cores = here.reduce((sum, { request: asked }) => sum + asked.cores, place.guests.length);
            const memoryMiB = here.reduce((sum, { request: asked }) => sum + asked.memoryMiB, place.guests.length * 1024);
            // Guests that were there before may exceed the node; then only requests for nothing more may join.
            const askedCores = here.some(({ request: asked }) => asked.cores > 0);
            const askedMemory = here.some(({ request: asked }) => asked.memoryMiB > 0);
            if (askedCores) expect(cores * 1000).toBeLessThanOrEqual(cpuCapacityMilli(place, each.capacityRules));
            if (askedMemory) expect(memoryMiB).toBeLessThanOrEqual(memoryCapacityMiB(place, each.capacityRules));
          }
        }
      }),
    );
  });

  it("never trades a must", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const promised = placeAll(requests, facts);
        for (const { request: asked, placement } of promised) {
          const hard = (asked.pool?.rules ?? []).filter(({ operator }) => operator.startsWith("must"));
          if (hard.some(({ type }) => type === "location")) expect(placement.cluster).not.toBe("b");
          for (const { value, scope } of hard.filter(({ type }) => type === "anti-affinity")) {
            if (!asked.tags.includes(value)) continue;
            const near = (other: { cluster: string; node: string }) =>
              other.cluster === placement.cluster && (scope === "cluster" || other.node === placement.node);
            expect(promised.filter(({ request: other, placement: there }) => other.tags.includes(value) && near(there))).toHaveLength(1);
          }
        }
      }),
    );
  });

  it("keeps everything where it is on every later run", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const placed = placeAll(requests, facts);
        const live: Inventory = {
          links: [],
          clusters: facts.clusters.map((each) => ({
            ...each,
            nodes: each.nodes.map((place) => ({
              ...place,
              guests: [
                ...place.guests,
                ...placed
                  .filter(({ placement }) => placement.cluster === each.id && placement.node === place.name)
                  .map(({ request: asked }) => guest({ key: asked.key, cores: asked.cores, memoryMiB: asked.memoryMiB, tags: asked.tags })),
              ],
            })),
          })),
        };
        for (const { request: asked, placement } of placed) {
          const again = placeOne({ ...asked, prior: placement }, live, []);
          expect(again).toMatchObject({ ok: true, placement, explanation: { outcome: "kept" } });
        }
      }),
    );
  });

  it("survives broken figures and never places on a node whose size is unknown", () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, (cores, memoryMiB, price, ratio) => {
        const facts = inventory(
          cluster("a", [node("a1", { cores, memoryMiB, usedMemoryMiB: price })], {
            prices: { perCoreMonth: price, perMemoryGiBMonth: ratio },
            capacityRules: {
              overcommit: { cpu: ratio, memory: ratio, storage: ratio },
              reserve: { cpu: ratio, memory: price, storage: ratio },
              pressureThreshold: { cpu: ratio, memory: ratio, storage: price },
            },
          }),
        );
        for (const strategy of ["balanced", "performance", "cost", "geographic"] as const) {
          const result = placeOne(request("vm", { pool: pool({ strategy, clusterWeights: { a: price } }) }), facts, []);
          const [candidate] = result.explanation.candidates;
          if (result.ok) {
            expect(Number.isSafeInteger(candidate?.score)).toBe(true);
            expect(cores > 0 && memoryMiB > 0).toBe(true);
          } else expect(result.message).toContain("0 of 1 node fit");
          expect(JSON.stringify(result)).not.toContain("NaN");
        }
      }),
    );
  });

  it("refuses a request for amounts that are none", () => {
    fc.assert(
      fc.property(fc.constantFrom(Number.NaN, -1, Number.POSITIVE_INFINITY), (amount) => {
        const facts = inventory(cluster("a", [node("a1")]));
        expect(placeOne(request("vm", { cores: amount }), facts, []).ok).toBe(false);
        expect(placeOne(request("vm", { memoryMiB: amount }), facts, []).ok).toBe(false);
        expect(placeOne(request("vm", { disks: [{ name: "d", storageClass: "", sizeBytes: amount }] }), facts, []).ok).toBe(false);
      }),
    );
  });
});
