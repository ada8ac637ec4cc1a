import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkNodeFailover,
  findConflict,
  type Inventory,
  type Loss,
  type PlacementRequest,
  placeMany,
  placeOne,
} from "../../src/placement";
import { afterApply, inOrder, shuffled } from "./arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";

const demand = (losses: Loss[], clusters = ["a", "b"]) => [{ pool: "production", clusters, losses }];
const kept = (cores: number, extra = {}) => guest({ cores, memoryMiB: 0, pool: "production", ...extra });
const asked = (cores: number, extra: Partial<PlacementRequest> = {}) => request("new", { cores, memoryMiB: 0, pool: pool(), ...extra });

describe("a pool that has to survive the loss of any node", () => {
  // Three nodes of 8 cores, 4 in use on each: the loss of one needs 4 of the 8 that are free on the others.
  const thirds = (extra: Partial<Inventory> = {}): Inventory => ({
    ...inventory(
      cluster(
        "a",
        [1, 2, 3].map((index) => node(`a${index}`, { guests: [kept(4)] })),
      ),
    ),
    survive: demand(["node"]),
    ...extra,
  });

  it.each([
    [1, true],
    // On a1 with 6 in use: its loss puts 4 and 2 on a2 and a3, which have 4 each.
    [2, true],
    // 4 and 4 on a2 and a3; the loss of a2 needs the 4 of a3.
    [4, true],
  ])("takes a newcomer of %i cores", (cores, ok) => {
    expect(placeOne(asked(cores), thirds(), []).ok).toBe(ok);
  });

  it("refuses the newcomer for which some loss would leave no room, with the numbers", () => {
    const facts: Inventory = {
      ...inventory(
        cluster(
          "a",
          [1, 2].map((index) => node(`a${index}`, { guests: [kept(4)] })),
        ),
      ),
      survive: demand(["node"]),
    };
    const result = placeOne(asked(1), facts, []);
    expect(result.ok).toBe(false);
    expect(result.explanation.candidates[0]?.rejected).toMatchObject({
      filter: "survive",
      reasons: [
        "on a/a1 it would leave no room for the loss of node a/a2: 1 guest with 4 cores and 0 MiB memory would have to go where 3 cores and 16384 MiB memory free are left",
      ],
    });
  });

  it("refuses guests of other pools that would take the room, and those of none", () => {
    const facts: Inventory = {
      ...inventory(
        cluster(
          "a",
          [1, 2].map((index) => node(`a${index}`, { guests: [kept(4)] })),
        ),
      ),
      survive: demand(["node"]),
    };
    expect(placeOne(asked(1, { pool: undefined }), facts, []).ok).toBe(false);
    expect(placeOne(asked(1, { pool: pool({ name: "other" }) }), facts, []).ok).toBe(false);
    expect(placeOne(asked(1), { ...facts, survive: [] }, []).ok).toBe(true);
  });

  it("does not count guests of pools that do not ask for it", () => {
    const others = inventory(
      cluster(
        "a",
        [1, 2].map((index) => node(`a${index}`, { guests: [guest({ cores: 4, pool: "other" })] })),
      ),
    );
    const facts: Inventory = { ...others, survive: demand(["node"]) };
    expect(placeOne(asked(4), facts, []).ok).toBe(true);
    expect(placeOne(asked(5), facts, []).ok).toBe(false);
  });

  it("says when the loss cannot be absorbed as it is", () => {
    const facts: Inventory = {
      ...inventory(cluster("a", [node("a1", { guests: [kept(6)] }), node("a2", { guests: [kept(6)] })])),
      survive: demand(["node"]),
    };
    const result = placeOne(asked(1), facts, []);
    expect(result.explanation.candidates[0]?.rejected?.reasons[0]).toContain("cannot be absorbed as it is");
  });

  it("evicts nobody, and lets those who have to leave use the room", () => {
    const facts: Inventory = {
      ...inventory(
        cluster("a", [
          node("a1", { guests: [kept(6, { key: "x" })] }),
          node("a2", { guests: [kept(2, { key: "y" })], status: "draining" }),
        ]),
      ),
      survive: demand(["node"]),
    };
    const at = (name: string) => ({ cluster: "a", node: name, storages: [] });
    const plan = placeMany([asked(6, { key: "x", prior: at("a1") }), asked(2, { key: "y", prior: at("a2") })], facts);
    expect(plan.decisions.map(({ outcome, placement }) => [outcome, placement?.node])).toEqual([
      ["kept", "a1"],
      ["moved", "a1"],
    ]);
  });

  it("wants room for local disks on the storage of that name, and none for shared ones", () => {
    const nodes = ["a1", "a2"].map((name) => node(name));
    const small = storage("local", ["a2"], { shared: false, totalBytes: 10 * GIB });
    const large = storage("local", ["a1"], { shared: false, totalBytes: 100 * GIB });
    const facts: Inventory = {
      ...inventory(
        cluster("a", nodes, { storageClasses: { "": "local", net: "main" }, storages: [large, small, storage("main", ["a1", "a2"])] }),
      ),
      survive: demand(["node"]),
    };
    const disk = (storageClass: string) => [{ name: "scsi0", storageClass, sizeBytes: 20 * GIB }];
    expect(placeOne(asked(1, { disks: disk("") }), facts, []).ok).toBe(false);
    expect(placeOne(asked(1, { disks: disk("net") }), facts, []).ok).toBe(true);
  });

  it("is a demand the conflict finder names", () => {
    const facts: Inventory = {
      ...inventory(
        cluster(
          "a",
          [1, 2].map((index) => node(`a${index}`, { guests: [kept(4)] })),
        ),
      ),
      survive: demand(["node"]),
    };
    expect(findConflict(asked(1), facts, [])?.demands).toEqual(["what pool production must survive (the loss of any node)", "1 cores"]);
  });
});

