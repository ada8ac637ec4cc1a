import type { MoveKind } from "../move-kind";
import type { Picks } from "../picks";
import { FORBIDDEN, type ReassignmentProblem } from "../problem";
import type { ReassignmentState } from "../state";

/** Evictions tried before an insertion is given up. */
const DEPTH = 6;
/** Targets tried for each evicted process. */
const TARGETS = 12;
/** Processes compared when one is chosen to be evicted. */
const VICTIMS = 3;

/**
 * Moves a process to a machine where it does not fit as things are: others are evicted from there one by one, to the best
 * of some machines (the one being left among them), until it fits. This is how large processes get anywhere: no sequence of
 * single moves that each pay off clears a machine for them.
 */
export class Eject implements MoveKind {
  private readonly evicted: number[] = [];
  private target = -1;

  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly state: ReassignmentState,
    private readonly picks: Picks,
  ) {}

  attempt(limit: number): number {
    const { picks, state } = this;
    const { random } = picks;
    let process = picks.costlyProcess();
    const other = picks.on(state.assignment[process]!);
    if (state.departureDelta(other) < state.departureDelta(process)) process = other;
    const home = this.problem.initial[process]!;
    const from = state.assignment[process]!;
    const to = (random.bits() & 7) === 0 && home !== from ? home : picks.target(process);
    if (to === from) return 0;
    return this.ejectInto(process, to, limit);
  }

  private ejectInto(process: number, to: number, limit: number): number {
    const { state, evicted } = this;
    const from = state.assignment[process]!;
    // Two of one service never share a machine: the one that is there changes places with the one that comes.
    const sibling = state.findSibling(process, to);
    evicted.length = 0;
    let total = state.lift(process) + (sibling === undefined ? 0 : state.lift(sibling));
    for (let level = 0; ; level++) {
      const drop = sibling === undefined ? state.dropDelta(process, to) : state.dropSwappedDelta(process, sibling);
      if (total + drop <= limit && (sibling !== undefined || state.mayRelocate(process, to))) {
        this.putBack(process, sibling);
        state.move(process, to);
        if (sibling !== undefined) state.move(sibling, from);
        return total + drop;
      }
      if (level === DEPTH || total > limit) break;
      const victim = this.chooseVictim(process, to);
      if (victim < 0 || victim === sibling) break;
      const delta = this.findTarget(victim, from);
      if (delta === FORBIDDEN) continue;
      evicted.push(victim);
      state.move(victim, this.target);
      total += delta;
    }
    for (let index = evicted.length - 1; index >= 0; index--) state.move(evicted[index]!, to);
    this.putBack(process, sibling);
    return 0;
  }

  private putBack(process: number, sibling: number | undefined): void {
    this.state.putBack(process);
    if (sibling !== undefined) this.state.putBack(sibling);
  }

  private chooseVictim(process: number, machine: number): number {
    const { state, picks } = this;
    const place = state.machines.tightestPlace(machine, process);
    let victim = picks.on(machine);
    if (victim < 0) return victim;
    for (let tried = 1; tried < VICTIMS; tried++) {
      const other = picks.on(machine);
      if (state.machines.freedBy(other, machine, place) > state.machines.freedBy(victim, machine, place)) victim = other;
    }
    return victim;
  }

  private findTarget(victim: number, first: number): number {
    const departure = this.state.departureDelta(victim);
    let delta = FORBIDDEN;
    for (let tried = 0; tried < TARGETS; tried++) {
      const candidate = tried === 0 ? first : this.picks.target(victim);
      const value = this.state.shiftDelta(victim, candidate, delta, departure);
      if (value < delta) {
        delta = value;
        this.target = candidate;
      }
    }
    return delta;
  }
}
