import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Inventory,
  type PlacementRequest,
  placeMany,
  placeOne,
  type RepairPlan,
  repairPlacement,
  whatIf,
} from "../../../src/placement";
import { afterApply, arbitraryInventory, arbitraryRequests, inOrder, shuffled } from "../arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule } from "../builders";

const at = (clusterId: string, name: string) => ({ cluster: clusterId, node: name, storages: [] });

const placesOf = (plan: RepairPlan) =>
  Object.fromEntries(
    plan.decisions.map(({ key, outcome, placement }) => [key, `${outcome} ${placement?.cluster ?? ""}/${placement?.node ?? ""}`]),
  );

describe("repairPlacement", () => {
  /** n1 and n2 have 4 free cores each in pieces: a guest of 6 fits only when one of the small ones makes room. */
  const crowded = () =>
    inventory(
      cluster("a", [
        node("n1", { guests: [guest({ key: "small", cores: 4 })] }),
        node("n2", { guests: [guest({ key: "other", cores: 4 })] }),
      ]),
    );
  const small = request("small", { cores: 4, prior: at("a", "n1") });
  const other = request("other", { cores: 4, prior: at("a", "n2"), pin: { node: "n2" } });
  const big = request("big", { cores: 6 });

  it("leaves everybody alone who is well where it is, unless it is asked to make room", () => {
    const plan = repairPlacement([small, other, big], crowded());
    expect(placesOf(plan)).toEqual({ small: "kept a/n1", other: "kept a/n2", big: "rejected /" });
    expect(plan).toMatchObject({ displaced: [], isProven: true });
  });

  it("makes room when asked, and says for whom", () => {
    const plan = repairPlacement([small, other, big], crowded(), { makeRoom: true });
    expect(placesOf(plan)).toEqual({ small: "moved a/n2", other: "kept a/n2", big: "placed a/n1" });
    expect(plan.displaced).toEqual(["small"]);
    expect(plan.decisions[0]?.moveReason).toBe("makes room on a/n1 for big");
  });

  it("moves no more guests for others than it is allowed to", () => {
    const plan = repairPlacement([small, other, big], crowded(), { makeRoom: true, mostDisplaced: 0 });
    expect(plan.counts).toEqual({ kept: 2, placed: 0, moved: 0, rejected: 1 });
  });

  it("follows a chain: one makes room for the one that makes room", () => {
    const facts = inventory(
      cluster("a", [
        node("n1", { cores: 4, guests: [guest({ key: "x", cores: 4 })] }),
        node("n2", { cores: 4, guests: [guest({ key: "y", cores: 3 })] }),
        node("n3", { cores: 3 }),
      ]),
    );
    const requests = [
      request("x", { cores: 4, prior: at("a", "n1") }),
      request("y", { cores: 3, prior: at("a", "n2") }),
      request("new", { cores: 4, rules: [rule("affinity must node n1")] }),
    ];
    const plan = repairPlacement(requests, facts, { makeRoom: true });
    expect(placesOf(plan)).toEqual({ x: "moved a/n2", y: "moved a/n3", new: "placed a/n1" });
    expect(plan.decisions.map(({ moveReason }) => moveReason)).toEqual([
      "makes room on a/n1 for new",
      "makes room on a/n2 for x",
      undefined,
    ]);
  });

  it("looks around the guest in trouble where the federation is too large to be searched as a whole", () => {
    const nodes = Array.from({ length: 20 }, (_, index) => node(`n${index}`, { guests: [guest({ key: `vm-${index}`, cores: 4 })] }));
    const guests = nodes.map(({ name }, index) => request(`vm-${index}`, { cores: 4, prior: at("a", name) }));
    const plan = repairPlacement([...guests, big], inventory(cluster("a", nodes)), { makeRoom: true });
    expect(plan).toMatchObject({ counts: { kept: 19, moved: 1, placed: 1, rejected: 0 }, displaced: { length: 1 }, isProven: false });
  });

  it("moves small ones inside a cluster rather than carry a big disk to another one", () => {
    const disks = [{ name: "data", storageClass: "", sizeBytes: 500 * GIB }];
    const facts = inventory(
      cluster("a", [
        node("n1", { status: "draining", guests: [guest({ key: "heavy", cores: 6 })] }),
        node("n2", { guests: [guest({ key: "light", cores: 4 })] }),
        node("n3", { guests: [guest({ cores: 4 })] }),
      ]),
      cluster("b", [node("b1")]),
    );
    const requests = [
      request("heavy", { cores: 6, disks, prior: { ...at("a", "n1"), storages: ["main"] } }),
      request("light", { cores: 4, prior: at("a", "n2") }),
    ];
    expect(repairPlacement(requests, facts)).toMatchObject({ movedBytes: 500 * GIB, displaced: [] });
    const plan = repairPlacement(requests, facts, { makeRoom: true });
    expect(plan).toMatchObject({ movedBytes: 0, localBytes: 2 * GIB, displaced: ["light"] });
    expect(placesOf(plan)).toEqual({ heavy: "moved a/n2", light: "moved a/n3" });
  });

  it("chooses among guests that may not be together by where each could go, not only by its bytes", () => {
    // The lighter one would have to go to another cluster; the heavier one finds a place next door.
    const spread = pool({ clusters: ["a", "b"], rules: [rule("anti-affinity must tag db")] });
    const facts = inventory(
      cluster("a", [
        node("n1", { guests: [guest({ key: "light", cores: 6, tags: ["db"] }), guest({ key: "heavy", cores: 1, tags: ["db"] })] }),
        node("n2", { guests: [guest({ cores: 6 })] }),
      ]),
      cluster("b", [node("b1")]),
    );
    const guests = { light: { cores: 6, gib: 1 }, heavy: { cores: 1, gib: 50 } };
    const requests = Object.entries(guests).map(([key, { cores, gib }]) =>
      request(key, { cores, tags: ["db"], pool: spread, moveBytes: gib * GIB, prior: at("a", "n1") }),
    );
    expect(placeMany(requests, facts).movedBytes).toBe(GIB);
    expect(repairPlacement(requests, facts)).toMatchObject({ movedBytes: 0, isProven: true, counts: { kept: 1, moved: 1 } });
  });
});

