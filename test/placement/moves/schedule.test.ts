import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Inventory,
  type MoveSchedule,
  type PlacementRequest,
  placeMany,
  type ScheduledStep,
  scheduleMoves,
  sequenceMoves,
} from "../../../src/placement";
import { afterApply, arbitraryInventory, arbitraryRequests, inOrder, shuffled } from "../arbitraries";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "../builders";

const GBIT = 1e9;
const at = (name: string, clusterId = "a") => ({ cluster: clusterId, node: name, storages: [] });
const key = ({ cluster: id, node: name }: { cluster: string; node: string }) => `${id}/${name}`;

/** A site with six nodes to be emptied, and a link to each of two others. */
function evacuation(sizes: readonly number[]): { facts: Inventory; requests: PlacementRequest[] } {
  const requests = sizes.map((gib, index) =>
    request(`vm-${index}`, {
      cores: 1,
      memoryMiB: 2048,
      disks: [{ name: "scsi0", storageClass: "", sizeBytes: gib * GIB }],
      prior: { ...at(`a${index % 6}`), storages: ["main"] },
    }),
  );
  const guests = (index: number) =>
    requests.filter(({ prior }) => prior?.node === `a${index}`).map(({ key: own }) => guest({ key: own, memoryMiB: 2048 }));
  const site = (id: string) => {
    const names = [`${id}0`, `${id}1`, `${id}2`];
    return cluster(
      id,
      names.map((name) => node(name, { cores: 32, memoryMiB: 131_072 })),
      { storages: [storage("main", names, { totalBytes: 20_000 * GIB })] },
    );
  };
  const old = Array.from({ length: 6 }, (_, index) => node(`a${index}`, { guests: guests(index), cores: 32, memoryMiB: 65_536 }));
  const links = ["b", "c"].map((to) => ({ from: "a", to, bandwidthBitsPerSecond: GBIT }));
  return { facts: { clusters: [cluster("a", old, { status: "draining" }), site("b"), site("c")], links }, requests };
}

