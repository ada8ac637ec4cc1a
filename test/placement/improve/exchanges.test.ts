import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Improvement, type Inventory, improvePlacement, type PlacementRequest } from "../../../src/placement";
import { inOrder, shuffled } from "../arbitraries";
import { cluster, guest, inventory, node, pool, request, rule } from "../builders";

const at = (name: string) => ({ cluster: "a", node: name, storages: [] });
const GIB_IN_MIB = 1024;
const apart = { tags: ["db"], pool: pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] }) };

/** Each node with one member of a group that is kept apart and one guest that stays there; the last without a member. */
const arbitraryCluster = fc
  .array(fc.record({ member: fc.integer({ min: 1, max: 8 }), pinned: fc.integer({ min: 1, max: 8 }) }), { minLength: 2, maxLength: 4 })
  .map((sizes): { facts: Inventory; requests: PlacementRequest[] } => {
    const nodes = sizes.map(({ member, pinned }, index) =>
      node(`n${index}`, {
        memoryMiB: 20 * GIB_IN_MIB,
        guests: [
          guest({ key: `db${index}`, memoryMiB: member * GIB_IN_MIB, tags: ["db"] }),
          guest({ key: `pinned${index}`, memoryMiB: pinned * GIB_IN_MIB }),
        ],
      }),
    );
    const facts = inventory(cluster("a", [...nodes, node("spare", { memoryMiB: 12 * GIB_IN_MIB })]));
    // Room for one on its way; nobody likes to stay there.
    const rules = [rule("affinity should_not node spare", { weight: 100 })];
    const requests = sizes.flatMap(({ member, pinned }, index) => [
      request(`db${index}`, { ...apart, rules, memoryMiB: member * GIB_IN_MIB, prior: at(`n${index}`) }),
      request(`pinned${index}`, { memoryMiB: pinned * GIB_IN_MIB, prior: at(`n${index}`), pin: { node: `n${index}` } }),
    ]);
    return { facts, requests };
  });

const improved = (requests: readonly PlacementRequest[], facts: Inventory) =>
  improvePlacement(requests, facts, { moves: 20 }, { gainPerGiB: 0 });

const shown = ({ moves }: Improvement) =>
  moves.map(({ key, from, to, exchangedWith }) => `${key} ${from.node}>${to.node} ${exchangedWith}`);

describe("exchanges in a cluster where nobody can simply move", () => {
  it("keep the group apart and every node within its memory at every moment", () => {
    fc.assert(
      fc.property(arbitraryCluster, ({ facts, requests }) => {
        const { schedule } = improved(requests, facts);
        expect(schedule.ok).toBe(true);
        const size = new Map(requests.map(({ key, memoryMiB }) => [key, memoryMiB]));
        const places = new Map(requests.map(({ key, prior }) => [key, new Set([prior!.node])]));
        const events = schedule.steps.flatMap((step) => [
          { ...step, isStart: true, time: step.startSeconds },
          { ...step, isStart: false, time: step.endSeconds },
        ]);
        // What ends makes room for what starts at the same moment.
        events.sort((left, right) => left.time - right.time || Number(left.isStart) - Number(right.isStart));
        for (const { key, from, to, isStart } of events) {
          if (isStart) places.get(key)!.add(to.node);
          else places.get(key)!.delete(from.node);
          const there = [...places].filter(([, nodes]) => nodes.has(to.node)).map(([guestKey]) => guestKey);
          expect(there.filter((guestKey) => guestKey.startsWith("db")).length).toBeLessThanOrEqual(1);
          const capacity = facts.clusters[0]!.nodes.find(({ name }) => name === to.node)!.memoryMiB * 0.85;
          expect(there.reduce((sum, guestKey) => sum + size.get(guestKey)!, 0)).toBeLessThanOrEqual(capacity);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("find nothing more on their own result, and do not depend on the order of what they are given", () => {
    let exchanges = 0;
    fc.assert(
      fc.property(arbitraryCluster, fc.integer(), ({ facts, requests }, seed) => {
        const result = improved(requests, facts);
        exchanges += result.moves.filter(({ exchangedWith }) => exchangedWith !== undefined).length;
        const after = requests.map((asked, index) => ({ ...asked, prior: result.decisions[index]!.placement! }));
        expect(shown(improved(after, result.inventory))).toEqual([]);
        expect(shown(improved(inOrder(requests, seed), shuffled(facts, seed)))).toEqual(shown(result));
      }),
      { numRuns: 60 },
    );
    expect(exchanges).toBeGreaterThan(0);
  });
});