describe("a pool that has to survive the loss of any cluster", () => {
  const two = (cores: number): Inventory => ({
    ...inventory(
      cluster("a", [node("a1", { guests: [kept(4)] })]),
      cluster("b", [node("b1", { cores })]),
      cluster("c", [node("c1", { cores: 64 })]),
    ),
    survive: demand(["cluster"]),
  });

  it("counts on the pool's other clusters only", () => {
    expect(placeOne(asked(2), two(8), []).ok).toBe(true);
    expect(placeOne(asked(2), two(5), []).ok).toBe(false);
  });

  it("wants room for the disks on what their classes mean there", () => {
    const disks = [{ name: "scsi0", storageClass: "fast", sizeBytes: 50 * GIB }];
    const roomy = two(8);
    const [first, second, third] = roomy.clusters;
    const full = { ...second!, storages: [storage("main", ["b1"], { totalBytes: 10 * GIB })] };
    const facts = { ...roomy, clusters: [first!, full, third!] };
    const rules = [rule("affinity should cluster a", { weight: 100 })];
    expect(placeOne(asked(2, { disks, rules }), roomy, [])).toMatchObject({ ok: true, placement: { cluster: "a" } });
    expect(placeOne(asked(2, { disks, rules }), facts, []).ok).toBe(false);
  });
});

const size = fc.record({ cores: fc.integer({ min: 0, max: 4 }), memoryMiB: fc.constantFrom(0, 1024, 4096) });
const federation = fc
  .array(
    fc.array(fc.record({ cores: fc.integer({ min: 2, max: 12 }), guests: fc.array(size, { maxLength: 2 }) }), {
      minLength: 2,
      maxLength: 4,
    }),
    {
      minLength: 1,
      maxLength: 2,
    },
  )
  .map((clusters) =>
    inventory(
      ...clusters.map((nodes, index) => {
        const id = "ab"[index] ?? "z";
        return cluster(
          id,
          nodes.map(({ cores, guests }, position) =>
            node(`${id}${position}`, {
              cores,
              guests: guests.map((own, number) => guest({ ...own, pool: "production", vmid: 100 + position * 10 + number })),
            }),
          ),
        );
      }),
    ),
  );
const newcomers = fc
  .array(fc.record({ size, isProtected: fc.boolean() }), { minLength: 1, maxLength: 8 })
  .map((all) =>
    all.map(({ size: own, isProtected }, index) =>
      request(`vm-${index}`, { ...own, pool: pool({ name: isProtected ? "production" : "other" }) }),
    ),
  );

