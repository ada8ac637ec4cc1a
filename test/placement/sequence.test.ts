import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Inventory, type MoveStep, type PlacementRequest, placeMany, sequenceMoves } from "../../src/placement";
import { afterApply, arbitraryInventory, arbitraryRequests } from "./arbitraries";
import { cluster, guest, inventory, node, pool, request, rule } from "./builders";

const at = (name: string) => ({ cluster: "a", node: name, storages: [] });

/** Moves as wanted, whatever placing would have decided. */
function sequence(moves: Record<string, [from: string, to: string]>, facts: Inventory, extra: Partial<PlacementRequest> = {}, limits = {}) {
  const requests = Object.entries(moves).map(([key, [from]]) => request(key, { ...extra, prior: at(from) }));
  const decisions = Object.entries(moves).map(([key, [, to]]) => ({ key, name: key, outcome: "moved" as const, placement: at(to) }));
  return sequenceMoves(decisions, requests, facts, limits);
}

const shown = (steps: readonly MoveStep[]) =>
  steps.map(({ wave, key, from, to, purpose }) => `${wave} ${purpose} ${key} ${from.node}>${to.node}`);

const oneCore = (name: string, ...keys: string[]) => node(name, { cores: 1, guests: keys.map((key) => guest({ key })) });

describe("sequenceMoves", () => {
  it("waits until the room a move needs has been left", () => {
    const facts = inventory(cluster("a", [oneCore("n1", "x"), oneCore("n2", "y"), oneCore("n3")]));
    const result = sequence({ x: ["n1", "n2"], y: ["n2", "n3"] }, facts);
    expect(result.ok).toBe(true);
    expect(shown(result.steps)).toEqual(["1 move y n2>n3", "2 move x n1>n2"]);
  });

  it("parks a guest where two want each other's place", () => {
    const facts = inventory(cluster("a", [oneCore("n1", "x"), oneCore("n2", "y"), oneCore("n3")]));
    const result = sequence({ x: ["n1", "n2"], y: ["n2", "n1"] }, facts);
    expect(result.ok).toBe(true);
    expect(shown(result.steps)).toEqual(["1 park x n1>n3", "2 move y n2>n1", "3 move x n3>n2"]);
  });

  it("says that there is no path when there is nowhere to park", () => {
    const facts = inventory(cluster("a", [oneCore("n1", "x"), oneCore("n2", "y")]));
    const result = sequence({ x: ["n1", "n2"], y: ["n2", "n1"] }, facts);
    expect(result).toMatchObject({ ok: false, steps: [], blocked: [{ key: "x" }, { key: "y" }] });
    expect(result.ok ? "" : result.message).toContain("x cannot reach a/n2 (node a/n2 lacks 1 cores (needs 1, has 0 of 1))");
  });

  it("keeps guests apart on the way too", () => {
    const tagged = (name: string, ...keys: string[]) => node(name, { guests: keys.map((key) => guest({ key, tags: ["db"] })) });
    const facts = inventory(cluster("a", [tagged("n1", "x"), tagged("n2", "y"), tagged("n3")]));
    const spread = { tags: ["db"], pool: pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] }) };
    const result = sequence({ x: ["n1", "n2"], y: ["n2", "n3"] }, facts, spread);
    expect(shown(result.steps)).toEqual(["1 move y n2>n3", "2 move x n1>n2"]);
  });

  it("keeps to the limits per node", () => {
    const facts = inventory(cluster("a", [node("n1", { guests: ["x", "y", "z"].map((key) => guest({ key })) }), node("n2")]));
    const moves: Record<string, [string, string]> = { x: ["n1", "n2"], y: ["n1", "n2"], z: ["n1", "n2"] };
    expect(sequence(moves, facts).steps.map(({ wave }) => wave)).toEqual([1, 2, 3]);
    expect(sequence(moves, facts, {}, { intoNode: 2, outOfNode: 3 }).steps.map(({ wave }) => wave)).toEqual([1, 1, 2]);
  });

  it("for any drain: every node stays within its capacity at every moment, and everybody arrives", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, (facts, requests) => {
        const first = placeMany(requests, facts);
        const placed = first.decisions.flatMap(({ placement }, index) => {
          const asked = requests[index];
          return placement === undefined || asked === undefined ? [] : [{ request: asked, ...placement }];
        });
        const live = afterApply(facts, placed);
        for (const each of live.clusters.slice(0, 1)) each.status = "draining";
        const again = placed.map(({ request: asked, ...prior }) => ({ ...asked, prior }));
        const plan = placeMany(again, live);
        const result = sequenceMoves(plan.decisions, again, live);
        expect(result.ok).toBe(true);
        const target = new Map(plan.decisions.map(({ key, placement }) => [key, placement]));
        const position = new Map(again.map(({ key, prior }) => [key, `${prior.cluster}/${prior.node}`]));
        const sizes = new Map(again.map((asked) => [asked.key, asked]));
        for (let wave = 1; wave <= result.steps.reduce((last, step) => Math.max(last, step.wave), 0); wave++) {
          const steps = result.steps.filter((step) => step.wave === wave);
          for (const step of steps) {
            const here = `${step.to.cluster}/${step.to.node}`;
            expect(position.get(step.key)).toBe(`${step.from.cluster}/${step.from.node}`);
            const others = live.clusters.flatMap((each) =>
              each.nodes
                .filter((place) => `${each.id}/${place.name}` === here)
                .flatMap((place) => place.guests.filter(({ key }) => key === undefined)),
            );
            const residents = [...position].filter(([, place]) => place === here).map(([key]) => key);
            const arrivals = steps.filter(({ to }) => `${to.cluster}/${to.node}` === here).map(({ key }) => key);
            const memoryMiB = [...residents, ...arrivals].reduce(
              (sum, key) => sum + (sizes.get(key)?.memoryMiB ?? 0),
              others.length * 1024,
            );
            const facing = live.clusters.find(({ id }) => id === step.to.cluster)?.nodes.find(({ name }) => name === step.to.node);
            if ((sizes.get(step.key)?.memoryMiB ?? 0) > 0) expect(memoryMiB).toBeLessThanOrEqual((facing?.memoryMiB ?? 0) * 0.85);
          }
          for (const step of steps) position.set(step.key, `${step.to.cluster}/${step.to.node}`);
        }
        for (const [key, place] of position) expect(place).toBe(`${target.get(key)?.cluster}/${target.get(key)?.node}`);
      }),
    );
  });
});
