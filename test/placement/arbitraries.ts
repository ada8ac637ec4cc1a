import fc from "fast-check";
import type { Inventory, PlacementRequest, Rule } from "../../src/placement";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";

/** Random federations and requests small enough that their conflicts are frequent. */

export const tags = fc.subarray(["db", "web", "cache"]);
const status = fc.constantFrom("active" as const, "active" as const, "active" as const, "cordoned" as const, "draining" as const);

const arbitraryNode = fc
  .record({
    status,
    online: fc.boolean(),
    cores: fc.integer({ min: 0, max: 16 }),
    memoryMiB: fc.integer({ min: 0, max: 32768 }),
    guests: fc.array(tags, { maxLength: 4 }),
    tags: fc.subarray(["gpu"]),
    hardwareClass: fc.constantFrom(undefined, "performance", "economy"),
  })
  .map(({ guests, ...rest }) => ({ ...rest, guests: guests.map((own) => guest({ tags: own })) }));

export const arbitraryInventory = fc
  .array(
    fc.record({
      nodes: fc.array(arbitraryNode, { minLength: 1, maxLength: 4 }),
      status,
      reachable: fc.constantFrom(true, true, true, false),
      tier: fc.constantFrom("primary" as const, "secondary" as const, "edge" as const),
      price: fc.constantFrom(undefined, 0, 5, 9, Number.NaN),
      city: fc.constantFrom(undefined, "Amsterdam", "Helsinki", "Singapore"),
      storageGiB: fc.integer({ min: 1, max: 60 }),
      maxVms: fc.constantFrom(undefined, 5, 20),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((clusters) =>
    inventory(
      ...clusters.map(({ nodes, price, city, storageGiB, ...rest }, index) => {
        const id = "abc"[index] ?? "z";
        const names = nodes.map((_, position) => `${id}${position}`);
        const shared = storage("main", names, { totalBytes: storageGiB * GIB });
        const local = names.map((name) => storage("local", [name], { shared: false, totalBytes: 10 * GIB }));
        return cluster(
          id,
          nodes.map((facts, position) => node(names[position] ?? "", facts)),
          {
            ...rest,
            prices: { perCoreMonth: price },
            location: city === undefined ? undefined : { name: city },
            storageClasses: { "": "main", fast: "local", also: "main" },
            storages: [shared, ...local],
            capacityRules: {
              overcommit: { cpu: 2, memory: 1, storage: 1.5 },
              reserve: { cpu: 0.1, memory: 0.15, storage: 0.1 },
              pressureThreshold: { cpu: 0.5, memory: 0.5, storage: 0.5 },
            },
          },
        );
      }),
    ),
  );

const poolRules = fc.subarray([
  rule("anti-affinity must tag db"),
  rule("anti-affinity must tag web", { scope: "cluster" }),
  rule("anti-affinity should tag cache"),
  rule("affinity should tag cache", { scope: "cluster", weight: 30 }),
  rule("location must_not cluster b"),
  rule("affinity should cluster c"),
  rule("affinity should tag gpu", { weight: 20 }),
]);

const ownRules = fc.constantFrom<Rule[][]>(
  [],
  [],
  [],
  [rule("anti-affinity must tag cache")],
  [rule("affinity must tag web", { scope: "cluster" })],
);

/** Of a few kinds and shapes, so that some are interchangeable. */
export const arbitraryRequests: fc.Arbitrary<PlacementRequest[]> = fc
  .record({
    strategy: fc.constantFrom("balanced" as const, "performance" as const, "cost" as const, "geographic" as const),
    rules: poolRules,
    clusterWeights: fc.constantFrom<Record<string, number>[]>({}, { a: 70, c: 140 }),
    limits: fc.constantFrom({}, {}, { maxVms: 6 }, { maxCores: 12 }),
  })
  .chain((policy) => {
    const shared = pool({ clusters: ["a", "b", "c"], ...policy });
    const fields = fc.record({
      cores: fc.constantFrom(0, 1, 2, 5),
      memoryMiB: fc.constantFrom(0, 1024, 4096),
      tags,
      rules: ownRules,
      pool: fc.constantFrom(shared, shared, undefined),
      location: fc.constantFrom(undefined, undefined, "Amsterdam"),
      disks: fc.array(
        fc.record({
          name: fc.constant("disk"),
          storageClass: fc.constantFrom("", "fast", "also"),
          sizeBytes: fc.constantFrom(GIB, 4 * GIB),
        }),
        { maxLength: 3 },
      ),
    });
    return fc.array(fields, { minLength: 1, maxLength: 14 }).map((all) => all.map((each, index) => request(`vm-${index}`, each)));
  });

/** The same federation with everything in another order. */
export function shuffled(facts: Inventory, seed: number): Inventory {
  return {
    links: facts.links,
    clusters: inOrder(facts.clusters, seed).map((each) => ({
      ...each,
      nodes: inOrder(each.nodes, seed).map((place) => ({ ...place, guests: inOrder(place.guests, seed) })),
      storages: inOrder(each.storages, seed),
    })),
  };
}

export function inOrder<Item>(items: readonly Item[], seed: number): Item[] {
  return items
    .map((item, index) => ({ item, key: Math.imul(index + 1, seed | 1) >>> 0 }))
    .sort((left, right) => left.key - right.key)
    .map(({ item }) => item);
}

/** The federation after the placed requests have become live guests. */
export function afterApply(
  facts: Inventory,
  placed: readonly { request: PlacementRequest; cluster: string; node: string; storages: string[] }[],
): Inventory {
  const keys = new Set(placed.map(({ request: { key } }) => key));
  return {
    links: facts.links,
    clusters: facts.clusters.map((each) => {
      const disksOf = (asked: PlacementRequest, storages: string[]) =>
        asked.disks.map(({ sizeBytes }, index) => ({ storage: storages[index] ?? "", sizeBytes }));
      const here = placed.filter((one) => one.cluster === each.id);
      return {
        ...each,
        nodes: each.nodes.map((place) => ({
          ...place,
          guests: [
            ...place.guests.filter(({ key }) => key === undefined || !keys.has(key)),
            ...here
              .filter((one) => one.node === place.name)
              .map(({ request: asked, storages }) =>
                guest({
                  key: asked.key,
                  cores: asked.cores,
                  memoryMiB: asked.memoryMiB,
                  tags: asked.tags,
                  pool: asked.pool?.name,
                  disks: disksOf(asked, storages),
                }),
              ),
          ],
        })),
      };
    }),
  };
}
