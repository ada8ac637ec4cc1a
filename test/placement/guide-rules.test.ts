import { describe, expect, it } from "vitest";
import { parseFederation, safeParseFederation } from "../../src/config";
import { toInventory, toPoolPolicy } from "../../src/inventory";
import type { ClusterSnapshot } from "../../src/inventory/snapshot";
import { type PlacementRequest, type PlacementResult, placeOne } from "../../src/placement";
import { request } from "./builders";

const GIB = 1024 ** 3;

/** Three clusters as the guide's scenarios have them, two nodes each, and whatever rules a test writes in YAML. */
function place(policy: string, extra: Partial<PlacementRequest> = {}, clusters: Partial<Record<string, string>> = {}): PlacementResult {
  const of = (id: string, standard: string) => `  - { id: ${id}, ${clusters[id] ?? standard}, prices: { core_month: 4 } }`;
  const { federation } = parseFederation(
    [
      "name: guide",
      "clusters:",
      of("north", "tier: primary, provider: Bright, location: 'Amsterdam, NL', tags: [premium]"),
      of("south", "tier: secondary, provider: Calm, location: 'Rotterdam, NL'"),
      of("far", "tier: edge, provider: Deep, location: 'Helsinki, Finland', jurisdiction: FI"),
      "resource_pools:",
      `  - { name: pool, clusters: [north, south, far], placement_policy: { ${policy} } }`,
    ].join("\n"),
    "guide.yaml",
    { mode: "template" },
  );
  const snapshots = new Map(
    federation.clusters.map((cluster): [string, ClusterSnapshot] => [
      cluster.id,
      {
        reachable: true,
        cluster,
        guests: [],
        nodes: ["1", "2"].map((number) => ({
          kind: "node",
          node: `${cluster.id}${number}`,
          status: "online",
          maxCpu: 16,
          maxMemoryBytes: 64 * GIB,
        })),
        storages: [],
      },
    ]),
  );
  const inventory = toInventory({ federation, clusters: snapshots }, () => undefined, Date.UTC(2026, 2, 4, 12));
  const [pool] = federation.resourcePools;
  return placeOne(request("vm", { cores: 2, memoryMiB: 2048, pool: toPoolPolicy(pool!), ...extra }), inventory, []);
}

const where = (result: PlacementResult) => (result.ok ? result.placement.cluster : "nowhere");
const rules = (...list: string[]) => `rules: [${list.join(", ")}]`;
const terms = (result: PlacementResult, cluster: string) =>
  result.explanation.candidates.find((candidate) => candidate.cluster === cluster && candidate.score !== undefined)?.terms ?? [];

