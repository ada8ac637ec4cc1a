import type { MoveKind } from "./move-kind";
import { Eject } from "./moves/eject";
import { Follow } from "./moves/follow";
import { ReturnHome } from "./moves/return-home";
import { Shift } from "./moves/shift";
import { Swap } from "./moves/swap";
import { Picks } from "./picks";
import { checkProblem, type ReassignmentProblem } from "./problem";
import { SeededRandom } from "./random";
import { CoolingSchedule } from "./schedule";
import { ReassignmentState } from "./state";

export interface SearchOptions {
  /** The same seed and budget of steps give the same result everywhere. */
  seed: number;
  /**
   * How much of the budget is used after so many steps, 0 to 1, never falling; the search ends at 1. A budget of steps gives
   * the same result everywhere, one of seconds (a clock that the caller reads) does not.
   */
  progress(steps: number): number;
}

export interface SearchResult {
  /** The machine of each process; obeys all hard rules if the initial assignment does. */
  assignment: Int32Array;
  cost: number;
  steps: number;
}

/** Steps between two looks at the budget: a few milliseconds at most. */
const STEPS_PER_LOOK = 256;
/**
 * The first temperature as a share of what an average process costs where it is too much. The fewer processes there are, the
 * more time there is for each, and the hotter the start may be, so that the largest find their places too.
 */
const HOT_SHARE = { least: 0.4, manyProcesses: 5000 };
/** How often each kind of move is tried, relative to the others. */
const SHARES = { shift: 35, swap: 18, returnHome: 40 };
/**
 * The same for moves that take dependants along, where there are dependencies: more often if neighbourhoods hold few
 * machines, because then most moves leave the neighbourhood.
 */
const FOLLOW_SHARE = { least: 4, most: 40 };
/**
 * The same for ejections, each of which takes as long as dozens of others. A few large processes need many of them; with
 * many processes nearly all is won by simple moves, and time is short.
 */
const EJECT_SHARE = { most: 60, least: 2, fewProcesses: 1000 };

/**
 * Improves the initial assignment by simulated annealing: tries one random change after the other and makes those that add
 * to the cost no more than the temperature allows. Every assignment on the way obeys all hard rules; the best is returned.
 *
 * Throws a RangeError if the problem makes no sense.
 */
export function search(problem: ReassignmentProblem, options: SearchOptions): SearchResult {
  checkProblem(problem);
  const best = Int32Array.from(problem.initial);
  const state = new ReassignmentState(problem, problem.initial);
  let cost = state.cost;
  let bestCost = cost;
  let steps = 0;
  if (problem.processes === 0 || problem.machines < 2) return { assignment: best, cost, steps };

  const random = new SeededRandom(options.seed);
  const wheel = createWheel(problem, state, random);
  const schedule = new CoolingSchedule(hotTemperature(problem));
  let temperature = 0;
  for (;;) {
    if (steps % STEPS_PER_LOOK === 0) {
      const used = options.progress(steps);
      if (used >= 1) return { assignment: best, cost: bestCost, steps };
      temperature = schedule.temperature(used, cost, bestCost);
    }
    steps += 1;
    // Drawn before the change is known, so that most changes that would be refused need not be worked out in full.
    const limit = -temperature * Math.log(random.fraction());
    cost += wheel[random.below(wheel.length)]!.attempt(limit);
    if (cost < bestCost) {
      bestCost = cost;
      state.copyChanges(best);
    }
  }
}

/** A list that holds every kind of move as often as it is to be tried. */
function createWheel(problem: ReassignmentProblem, state: ReassignmentState, random: SeededRandom): readonly MoveKind[] {
  const picks = new Picks(problem, state, random);
  const fewProcesses = Math.min(1, EJECT_SHARE.fewProcesses / problem.processes);
  const ejectShare = EJECT_SHARE.least + EJECT_SHARE.most * fewProcesses ** 0.8;
  const smallNeighbourhoods = new Set(problem.neighbourhood).size / problem.machines;
  const hasDependencies = problem.dependencies.some((needed) => needed.length > 0);
  const followShare = hasDependencies ? FOLLOW_SHARE.least + FOLLOW_SHARE.most * smallNeighbourhoods : 0;
  const shares: [MoveKind, number][] = [
    [new Shift(state, picks), SHARES.shift],
    [new Swap(state, picks), SHARES.swap],
    [new ReturnHome(problem, state, picks), SHARES.returnHome],
    [new Follow(problem, state, picks), followShare],
    [new Eject(problem, state, picks), ejectShare],
  ];
  return shares.flatMap(([kind, share]) => new Array<MoveKind>(Math.round(share)).fill(kind));
}

function hotTemperature({ requirement, loadWeight, resources, processes }: ReassignmentProblem): number {
  const weight = requirement.reduce((sum, amount, index) => sum + amount * loadWeight[index % resources]!, 0);
  const fewness = Math.max(1, HOT_SHARE.manyProcesses / processes);
  return Math.max(1, (HOT_SHARE.least * fewness * weight) / processes);
}
