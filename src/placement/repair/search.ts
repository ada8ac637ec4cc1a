import { SeededRandom } from "../reassignment/random";
import { anneal, type Cooling } from "./annealing";
import { type Cost, compareCosts } from "./cost";
import { FLOATING } from "./layout";
import type { Assignment, RepairModel } from "./model";
import { type RepairFound, searchTree } from "./tree-search";

export interface RepairSearchOptions {
  /** Steps in all. A count, so that the answer is the same everywhere. */
  steps: number;
  /** Guests that may be moved only to make room for others. */
  mostDisplaced: number;
  /** Whether it may take three times as long where nothing is proven: annealing cools more often, and more parts are tried. */
  isThorough: boolean;
  /** What is planned so far; where the model cannot express it, its cost alone. */
  planned: { cost: Cost; assignment?: Assignment };
  /** Whether a layout that the model allows is really allowed; the model may not know every rule. */
  accepts(assignment: Assignment): boolean;
}

/** Shares of the steps for the search of everything, before and after annealing; the rest is for parts of the best so far. */
const FIRST_SHARE = 0.15;
const SECOND_SHARE = 0.25;
/** Annealing is not counted in steps; in each round it tries so many changes for each of them, which takes about as long as all steps. */
const TRIES_PER_STEP = 8;
/** First to find as many as possible a place, then for the bytes. */
const COOLINGS: readonly (Cooling & { share: number })[] = [
  { nowhere: 20, hottest: 6, coldest: 0.2, share: 1 },
  { nowhere: 20, hottest: 3, coldest: 0.1, share: 1 },
  { nowhere: 2, hottest: 0.6, coldest: 0.004, share: 1 },
  { nowhere: 6, hottest: 0.3, coldest: 0.002, share: 1 },
];
/** Each time as many guests may be displaced; few suffice mostly, and are found much sooner. */
const DISPLACED = [0, 2, 6];
/** How often annealing cools, each time from the best so far, in a thorough search and in another. */
const THOROUGH_ROUNDS = 3;
const ROUNDS = 1;
/** What a thorough search adds at last for parts, in multiples of all steps: chosen by nodes, then also by who moves. */
const MORE_BY_NODES = 1;
const MORE_BY_EITHER = 2;
/** The least; up to eight times as many. */
const STEPS_PER_PART = 400;
/** Guests in a part that is chosen by who moves, beside those of one or two nodes: the least, and how many more there may be. */
const LEAST_MOVERS = 4;
const MORE_MOVERS = 9;
const SEED = 20_120_417;

/**
 * Everything first: that ends with a proof where the federation is small or has room. Else annealing looks for a better limit,
 * below which everything is looked at once more; and at last, from the best so far, one part after the other is decided anew
 * while the rest stays (a large-neighbourhood search), chosen by nodes and, in a thorough search, also by who moves.
 */
export function searchRepair(model: RepairModel, options: RepairSearchOptions): RepairFound {
  const search = new RepairSearch(model, options);
  return search.run();
}

class RepairSearch {
  private readonly random = new SeededRandom(SEED);
  private steps = 0;
  private best: Assignment | undefined;
  private bestCost: Cost;
  private isBetter = false;

  constructor(
    private readonly model: RepairModel,
    private readonly options: RepairSearchOptions,
  ) {
    this.best = options.planned.assignment;
    this.bestCost = options.planned.cost;
  }

  run(): RepairFound {
    const { steps: budget, isThorough } = this.options;
    let isProven = this.searchWhole(FIRST_SHARE);
    if (!isProven) {
      this.anneal();
      // The same again below a better limit.
      isProven = this.searchWhole(SECOND_SHARE);
    }
    const byNodes = (assignment: Assignment) => this.allButAPart(assignment);
    const byEither = (assignment: Assignment) => (this.random.below(2) === 0 ? this.allButMovers(assignment) : byNodes(assignment));
    if (!isProven) this.searchParts(budget, byNodes);
    if (!isProven && isThorough) {
      this.searchParts(this.steps + MORE_BY_NODES * budget, byNodes);
      this.searchParts(this.steps + MORE_BY_EITHER * budget, byEither);
    }
    const { best, bestCost, steps } = this;
    return this.isBetter ? { assignment: best, cost: bestCost, isProven, steps } : { isProven, steps };
  }

  private searchWhole(share: number): boolean {
    const { mostDisplaced, steps } = this.options;
    const limits = [...DISPLACED.filter((limit) => limit < mostDisplaced), mostDisplaced];
    for (const [index, limit] of limits.entries()) {
      const isLast = index === limits.length - 1;
      const fixed = limit === 0 ? this.allButTroubled() : undefined;
      if (this.try(limit, Math.ceil((steps * share) / limits.length), fixed) && isLast) return true;
    }
    return false;
  }