describe("the guide's rules, from YAML to a place", () => {
  it("production: a preference for the cluster of that id", () => {
    const result = place(`strategy: balanced, ${rules("{ type: affinity, target: cluster, operator: should, value: south }")}`);
    expect(where(result)).toBe("south");
    expect(terms(result, "south").find(({ term }) => term === "rule")?.points).toBe(200);
  });

  it("a value that is no id is a tag, and never a tier", () => {
    const prefer = (value: string) => place(rules(`{ type: affinity, target: cluster, operator: must, value: ${value} }`));
    expect(where(prefer("premium"))).toBe("north");
    expect(where(prefer("primary"))).toBe("nowhere");
    expect(where(prefer("primary-cluster"))).toBe("nowhere");
  });

  it("an id wins over a tag of the same name", () => {
    const result = place(
      rules("{ type: affinity, target: cluster, operator: must, value: far }"),
      {},
      { north: "tier: primary, tags: [far]" },
    );
    expect(where(result)).toBe("far");
  });

  it("development: a location rule on a cluster keeps away from the one of that id", () => {
    const result = place(`strategy: cost, ${rules("{ type: location, target: cluster, operator: must_not, value: north }")}`);
    expect(where(result)).not.toBe("north");
    const rejected = result.explanation.candidates.find((candidate) => candidate.cluster === "north")?.rejected;
    expect(rejected?.reasons).toEqual(['north does not satisfy the pool rule "location must_not cluster north"']);
  });

  it("and from one whose location has the words, whole words only", () => {
    const away = (value: string) => place(rules(`{ type: location, target: cluster, operator: must_not, value: ${value} }`));
    const rejected = (result: PlacementResult) =>
      result.explanation.candidates.flatMap(({ cluster, rejected: why }) => (why === undefined ? [] : [cluster]));
    expect(rejected(away("NL"))).toEqual(["north", "south"]);
    // `NL` is part of `Finland`, and `Amster` of `Amsterdam`.
    expect(rejected(away("Amster"))).toEqual([]);
  });

  it("anti-affinity keeps apart those that carry the tag, and leaves a guest without it alone", () => {
    const policy = rules("{ type: anti-affinity, target: tag, operator: must, value: database, scope: cluster }");
    const untagged = place(policy);
    expect(untagged.ok).toBe(true);
    expect(untagged.explanation.candidates.every(({ score }) => score !== undefined && score > 0)).toBe(true);
    expect(place(policy, { tags: ["database"] }).ok).toBe(true);
  });

  it("anti-affinity with must_not is refused when the file is checked", () => {
    const text =
      "resource_pools: [{ name: p, clusters: [a], placement_policy: { rules: [{ type: anti-affinity, target: tag, operator: must_not, value: x }] } }]";
    expect(safeParseFederation(text, "f.yaml").issues.map(({ message }) => message)).toContainEqual(
      "`anti-affinity` with `must_not` negates twice",
    );
  });

  it("tiers as the documentation lists them are read as the first of them", () => {
    const result = place(
      rules("{ type: affinity, target: tier, operator: must, value: primary }"),
      {},
      { south: "tier: primary|secondary|edge" },
    );
    const fitting = result.explanation.candidates.filter(({ score }) => score !== undefined).map(({ cluster }) => cluster);
    expect([...new Set(fitting)].sort()).toEqual(["north", "south"]);
  });

  it("geographic: near in kilometres, not by the letters of the name", () => {
    expect(where(place("strategy: geographic", { location: "Utrecht" }))).toMatch(/^(north|south)$/);
    expect(where(place("strategy: geographic", { location: "Tallinn" }))).toBe("far");
    expect(
      terms(place("strategy: geographic", { location: "Amsterdam" }), "south").find(({ term }) => term === "distance")?.detail,
    ).toContain("58 km from Amsterdam");
  });

  it("cost: by declared prices alone, the tier does not stand in for one", () => {
    const result = place("strategy: cost");
    // All three ask the same: headroom and pressure decide, and every share of the price is full.
    for (const id of ["north", "south", "far"]) expect(terms(result, id).find(({ term }) => term === "cost")?.points).toBe(850);
  });

  it("residency: the law exactly, or a place of that name", () => {
    expect(where(place("strategy: balanced", { residency: ["FI"] }))).toBe("far");
    expect(where(place("strategy: balanced", { residency: ["fi"] }))).toBe("nowhere");
    expect(where(place(rules("{ type: residency, target: location, operator: must, value: Finland }")))).toBe("far");
  });

  it("a preferred location is no condition", () => {
    expect(where(place("strategy: balanced", { location: "Helsinki" }))).toBe("far");
    expect(where(place("strategy: balanced", { location: "Atlantis" }))).not.toBe("nowhere");
  });

  it("cluster weights in percent, 100 is neutral", () => {
    const result = place("strategy: balanced, cluster_weights: { north: 80, far: 150 }");
    expect(where(result)).toBe("far");
    expect(terms(result, "south").some(({ term }) => term === "cluster-weight")).toBe(false);
  });

  it.each([
    ["node", "south2", "south"],
    ["provider", "calm", "south"],
    ["jurisdiction", "FI", "far"],
    ["location", "Rotterdam", "south"],
  ])("target %s with %s means %s", (target, value, expected) => {
    expect(where(place(rules(`{ type: affinity, target: ${target}, operator: must, value: ${value} }`)))).toBe(expected);
  });

  it("nothing is placed where nothing fits: no score of zero wins", () => {
    const result = place("strategy: balanced", { cores: 1000 });
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.message).toContain("0 of 6 nodes fit");
  });
});
