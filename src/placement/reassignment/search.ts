import { Candidates } from "./candidates";
import { ejectInto } from "./eject";
import { moveWithFollowers } from "./follow";
import { checkProblem, type ReassignmentProblem } from "./problem";
import { SeededRandom } from "./random";
import { FORBIDDEN, ReassignmentState } from "./state";

export interface SearchOptions {
  seed: number;
  /**
   * How much of the budget is used, 0 to 1; the search ends at 1. A budget of steps gives the same result everywhere, one
   * of seconds (a clock that the caller reads) does not.
   */
  progress(steps: number): number;
}

export interface SearchResult {
  assignment: Int32Array;
  cost: number;
  steps: number;
}

/** Steps between two looks at the budget. */
const STEPS_PER_LOOK = 1024;
/**
 * Share of steps that try an ejection, each of which takes as long as dozens of others. Few large processes need many;
 * with many processes most of what can be won is won by single moves, and time is short.
 */
const EJECTIONS = { most: 0.4, least: 0.02, fewProcesses: 1000 };
/** Share of steps that move what dependencies tie together, where there are any. */
const GROUP_MOVES = 0.1;
/** The coldest temperature, as a share of the best cost so far. */
const COLD = 3e-6;
/** Below this, costs of whole units are all or nothing. */
const COLDEST = 0.2;

/**
 * Improves an assignment by simulated annealing over three moves: one process elsewhere, two that swap, one that makes room
 * for itself by ejecting others. Every assignment on the way obeys all hard rules; the best one is returned.
 */
export function search(problem: ReassignmentProblem, options: SearchOptions): SearchResult {
  checkProblem(problem);
  return new Annealing(problem, options.seed).run(options.progress);
}

class Annealing {
  private readonly state: ReassignmentState;
  private readonly random: SeededRandom;
  private readonly best: Int32Array;
  private cost: number;
  private bestCost: number;
  private readonly hot: number;
  private readonly candidates: Candidates;
  private readonly groupMoves: number;
  private readonly ejections: number;

  constructor(
    private readonly problem: ReassignmentProblem,
    seed: number,
  ) {
    this.state = new ReassignmentState(problem, problem.initial);
    this.candidates = new Candidates(problem);
    this.groupMoves = problem.dependencies.some((needed) => needed.length > 0) ? GROUP_MOVES : 0;
    this.random = new SeededRandom(seed);
    this.best = Int32Array.from(problem.initial);
    this.cost = this.state.cost;
    this.bestCost = this.cost;
    const processes = Math.max(1, problem.processes);
    const fewness = Math.min(1, EJECTIONS.fewProcesses / processes);
    this.ejections = Math.max(EJECTIONS.least, EJECTIONS.most * fewness ** 0.8);
    // Hot enough that processes of well above average cost move freely; with many of them there is no time to cool from there.
    this.hot = Math.max(1, ((20 * this.cost) / processes) * fewness ** 1.5);
  }

  run(progress: SearchOptions["progress"]): SearchResult {
    let steps = 0;
    let temperature = this.hot;
    if (this.problem.processes === 0 || this.problem.machines < 2) return { assignment: this.best, cost: this.bestCost, steps };
    for (;;) {
      if (steps % STEPS_PER_LOOK === 0) {
        const used = progress(steps);
        if (used >= 1) break;
        const cold = Math.min(this.hot, Math.max(COLDEST, COLD * this.bestCost));
        temperature = this.hot * (cold / this.hot) ** used;
      }
      steps += 1;
      this.step(-temperature * Math.log(this.random.fraction()));
      if (this.cost < this.bestCost) {
        this.bestCost = this.cost;
        this.state.copyChanges(this.best);
      }
    }
    return { assignment: this.best, cost: this.bestCost, steps };
  }

  /** One try, accepted when it adds no more than `limit`. */
  private step(limit: number): void {
    const { random } = this;
    const choice = random.fraction();
    if (choice < this.ejections) this.tryEjection(limit);
    else if (choice < this.ejections + this.groupMoves) this.tryGroupMove(limit);
    else if ((random.bits() & 1) === 0) this.tryShift(this.pickProcess(), limit);
    else this.trySwap(limit);
  }

  private tryShift(process: number, limit: number): void {
    const to = this.pickTarget(process);
    const delta = this.state.shiftDelta(process, to, limit);
    if (!(delta <= limit)) return;
    this.state.move(process, to);
    this.cost += delta;
  }

  private trySwap(limit: number): void {
    const { state } = this;
    const first = this.pickProcess();
    const second = this.pickPartner(first);
    const delta = state.swapDelta(first, second, limit);
    if (!(delta <= limit)) return;
    const here = state.assignment[first]!;
    const there = state.assignment[second]!;
    state.move(first, there);
    state.move(second, here);
    this.cost += delta;
  }

  private tryGroupMove(limit: number): void {
    const process = this.pickProcess();
    const to = this.candidates.pick(process, this.random);
    if (this.state.regions.isWithNeighbours(process, to)) return;
    const delta = moveWithFollowers(this.state, process, to, limit, this.random);
    if (delta !== FORBIDDEN) this.cost += delta;
  }

  private tryEjection(limit: number): void {
    const { state, random } = this;
    const host = state.hosted[this.pickCostlyMachine()]!;
    if (host.length === 0) return;
    let process = host[random.below(host.length)]!;
    const other = host[random.below(host.length)]!;
    if (state.relief(other) > state.relief(process)) process = other;
    const delta = ejectInto(state, this.candidates, process, this.pickTarget(process), limit, random);
    if (delta !== FORBIDDEN) this.cost += delta;
  }

  /** Now and then home, where a process costs nothing to be and frees what it left behind; else any machine it could be on. */
  private pickTarget(process: number): number {
    const home = this.problem.initial[process]!;
    if ((this.random.bits() & 7) === 0 && home !== this.state.assignment[process]) return home;
    return this.candidates.pick(process, this.random);
  }

  /** To swap with: now and then one that is in the process's home, else any. */
  private pickPartner(process: number): number {
    const { random, problem, state } = this;
    const host = state.hosted[problem.initial[process]!]!;
    if ((random.bits() & 3) === 0 && host.length > 0) return host[random.below(host.length)]!;
    return random.below(problem.processes);
  }

  /** Half of the time any process, half of the time one on a machine that costs much. */
  private pickProcess(): number {
    const { random } = this;
    if ((random.bits() & 1) === 0) return random.below(this.problem.processes);
    const host = this.state.hosted[this.pickCostlyMachine()]!;
    return host.length === 0 ? random.below(this.problem.processes) : host[random.below(host.length)]!;
  }

  private pickCostlyMachine(): number {
    const { random, state, problem } = this;
    let machine = random.below(problem.machines);
    for (let tried = 1; tried < 3; tried++) {
      const other = random.below(problem.machines);
      if (state.machineCost[other]! > state.machineCost[machine]!) machine = other;
    }
    return machine;
  }
}