/** A federation in which the requests live, and then something happens to it. */
function afterTrouble(facts: Inventory, requests: PlacementRequest[]): { live: Inventory; again: PlacementRequest[] } {
  const placed = placeMany(requests, facts).decisions.flatMap(({ placement }, index) =>
    placement === undefined ? [] : [{ request: requests[index]!, ...placement }],
  );
  const live = afterApply(facts, placed);
  const node = live.clusters[0]?.nodes[0];
  if (node !== undefined) node.status = "draining";
  return { live, again: placed.map(({ request: asked, ...prior }) => ({ ...asked, prior })) };
}

const steps = 600;

describe("repairPlacement, for any federation", () => {
  it("leaves no more guests without a place than placeMany, and carries no more bytes where as many have one", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.boolean(), (facts, requests, makeRoom) => {
        const { live, again } = afterTrouble(facts, requests);
        const all = [...again, request("late", { cores: 5 })];
        const before = placeMany(all, live);
        const after = repairPlacement(all, live, { makeRoom, steps });
        expect(after.counts.rejected).toBeLessThanOrEqual(before.counts.rejected);
        if (after.counts.rejected === before.counts.rejected) expect(after.movedBytes).toBeLessThanOrEqual(before.movedBytes);
        if (!makeRoom) expect(after.displaced).toEqual([]);
      }),
    );
  });

  it("trades no must: each guest that is placed may be where it is, all others in place", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.boolean(), (facts, requests, makeRoom) => {
        const { live, again } = afterTrouble(facts, requests);
        const all = [...again, request("late", { cores: 5 })];
        const plan = repairPlacement(all, live, { makeRoom, steps });
        const promised = plan.decisions.flatMap(({ placement, outcome }, index) =>
          placement === undefined || outcome === "rejected" ? [] : [{ request: all[index]!, placement }],
        );
        plan.decisions.forEach(({ outcome, placement, key }, index) => {
          if (outcome !== "moved" && outcome !== "placed") return;
          const pinned = { ...all[index]!, pin: { cluster: placement?.cluster, node: placement?.node } };
          const others = promised.filter((promise) => promise.request.key !== key);
          expect(placeOne(pinned, live, others).ok).toBe(true);
        });
      }),
    );
  });

  it("gives the same plan whatever the order of inventory and requests", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.integer(), (facts, requests, seed) => {
        const { live, again } = afterTrouble(facts, requests);
        const plan = placesOf(repairPlacement(again, live, { makeRoom: true, steps }));
        expect(placesOf(repairPlacement(inOrder(again, seed), shuffled(live, seed), { makeRoom: true, steps }))).toEqual(plan);
      }),
      { numRuns: 60 },
    );
  });

  it("moves nothing in six reruns on its own result", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = afterTrouble(facts, requests);
        const plan = repairPlacement(again, live, { makeRoom: true, steps });
        // Who has no place stays a reason to look for one; everybody else is settled.
        if (plan.counts.rejected > 0) return;
        let now = again.map((asked, index) => ({ ...asked, prior: plan.decisions[index]!.placement! }));
        let facing = afterApply(
          live,
          now.map(({ prior, ...asked }) => ({ request: asked, ...prior })),
        );
        for (let rerun = 0; rerun < 6; rerun++) {
          const next = repairPlacement(now, facing, { makeRoom: true, steps });
          expect(next.counts).toEqual({ kept: now.length, placed: 0, moved: 0, rejected: 0 });
          now = now.map((asked, index) => ({ ...asked, prior: next.decisions[index]!.placement! }));
          facing = afterApply(
            facing,
            now.map(({ prior, ...asked }) => ({ request: asked, ...prior })),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("decides the same in another unit: everything twice as large", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = afterTrouble(facts, requests);
        const plan = repairPlacement(again, live, { makeRoom: true, steps });
        const doubled = repairPlacement(again.map(twice), twiceAll(live), { makeRoom: true, steps });
        expect(doubled.counts).toEqual(plan.counts);
        expect(doubled.movedBytes).toBe(2 * plan.movedBytes);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps every node within its capacity when a node or cluster is lost", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = afterTrouble(facts, requests);
        const [first] = live.clusters;
        if (first === undefined) return;
        const lost = whatIf([{ kind: "lose-cluster", cluster: first.id }], again, live).inventory;
        const plan = repairPlacement(again, lost, { makeRoom: true, steps });
        for (const each of lost.clusters) {
          for (const place of each.nodes) {
            const arrivals = plan.decisions.flatMap(({ outcome, placement }, index) =>
              outcome === "moved" && placement?.cluster === each.id && placement.node === place.name ? [again[index]!] : [],
            );
            if (!arrivals.some(({ memoryMiB }) => memoryMiB > 0)) continue;
            const here = plan.decisions.flatMap(({ placement }, index) =>
              placement?.cluster === each.id && placement.node === place.name ? [again[index]!] : [],
            );
            const foreign = place.guests.filter(({ key }) => key === undefined);
            const memoryMiB = [...here, ...foreign].reduce((sum, one) => sum + one.memoryMiB, 0);
            expect(memoryMiB).toBeLessThanOrEqual(Math.floor(place.memoryMiB * 0.85));
          }
        }
      }),
    );
  });
});

/** Cores stay as they are: what is doubled are the amounts of one unit, MiB and bytes. */
function twice(asked: PlacementRequest): PlacementRequest {
  return { ...asked, memoryMiB: 2 * asked.memoryMiB, disks: asked.disks.map((disk) => ({ ...disk, sizeBytes: 2 * disk.sizeBytes })) };
}

function twiceAll(facts: Inventory): Inventory {
  return {
    links: facts.links,
    clusters: facts.clusters.map((each) => ({
      ...each,
      nodes: each.nodes.map((place) => ({
        ...place,
        memoryMiB: 2 * place.memoryMiB,
        guests: place.guests.map((one) => ({
          ...one,
          memoryMiB: 2 * one.memoryMiB,
          disks: one.disks?.map((disk) => ({ ...disk, sizeBytes: 2 * disk.sizeBytes })),
        })),
      })),
      storages: each.storages.map((one) => ({ ...one, totalBytes: 2 * one.totalBytes, usedBytes: 2 * one.usedBytes })),
    })),
  };
}
