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

export function anneal(
  problem: ReassignmentProblem,
  options: SearchOptions & { hot?: number; cold?: number; eject?: number; depth?: number },
): SearchResult {
  const state = new ReassignmentState(problem, problem.initial);
  const random = new SeededRandom(options.seed);
  const best = Int32Array.from(state.assignment);
  let cost = state.cost;
  let bestCost = cost;
  let steps = 0;
  const stats = { shift: 0, swap: 0, eject: 0, ejectOk: 0, ejectImp: 0 };
  const { processes, machines } = problem;
  const hot = options.hot ?? 1e5;
  const cold = options.cold ?? 10;
  const ejectShare = options.eject ?? 0.02;
  let temperature = hot;

  const pickBusy = (): number => {
    let machine = random.below(machines);
    for (let k = 0; k < 2; k++) {
      const other = random.below(machines);
      if (state.machineCost[other]! > state.machineCost[machine]!) machine = other;
    }
    return machine;
  };
  const journalProcess: number[] = [];
  const journalFrom: number[] = [];
  const eject = (process: number, to: number, limit: number): number => {
    if (!state.mayMove(process, to)) return FORBIDDEN;
    journalProcess.length = 0;
    journalFrom.length = 0;
    const from = state.assignment[process]!;
    const bound = state.machineCost[from]!;
    let total = state.lift(process);
    const depth = options.depth ?? 8;
    for (let level = 0; ; level++) {
      const drop = state.dropDelta(process, to);
      if (total + drop <= limit && state.mayMove(process, to)) {
        state.putBack(process);
        state.move(process, to);
        return total + drop;
      }
      if (level === depth || total > limit + bound) break;
      const resource = state.tightestResource(to, process);
      const host = state.hosted[to]!;
      if (host.length === 0) break;
      let victim = host[random.below(host.length)]!;
      for (let k = 0; k < 2; k++) {
        const other = host[random.below(host.length)]!;
        if (state.requirementOf(other, resource) > state.requirementOf(victim, resource)) victim = other;
      }
      let bestTarget = -1;
      let bestDelta = FORBIDDEN;
      for (let k = 0; k < 12; k++) {
        const target = k === 0 ? from : random.below(machines);
        const delta = state.shiftDelta(victim, target, bestDelta);
        if (delta < bestDelta) {
          bestDelta = delta;
          bestTarget = target;
        }
      }
      if (bestTarget < 0) continue;
      journalProcess.push(victim);
      journalFrom.push(to);
      state.move(victim, bestTarget);
      total += bestDelta;
    }
    for (let index = journalProcess.length - 1; index >= 0; index--) state.move(journalProcess[index]!, journalFrom[index]!);
    state.putBack(process);
    return FORBIDDEN;
  };

  for (;;) {
    if (steps % STEPS_PER_LOOK === 0) {
      const used = options.progress(steps);
      if (used >= 1) break;
      temperature = hot * (cold / hot) ** used;
    }
    steps += 1;
    const limit = -temperature * Math.log(random.fraction());
    if (random.fraction() < ejectShare) {
      const machine = pickBusy();
      const host = state.hosted[machine]!;
      if (host.length === 0) continue;
      const process = host[random.below(host.length)]!;
      stats.eject++;
      const delta = eject(process, random.below(machines), limit);
      if (delta !== FORBIDDEN) {
        stats.ejectOk++;
        if (delta < 0) stats.ejectImp++;
        cost += delta;
      }
    } else {
      let process: number;
      if ((random.bits() & 3) < 2) process = random.below(processes);
      else {
        const host = state.hosted[pickBusy()]!;
        if (host.length === 0) continue;
        process = host[random.below(host.length)]!;
      }
      if ((random.bits() & 1) === 0) {
        const to = random.below(machines);
        const delta = state.shiftDelta(process, to, limit);
        if (delta <= limit) {
          stats.shift++;
          state.move(process, to);
          cost += delta;
        }
      } else {
        const second = random.below(processes);
        const delta = state.swapDelta(process, second, limit);
        if (delta <= limit && delta !== FORBIDDEN) {
          stats.swap++;
          const here = state.assignment[process]!;
          const there = state.assignment[second]!;
          state.move(process, there);
          state.move(second, here);
          cost += delta;
        }
      }
    }
    if (cost < bestCost) {
      bestCost = cost;
      best.set(state.assignment);
    }
  }
  console.log(JSON.stringify(stats));
  return { assignment: best, cost: bestCost, steps };
}
