import type { SeededRandom } from "../reassignment/random";
import { addCosts, type Cost, compareCosts, FREE, UNPLACED } from "./cost";
import { placeEnergies } from "./energy";
import { type Assignment, NOWHERE, type RepairModel } from "./model";
import { Trial } from "./trial";

/** One cooling from hot to cold. Temperatures are in the unit of the energies: a middle move is about 1. */
export interface Cooling {
  hottest: number;
  coldest: number;
  /** What it costs to have no place, in dearest moves: the more, the more is done to find all a place. */
  nowhere: number;
}

export interface AnnealOptions extends Cooling {
  /** Changes that are tried. */
  tries: number;
  /** Guests that may be moved only to make room for others. */
  mostDisplaced: number;
  start: Assignment;
  random: SeededRandom;
}

export interface Annealed {
  assignment: Assignment;
  cost: Cost;
}

/** Guests that one change moves at most. */
const LONGEST_CHAIN = 6;
/** Places that are tried for one who is sent away. */
const PLACES_TRIED = 4;
const TRIES_PER_TEMPERATURE = 256;
/** Energy and cost weigh differently: only a layout whose energy is at most so much above the lowest is asked for its cost. */
const NEAR_LOWEST = 0.5;
const NOBODY = -2;

/**
 * The cheapest layout that simulated annealing comes by: a guest goes somewhere, and where it does not fit others leave, until
 * all fit or the chain is too long. Every layout on the way obeys what the model knows. It finds much and proves nothing.
 *
 * Returns `undefined` when the start does not obey the model.
 */
export function anneal(model: RepairModel, options: AnnealOptions): Annealed | undefined {
  const trial = new Trial(model, options.start);
  return trial.isValid() && trial.displaced <= options.mostDisplaced ? new Annealing(model, trial, options).run() : undefined;
}

class Annealing {
  private readonly energies: Float64Array;
  private readonly isMovable: readonly boolean[];
  private readonly movable: readonly number[];
  private readonly troubled: readonly number[];

  constructor(
    private readonly model: RepairModel,
    private readonly trial: Trial,
    private readonly options: AnnealOptions,
  ) {
    this.energies = placeEnergies(model, options.nowhere);
    // Who has to be with others, and those others, stay where the start has them.
    const bound = new Set(model.company.flatMap(({ item, carriers }) => [item, ...carriers]));
    const mayMove = options.mostDisplaced > 0;
    this.isMovable = model.items.map(({ isTroubled }, item) => (mayMove || isTroubled) && !bound.has(item) && this.placeCount(item) > 1);
    this.movable = [...model.items.keys()].filter((item) => this.isMovable[item]);
    this.troubled = this.movable.filter((item) => model.items[item]!.isTroubled);
  }

  run(): Annealed {
    const { trial, energies } = this;
    const { tries, hottest, coldest } = this.options;
    let best: Annealed = { assignment: trial.assignment(), cost: this.costNow() };
    if (this.movable.length === 0) return best;
    let temperature = hottest;
    let energy = 0;
    let lowest = 0;
    for (let tried = 0; tried < tries; tried++) {
      if (tried % TRIES_PER_TEMPERATURE === 0) temperature = hottest * (coldest / hottest) ** (tried / tries);
      if (!this.tryChange(temperature)) continue;
      energy += trial.added(energies);
      trial.keep();
      if (energy > lowest + NEAR_LOWEST) continue;
      lowest = Math.min(lowest, energy);
      const cost = this.costNow();
      if (compareCosts(cost, best.cost) < 0) best = { assignment: trial.assignment(), cost };
    }
    return best;
  }

  /** False when it came to nothing, and everything is as it was. */
  private tryChange(temperature: number): boolean {
    const { trial } = this;
    const { random } = this.options;
    const item = this.pickItem();
    trial.move(item, this.pickPlace(item));
    if (this.makeFit()) {
      const added = trial.added(this.energies);
      if (added <= 0 || random.fraction() < Math.exp(-added / temperature)) return true;
    }
    trial.undoAll();
    return false;
  }

  private pickItem(): number {
    const { random } = this.options;
    const among = this.troubled.length > 0 && random.below(2) === 0 ? this.troubled : this.movable;
    return among[random.below(among.length)]!;
  }

  /** Any place but the one it has. */
  private pickPlace(item: number): number {
    const { placeStart, place } = this.trial;
    const picked = placeStart[item]! + this.options.random.below(this.placeCount(item) - 1);
    return picked < place[item]! ? picked : picked + 1;
  }

  /** Sends others away until everybody who moved fits. */
  private makeFit(): boolean {
    const { trial } = this;
    for (;;) {
      const victim = this.findVictim();
      if (victim === undefined) return true;
      if (victim === NOBODY || trial.moved.length >= LONGEST_CHAIN) return false;
      this.sendAway(victim);
    }
  }

  /** Somebody who has to leave for the last changes to hold, or NOBODY if nobody can; `undefined` when they hold. */
  private findVictim(): number | undefined {
    const { trial } = this;
    for (let index = trial.moved.length - 1; index >= 0; index--) {
      const item = trial.moved[index]!;
      const enemy = trial.enemyOf(item);
      if (enemy >= 0) return this.maySend(enemy) ? enemy : NOBODY;
      if (trial.isOverfull(item)) return this.pickFrom(trial.onNode[trial.nodeOf[trial.place[item]!]!] ?? [], () => true);
    }
    if (trial.displaced <= this.options.mostDisplaced) return undefined;
    return this.pickFrom(this.movable, (item) => trial.isDisplaced(item));
  }

  /** The first from a random one on. */
  private pickFrom(items: readonly number[], isWanted: (item: number) => boolean): number {
    const first = this.options.random.below(Math.max(1, items.length));
    for (let index = 0; index < items.length; index++) {
      const item = items[(first + index) % items.length]!;
      if (this.maySend(item) && isWanted(item)) return item;
    }
    return NOBODY;
  }

  /** No guest moves twice in one change. */
  private maySend(item: number): boolean {
    return this.isMovable[item]! && !this.trial.moved.includes(item);
  }

  /** Home, now and then and where it has to; else to the first of a few places where it fits. */
  private sendAway(item: number): void {
    const { trial } = this;
    const { random, mostDisplaced } = this.options;
    const home = trial.homeOf(item);
    const hasToGoHome = trial.displaced > mostDisplaced && trial.isDisplaced(item);
    if (home >= 0 && home !== trial.place[item] && (hasToGoHome || random.below(3) === 0)) {
      trial.move(item, home);
      return;
    }
    const node = trial.nodeOf[trial.place[item]!]!;
    for (let left = PLACES_TRIED; left > 0; left--) {
      trial.move(item, this.pickPlace(item));
      const fits = trial.nodeOf[trial.place[item]!] !== node && !trial.isOverfull(item) && trial.enemyOf(item) < 0;
      if (fits || left === 1) return;
      trial.undo();
    }
  }

  private placeCount(item: number): number {
    return this.trial.placeStart[item + 1]! - this.trial.placeStart[item]!;
  }

  private costNow(): Cost {
    return this.model.items.reduce<Cost>((cost, { options }, item) => {
      const option = this.trial.optionOf(item);
      return addCosts(cost, option === NOWHERE ? UNPLACED : options[option]!.cost);
    }, FREE);
  }
}