describe("scheduleMoves", () => {
  it("empties six nodes of 60 guests over two links in at most 1.2 times the bound it prints", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 4, max: 400 }), { minLength: 60, maxLength: 60 }), (sizes) => {
        const { facts, requests } = evacuation(sizes);
        const plan = placeMany(requests, facts);
        expect(plan.counts.moved).toBe(60);
        const schedule = scheduleMoves(plan.decisions, requests, facts);
        expect(schedule.ok).toBe(true);
        expect(schedule.steps).toHaveLength(60);
        expect(schedule.lowerBoundSeconds).toBeLessThanOrEqual(schedule.makespanSeconds + 0.01);
        expect(schedule.makespanSeconds / schedule.lowerBoundSeconds).toBeLessThanOrEqual(1.2);
        for (const to of ["b", "c"]) {
          const bits = schedule.steps.filter((step) => step.to.cluster === to).reduce((sum, { bytes }) => sum + 8 * bytes, 0);
          expect(schedule.makespanSeconds * GBIT).toBeGreaterThanOrEqual(bits * 0.999);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("shares a link among those that are on it, and counts from what the bytes take", () => {
    const { facts, requests } = evacuation([100, 100]);
    const pinned = requests.map((each, index) => ({ ...each, pin: { node: `b/b${index}` } }));
    const schedule = scheduleMoves(placeMany(pinned, facts).decisions, pinned, facts);
    const seconds = (200 * GIB * 8) / GBIT;
    expect(schedule.makespanSeconds).toBeCloseTo(seconds, 2);
    expect(schedule.steps.map(({ startSeconds }) => startSeconds)).toEqual([0, 0]);
    expect(schedule).toMatchObject({ ok: true, bottleneck: "over a b", lowerBoundSeconds: schedule.makespanSeconds, blocked: [] });
  });

  it("adds what each move takes besides its bytes, and takes a given speed where the link has none", () => {
    const { facts, requests } = evacuation([100]);
    const silent = { ...facts, links: [] };
    const { decisions } = placeMany(requests, silent);
    const schedule = scheduleMoves(decisions, requests, silent, {}, { linkBitsPerSecond: 2 * GBIT, fixedSeconds: 30 });
    expect(schedule.makespanSeconds).toBeCloseTo(30 + (100 * GIB * 8) / (2 * GBIT), 2);
  });

  it("takes memory and local disks into account inside a cluster", () => {
    const names = ["a1", "a2"];
    const local = names.map((name) => storage("local", [name], { shared: false }));
    const facts = inventory(
      cluster("a", [node("a1", { guests: [guest({ key: "vm", memoryMiB: 4096 })] }), node("a2")], {
        storages: local,
        storageClasses: { "": "local" },
      }),
    );
    const disks = [{ name: "scsi0", storageClass: "", sizeBytes: 10 * GIB }];
    const vm = request("vm", { memoryMiB: 4096, disks, prior: { ...at("a1"), storages: ["local"] } });
    const moved = [{ key: "vm", name: "vm", outcome: "moved" as const, placement: { ...at("a2"), storages: ["local"] } }];
    const { steps } = scheduleMoves(moved, [vm], facts);
    expect(steps).toMatchObject([{ bytes: 0, localBytes: 14 * GIB, startSeconds: 0 }]);
    expect(steps[0]?.endSeconds).toBeCloseTo((14 * GIB * 8) / (10 * GBIT), 2);
  });

  it("says which moves have no path", () => {
    const one = (name: string, guestKey: string) => node(name, { cores: 1, guests: [guest({ key: guestKey })] });
    const facts = inventory(cluster("a", [one("n1", "x"), one("n2", "y")]));
    const requests = [request("x", { prior: at("n1") }), request("y", { prior: at("n2") })];
    const swap = requests.map(({ key: own, prior }) => ({
      key: own,
      name: own,
      outcome: "moved" as const,
      placement: at(prior?.node === "n1" ? "n2" : "n1"),
    }));
    expect(scheduleMoves(swap, requests, facts)).toMatchObject({ ok: false, steps: [], blocked: [{ key: "x" }, { key: "y" }] });
  });

  it("gives the same times whatever the order of what it is given", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 20 }), fc.integer(), (sizes, seed) => {
        const { facts, requests } = evacuation(sizes);
        const { decisions } = placeMany(requests, facts);
        const again = scheduleMoves(inOrder(decisions, seed), inOrder(requests, seed), shuffled(facts, seed));
        expect(again).toEqual(scheduleMoves(decisions, requests, facts));
      }),
      { numRuns: 20 },
    );
  });

  it("for any drain: at every moment each node has room for all that are on it, coming to it and leaving it", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const { live, again } = drained(facts, requests);
        const schedule = scheduleMoves(placeMany(again, live).decisions, again, live);
        expect(schedule.ok).toBe(true);
        for (const { startSeconds } of schedule.steps) expectRoom(schedule, startSeconds, live, again);
      }),
    );
  });
});

