import type { ReassignmentProblem } from "./problem";
import { SeededRandom } from "./random";
import { FORBIDDEN, ReassignmentState } from "./state";

export interface SearchOptions {
  seed: number;
  /**
   * How much of the budget is used, 0 to 1; the search ends at 1. Iterations count in `steps`: a budget of steps gives the
   * same result everywhere, one of seconds (a clock read by the caller) does not.
   */
  progress(steps: number): number;
}

export interface SearchResult {
  assignment: Int32Array;
  cost: number;
  steps: number;
}

const STEPS_PER_LOOK = 2048;

export function anneal(problem: ReassignmentProblem, options: SearchOptions & { hot?: number; cold?: number; soft?: number; stay?: number }): SearchResult {
  const state = new ReassignmentState(problem, problem.initial);
  const random = new SeededRandom(options.seed);
  let best = Int32Array.from(state.assignment);
  let cost = state.cost;
  let bestCost = cost;
  let steps = 0; const stats = {tried:0,shift:0,swap:0};
  const { processes, machines } = problem;
  const hot = options.hot ?? 1e5;
  const cold = options.cold ?? 10;
  let temperature = hot;
  for (;;) {
    if (steps % STEPS_PER_LOOK === 0) {
      const used = options.progress(steps);
      if (used >= 1) break;
      temperature = hot * (cold / hot) ** used;
      const stay = options.stay ?? 0;
      if (stay > 0) { state.stayWeight = stay * (1 - used) ; cost = state.cost; }
      const soft = options.soft ?? 0;
      if (soft > 0 && steps % (STEPS_PER_LOOK * 32) === 0) {
        state.setExcessWeight(used > 0.95 && state.overfullMachines === 0 ? FORBIDDEN : soft * (1 + used * 20));
        cost = state.cost;
      }
    }
    steps += 1;
    stats.tried++;
    const limit = -temperature * Math.log(random.fraction());
    let process: number;
    if ((random.bits() & 3) < 2) process = random.below(processes);
    else {
      let machine = random.below(machines);
      const other = random.below(machines);
      if (state.machineCost[other]! > state.machineCost[machine]!) machine = other;
      const host = state.hosted[machine]!;
      if (host.length === 0) continue;
      process = host[random.below(host.length)]!;
    }
    if ((random.bits() & 1) === 0) {
      const to = random.below(machines);
      const delta = state.shiftDelta(process, to, limit);
      if (delta <= limit) {
        stats.shift++;
        const before = state.movedMass;
        state.move(process, to);
        cost += delta - state.stayWeight * (state.movedMass - before);
      }
    } else {
      const second = random.below(processes);
      const delta = state.swapDelta(process, second, limit);
      if (delta <= limit && delta !== FORBIDDEN) {
        stats.swap++;
        const before = state.movedMass;
        const here = state.assignment[process]!;
        const there = state.assignment[second]!;
        state.move(process, there);
        state.move(second, here);
        cost += delta - state.stayWeight * (state.movedMass - before);
      }
    }
    if (cost < bestCost && state.overfullMachines === 0) {
      bestCost = cost;
      best.set(state.assignment);
    }
  }
  console.log(JSON.stringify(stats));
  return { assignment: best, cost: bestCost, steps };
}
