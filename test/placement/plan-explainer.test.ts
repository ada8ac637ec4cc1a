import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Inventory, type PlacementPlan, type PlacementRequest, PlanExplainer, placeMany } from "../../src/placement";
import { explainInWorld } from "../../src/placement/place-one";
import { buildWorld } from "../../src/placement/world";
import { afterApply, arbitraryInventory, arbitraryRequests } from "./arbitraries";
import { cluster, inventory, node, pool, request, rule } from "./builders";

/** The world of one decision, built for it alone. */
function explainedAlone(key: string, { decisions }: PlacementPlan, requests: readonly PlacementRequest[], facts: Inventory) {
  const index = requests.findIndex((each) => each.key === key);
  const others = requests.flatMap((each, position) => {
    const placement = decisions[position]?.placement;
    return position === index || placement === undefined ? [] : [{ request: each, placement }];
  });
  const [asked, decision] = [requests[index], decisions[index]];
  if (asked === undefined || decision === undefined) throw new Error(`${key} is not asked for`);
  return explainInWorld(asked, buildWorld(facts, others, key), decision);
}

/** The inventory, counting how often its clusters are read: once for every world that is built of it. */
function counted(facts: Inventory) {
  const reads = { count: 0 };
  const watched: Inventory = {
    ...facts,
    get clusters() {
      reads.count += 1;
      return facts.clusters;
    },
  };
  return { watched, reads };
}

describe("PlanExplainer", () => {
  it("says of every decision what a world built for it alone says, in any order of the questions", () => {
    fc.assert(
      fc.property(arbitraryInventory, arbitraryRequests, fc.boolean(), (facts, requests, isSecondRun) => {
        const first = placeMany(requests, facts);
        const placed = requests.flatMap((each, index) => {
          const placement = first.decisions[index]?.placement;
          return placement === undefined ? [] : [{ request: each, ...placement }];
        });
        const asked = isSecondRun ? placed.map(({ request: each, ...prior }) => ({ ...each, prior })) : requests;
        const now = isSecondRun ? afterApply(facts, placed) : facts;
        const plan = placeMany(asked, now);
        const explainer = new PlanExplainer(plan, asked, now);
        const keys = asked.map(({ key }) => key);
        for (const key of [...keys, ...keys.reverse()]) expect(explainer.explain(key)).toEqual(explainedAlone(key, plan, asked, now));
      }),
    );
  });

  it("reads the inventory once, however many decisions it explains", () => {
    const apart = pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] });
    const facts = inventory(cluster("a", [node("a1"), node("a2"), node("a3"), node("a4")]));
    const requests = ["one", "two", "three", "four", "five"].map((key) => request(key, { tags: ["db"], pool: apart }));
    const plan = placeMany(requests, facts);
    expect(plan.counts).toMatchObject({ placed: 4, rejected: 1 });
    const { watched, reads } = counted(facts);
    const explainer = new PlanExplainer(plan, requests, watched);
    expect(reads.count).toBe(0);
    explainer.explain("one");
    const forOne = reads.count;
    for (const { key } of requests) expect(explainer.explain(key)).toEqual(explainedAlone(key, plan, requests, facts));
    expect(forOne).toBeGreaterThan(0);
    expect(reads.count).toBe(forOne);
  });

  it("knows only the keys of its plan", () => {
    const facts = inventory(cluster("a", [node("a1")]));
    const requests = [request("one")];
    const explainer = new PlanExplainer(placeMany(requests, facts), requests, facts);
    expect(explainer.decisionOf("one")?.outcome).toBe("placed");
    expect(explainer.decisionOf("two")).toBeUndefined();
    expect(explainer.explain("two")).toBeUndefined();
  });
});
