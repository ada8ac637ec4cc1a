import fc from "fast-check";
import { expect, test } from "vitest";
import { type Demand, fairShares } from "../../src/simulator/fair-shares";

const open = Number.POSITIVE_INFINITY;

test.each([
  ["alone", [{ through: ["disk", "link"], limit: open }], [100]],
  [
    "evenly",
    [
      { through: ["disk"], limit: open },
      { through: ["disk"], limit: open },
    ],
    [500, 500],
  ],
  [
    "what a limited one leaves goes to the other",
    [
      { through: ["disk"], limit: 10 },
      { through: ["disk"], limit: open },
    ],
    [10, 990],
  ],
  [
    "held back elsewhere counts as limited",
    [
      { through: ["disk", "link"], limit: open },
      { through: ["disk"], limit: open },
    ],
    [100, 900],
  ],
  ["nothing limits", [{ through: ["memory"], limit: open }], [open]],
])("%s", (_, demands, expected) => {
  const capacities: Record<string, number> = { disk: 1000, link: 100 };
  expect(fairShares(demands, (resource) => capacities[resource] ?? open)).toEqual(expected);
});

test("no resource is given out twice, and every transfer is held back by something", () => {
  const capacities: Record<string, number> = { a: 100, b: 37, c: 1000 };
  const demand = fc.record({
    through: fc.subarray(["a", "b", "c"], { minLength: 1 }),
    limit: fc.oneof(fc.constant(open), fc.integer({ min: 1, max: 60 })),
  });
  fc.assert(
    fc.property(fc.array(demand, { minLength: 1, maxLength: 12 }), (demands: Demand[]) => {
      const rates = fairShares(demands, (resource) => capacities[resource]!);
      const used = (resource: string) =>
        demands.reduce((sum, { through }, index) => sum + (through.includes(resource) ? rates[index]! : 0), 0);
      for (const resource of Object.keys(capacities)) expect(used(resource)).toBeLessThanOrEqual(capacities[resource]! * (1 + 1e-9));
      demands.forEach(({ through, limit }, index) => {
        const atLimit = rates[index] === limit;
        const full = through.some((resource) => used(resource) >= capacities[resource]! * (1 - 1e-9));
        expect(atLimit || full).toBe(true);
      });
    }),
  );
});