  /** From the best so far, and each time from what the one before found. */
  private anneal(): void {
    const { steps, mostDisplaced, isThorough, accepts } = this.options;
    const rounds = isThorough ? THOROUGH_ROUNDS : ROUNDS;
    const shares = COOLINGS.reduce((sum, { share }) => sum + share, 0);
    const coolings = Array.from({ length: rounds }, () => COOLINGS).flat();
    for (const { share, ...cooling } of coolings) {
      if (this.best === undefined) return;
      const tries = Math.floor((steps * TRIES_PER_STEP * share) / shares);
      const found = anneal(this.model, { ...cooling, tries, mostDisplaced, start: this.best, random: this.random });
      if (found === undefined || compareCosts(found.cost, this.bestCost) >= 0) continue;
      // There is a rule that the model does not know: annealing would go on breaking it.
      if (!accepts(found.assignment)) return;
      this.best = found.assignment;
      this.bestCost = found.cost;
      this.isBetter = true;
    }
  }

  /** @param end steps in all after which it ends */
  private searchParts(end: number, allButSome: (assignment: Assignment) => Assignment): void {
    while (this.best !== undefined && this.steps < end) {
      const fixed = allButSome(this.best);
      const steps = STEPS_PER_PART << this.random.below(4);
      this.try(this.options.mostDisplaced, Math.min(steps, end - this.steps), fixed);
      // A part without anything to decide counts too, or this would never end.
      this.steps += 1;
    }
  }

  /** Searches below the best so far and returns whether everything was looked at. */
  private try(mostDisplaced: number, steps: number, fixed?: Assignment): boolean {
    const { accepts } = this.options;
    const found = searchTree(this.model, { steps, mostDisplaced, below: this.bestCost, fixed, accepts });
    this.steps += found.steps;
    if (found.assignment !== undefined && found.cost !== undefined && compareCosts(found.cost, this.bestCost) < 0) {
      this.best = found.assignment;
      this.bestCost = found.cost;
      this.isBetter = true;
    }
    return found.isProven;
  }

  private allButTroubled(): Assignment {
    return this.model.items.map(({ isTroubled }) => (isTroubled ? FLOATING : 0));
  }

  /** Frees who is on (or comes from) some nodes, one of them that of a guest that costs something. */
  private allButAPart(assignment: Assignment): Assignment {
    const { items, nodes } = this.model;
    const { random } = this;
    const placeOf = (item: number) => items[item]!.options[assignment[item]!]?.node ?? items[item]!.home;
    const seed = this.pickCostly(assignment);
    const chosen = new Set<number>();
    if (seed !== undefined) chosen.add(placeOf(seed)).add(items[seed]!.home);
    const places = seed === undefined ? nodes.map((_, node) => node) : items[seed]!.options.map(({ node }) => node);
    for (let more = 1 + random.below(3); more > 0 && places.length > 0; more--) {
      // Options are cheapest first: half of the time one of those.
      const end = random.below(2) === 0 ? places.length : Math.min(places.length, 3);
      chosen.add(places[random.below(end)]!);
    }
    return assignment.map((option, item) => {
      const isInPart = item === seed || chosen.has(placeOf(item)) || (items[item]!.home >= 0 && chosen.has(items[item]!.home));
      return isInPart ? FLOATING : option;
    });
  }

  /** Frees some of those who move or have no place, wherever they are, and who is on (or comes from) one node or on another. */
  private allButMovers(assignment: Assignment): Assignment {
    const { items, nodes } = this.model;
    const { random } = this;
    const movers = items.flatMap(({ options }, item) => (options[assignment[item]!]?.stays ? [] : [item]));
    const chosen = new Set<number>();
    for (let more = LEAST_MOVERS + random.below(MORE_MOVERS); more > 0 && movers.length > 0; more--) {
      chosen.add(movers[random.below(movers.length)]!);
    }
    const node = random.below(nodes.length);
    const other = random.below(2) === 0 ? node : random.below(nodes.length);
    return assignment.map((option, item) => {
      const { options, home } = items[item]!;
      const place = options[option]?.node ?? home;
      return chosen.has(item) || place === node || place === other || home === node ? FLOATING : option;
    });
  }

  /** A guest without a place or whose move carries bytes between clusters; now and then any that moves. */
  private pickCostly(assignment: Assignment): number | undefined {
    const { items } = this.model;
    const moved = items.flatMap(({ options }, item) => {
      const option = options[assignment[item]!];
      return option?.stays ? [] : [{ item, isDear: option === undefined || option.cost[1] > 0 }];
    });
    const dear = moved.filter(({ isDear }) => isDear);
    const among = dear.length > 0 && this.random.below(4) > 0 ? dear : moved;
    return among[this.random.below(Math.max(1, among.length))]?.item;
  }
}
