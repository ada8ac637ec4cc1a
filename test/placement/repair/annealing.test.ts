import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { type Inventory, type PlacementRequest, placeMany, repairPlacement } from "../../../src/placement";
import { SeededRandom } from "../../../src/placement/reassignment/random";
import { type AnnealOptions, anneal } from "../../../src/placement/repair/annealing";
import { RepairCase } from "../../../src/placement/repair/case";
import { addCosts, compareCosts, FREE, UNPLACED } from "../../../src/placement/repair/cost";
import { placeEnergies } from "../../../src/placement/repair/energy";
import { NOWHERE } from "../../../src/placement/repair/model";
import { wholeScope } from "../../../src/placement/repair/scope";
import { inOrder, shuffled } from "../arbitraries";

interface Case {
  requests: PlacementRequest[];
  inventory: Inventory;
}

const { repairCase }: { repairCase(seed: number): Case } = createRequire(import.meta.url)("../../../bench/placement/repair-cases.cjs");

const cooling = { hottest: 1, coldest: 0.01, nowhere: 6, tries: 20_000, mostDisplaced: 8 };

function modelOf(seed: number) {
  const { requests, inventory } = repairCase(seed);
  const decisions = new Map(placeMany(requests, inventory).decisions.map((decision) => [decision.key, decision]));
  const part = new RepairCase(wholeScope(requests, inventory), requests, decisions, inventory, true);
  const model = part.model!;
  const { assignment: start, cost } = part.plannedIn(model);
  return { part, model, start: start!, cost };
}

function annealed(seed: number, options: Partial<AnnealOptions> = {}) {
  const { part, model, start, cost } = modelOf(seed);
  return { part, model, cost, found: anneal(model, { ...cooling, start, random: new SeededRandom(1), ...options })! };
}

// Tight memory, groups, drained nodes, up to three clusters; 4 and 30 are among those that the tree alone does not settle.
describe.each([3, 4, 30, 500])("anneal, case %i", (seed) => {
  it("ends with a layout that every filter accepts, cheaper than the plan or the same, and with the cost it says", () => {
    const { part, model, cost, found } = annealed(seed);
    expect(part.accepts(model, found.assignment)).toBe(true);
    expect(compareCosts(found.cost, cost)).toBeLessThanOrEqual(0);
    const costs = found.assignment.map((option, item) => (option === NOWHERE ? UNPLACED : model.items[item]!.options[option]!.cost));
    expect(found.cost).toEqual(costs.reduce(addCosts, FREE));
  });

  it.each([0, 2])("displaces %i guests at most when told so", (mostDisplaced) => {
    const { model, start } = modelOf(seed);
    const home = start.map((option, item) => (model.items[item]!.isTroubled ? option : 0));
    const { found } = annealed(seed, { mostDisplaced, start: home });
    const displaced = model.items.filter(({ isTroubled, options }, item) => !isTroubled && !options[found.assignment[item]!]?.stays);
    expect(displaced.length).toBeLessThanOrEqual(mostDisplaced);
  });
});

it("finds what the plan misses", () => {
  const { cost, found } = annealed(30);
  expect(compareCosts(found.cost, cost)).toBeLessThan(0);
});

it("answers nothing to a start that displaces more than allowed", () => {
  const { model, start } = modelOf(4);
  const far = start.map((option, item) => (model.items[item]!.isTroubled ? option : model.items[item]!.options.length - 1));
  expect(anneal(model, { ...cooling, start: far, mostDisplaced: 0, random: new SeededRandom(1) })).toBeUndefined();
});

describe("energies", () => {
  it("are the same in whatever unit bytes are counted", () => {
    const { model } = modelOf(30);
    const scaled = {
      ...model,
      items: model.items.map((item) => ({
        ...item,
        options: item.options.map((option) => {
          const [unplaced, link, lesser] = option.cost;
          const moves = lesser % 1024;
          return { ...option, cost: [unplaced, 3 * link, option.stays || link > 0 ? lesser : 3 * (lesser - moves) + moves] as const };
        }),
      })),
    };
    expect(placeEnergies(scaled, 6)).toEqual(placeEnergies(model, 6));
  });
});

it.each([4, 500])("repairs case %i the same whatever the order of guests, nodes and clusters", (seed) => {
  const { requests, inventory } = repairCase(seed);
  const options = { makeRoom: true, steps: 2_000 };
  const placesOf = (all: PlacementRequest[], facts: Inventory) => {
    const { decisions, displaced } = repairPlacement(all, facts, options);
    return { displaced, places: Object.fromEntries(decisions.map(({ key, outcome, placement }) => [key, { outcome, placement }])) };
  };
  const plan = placesOf(requests, inventory);
  for (const order of [7, 2_654_435_761]) expect(placesOf(inOrder(requests, order), shuffled(inventory, order))).toEqual(plan);
});