describe("sequenceMoves", () => {
  it("keeps a guest away from one whose own rule refuses it, on the way too", () => {
    const facts = inventory(
      cluster("a", [
        node("n1", { guests: [guest({ key: "db", tags: ["db"] })] }),
        node("n2", { guests: [guest({ key: "shy" })] }),
        node("n3"),
      ]),
    );
    const requests = [
      request("db", { tags: ["db"], prior: at("n1") }),
      request("shy", { rules: [rule("anti-affinity must tag db")], prior: at("n2") }),
    ];
    const moved = [
      { key: "db", name: "db", outcome: "moved" as const, placement: at("n2") },
      { key: "shy", name: "shy", outcome: "moved" as const, placement: at("n3") },
    ];
    const { steps } = sequenceMoves(moved, requests, facts);
    expect(steps.map(({ wave, key: own }) => `${wave} ${own}`)).toEqual(["1 shy", "2 db"]);
  });

  it("waits until a cluster at its limit of guests has let one go", () => {
    const facts = inventory(
      cluster("a", [node("a1", { guests: [guest({ key: "x" })] })]),
      cluster("b", [node("b1", { guests: [guest({ key: "y" })] })], { maxVms: 1 }),
    );
    const requests = [request("x", { prior: at("a1") }), request("y", { prior: at("b1", "b") })];
    const moved = [
      { key: "x", name: "x", outcome: "moved" as const, placement: at("b1", "b") },
      { key: "y", name: "y", outcome: "moved" as const, placement: at("a1") },
    ];
    expect(sequenceMoves(moved, requests, facts).steps.map(({ wave, key: own }) => `${wave} ${own}`)).toEqual(["1 y", "2 x"]);
  });

  it("never has two of a group on one node, not even for a moment", () => {
    const spread = pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] });
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 }), (targets) => {
        const names = ["n0", "n1", "n2", "n3", "n4"];
        const facts = inventory(
          cluster(
            "a",
            names.map((name, index) => node(name, { guests: index < 4 ? [guest({ key: `db-${index}`, tags: ["db"] })] : [] })),
          ),
        );
        const requests = targets.map((_, index) => request(`db-${index}`, { tags: ["db"], pool: spread, prior: at(`n${index}`) }));
        const moved = targets.map((target, index) => ({
          key: `db-${index}`,
          name: "",
          outcome: "moved" as const,
          placement: at(`n${target}`),
        }));
        const result = sequenceMoves(moved, requests, facts);
        expect(result.ok).toBe(true);
        const where = new Map(requests.map(({ key: own, prior }) => [own, key(prior!)]));
        for (let wave = 1; wave <= (result.steps.at(-1)?.wave ?? 0); wave++) {
          const steps = result.steps.filter((step) => step.wave === wave);
          const occupied = [...where.values(), ...steps.map(({ to }) => key(to))];
          expect(new Set(occupied).size).toBe(occupied.length);
          for (const step of steps) where.set(step.key, key(step.to));
        }
        targets.forEach((target, index) => {
          expect(where.get(`db-${index}`)).toBe(`a/n${target}`);
        });
      }),
    );
  });
});

function drained(facts: Inventory, requests: PlacementRequest[]): { live: Inventory; again: PlacementRequest[] } {
  const placed = placeMany(requests, facts).decisions.flatMap(({ placement }, index) =>
    placement === undefined ? [] : [{ request: requests[index]!, ...placement }],
  );
  const live = afterApply(facts, placed);
  const [first] = live.clusters;
  if (first !== undefined) first.status = "draining";
  return { live, again: placed.map(({ request: asked, ...prior }) => ({ ...asked, prior })) };
}

function expectRoom(schedule: MoveSchedule, moment: number, live: Inventory, requests: readonly PlacementRequest[]): void {
  const isThere = (asked: PlacementRequest, place: string): boolean => {
    const steps = schedule.steps.filter((step) => step.key === asked.key);
    const begun = steps.filter(({ startSeconds }) => startSeconds <= moment);
    const current: ScheduledStep | undefined = begun.at(-1);
    if (current === undefined) return key(asked.prior!) === place;
    return key(current.to) === place || (current.endSeconds > moment && key(current.from) === place);
  };
  for (const each of live.clusters) {
    for (const { name, guests, memoryMiB } of each.nodes) {
      const place = `${each.id}/${name}`;
      const arriving = schedule.steps.filter((step) => step.startSeconds === moment && key(step.to) === place);
      if (!arriving.some((step) => requests.some((asked) => asked.key === step.key && asked.memoryMiB > 0))) continue;
      const ours = requests.filter((asked) => isThere(asked, place)).reduce((sum, asked) => sum + asked.memoryMiB, 0);
      const foreign = guests.filter(({ key: own }) => own === undefined).reduce((sum, one) => sum + one.memoryMiB, 0);
      expect(ours + foreign).toBeLessThanOrEqual(Math.floor(memoryMiB * 0.85));
    }
  }
}