describe("survival, for any federation", () => {
  it("whoever is placed leaves every loss of a node absorbable, by an independent repacking", () => {
    fc.assert(
      fc.property(federation, newcomers, (facts, requests) => {
        const plan = placeMany(requests, { ...facts, survive: demand(["node"]) });
        const placed = requests.flatMap((each, index) => {
          const placement = plan.decisions[index]?.placement;
          return placement === undefined ? [] : [{ request: each, ...placement }];
        });
        const after = afterApply(facts, placed);
        for (const each of after.clusters) {
          for (const lost of each.nodes) {
            // A guest of another pool that is lost with the node takes nobody's room.
            const isAffected = placed.some(
              (one) => one.cluster === each.id && (one.node !== lost.name || one.request.pool?.name === "production"),
            );
            if (!isAffected) continue;
            const refugees = lost.guests.filter((own) => own.pool === "production");
            const others = each.nodes.filter((other) => other !== lost);
            if (refugees.length > 0) expect(canRepack(refugees, others)).toBe(true);
          }
        }
      }),
    );
  });

  it("gives the same plan the fast way and by scan, in any order of the input, and moves nothing in a rerun", () => {
    fc.assert(
      fc.property(
        federation,
        newcomers,
        fc.integer(),
        fc.constantFrom<Loss[][]>(["node"], ["cluster"], ["node", "cluster"]),
        (bare, requests, seed, losses) => {
          const survive = demand(losses);
          const facts = { ...bare, survive };
          const plan = placeMany(requests, facts);
          expect(placeMany(requests, facts, { search: "scan" }).decisions).toEqual(plan.decisions);
          const other = placeMany(inOrder(requests, seed), { ...shuffled(facts, seed), survive });
          expect(new Map(other.decisions.map((each) => [each.key, each.placement]))).toEqual(
            new Map(plan.decisions.map((each) => [each.key, each.placement])),
          );
          const placed = requests.flatMap((each, index) => {
            const placement = plan.decisions[index]?.placement;
            return placement === undefined ? [] : [{ request: each, ...placement }];
          });
          const again = placed.map(({ request: each, ...prior }) => ({ ...each, prior }));
          expect(placeMany(again, { ...afterApply(bare, placed), survive }).counts).toMatchObject({ kept: placed.length });
        },
      ),
    );
  });
});

/** By trying every assignment: small enough here. */
function canRepack(guests: readonly { cores: number; memoryMiB: number }[], nodes: Inventory["clusters"][number]["nodes"]): boolean {
  const free = nodes.map((each) => ({
    cores: each.cores - each.guests.reduce((sum, own) => sum + own.cores, 0),
    memoryMiB: each.memoryMiB - each.guests.reduce((sum, own) => sum + own.memoryMiB, 0),
  }));
  const place = (index: number): boolean => {
    const own = guests[index];
    if (own === undefined) return true;
    return free.some((room) => {
      const fits = (own.cores === 0 || own.cores <= room.cores) && (own.memoryMiB === 0 || own.memoryMiB <= room.memoryMiB);
      if (!fits) return false;
      room.cores -= own.cores;
      room.memoryMiB -= own.memoryMiB;
      const done = place(index + 1);
      room.cores += own.cores;
      room.memoryMiB += own.memoryMiB;
      return done;
    });
  };
  return place(0);
}

it("checkNodeFailover agrees that what was placed is absorbed", () => {
  const facts: Inventory = {
    ...inventory(
      cluster(
        "a",
        [1, 2, 3].map((index) => node(`a${index}`)),
      ),
    ),
    survive: demand(["node"]),
  };
  const requests = Array.from({ length: 30 }, (_, index) => asked(1, { key: `vm-${index}`, name: `vm-${index}` }));
  const plan = placeMany(requests, facts);
  expect(plan.counts).toMatchObject({ placed: 16, rejected: 14 });
  const placed = requests.flatMap((each, index) => {
    const placement = plan.decisions[index]?.placement;
    return placement === undefined ? [] : [{ request: each, ...placement }];
  });
  expect(checkNodeFailover(requests, afterApply(facts, placed)).map(({ verdict }) => verdict)).toEqual([
    "absorbed",
    "absorbed",
    "absorbed",
  ]);
});
