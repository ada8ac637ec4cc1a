import type { Candidates } from "./candidates";
import type { SeededRandom } from "./random";
import { FORBIDDEN, type ReassignmentState } from "./state";

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
 *
 * Returns what it adds to the cost, or {@link FORBIDDEN} after undoing everything when it cannot be done within `limit`.
 */
export function ejectInto(
  state: ReassignmentState,
  candidates: Candidates,
  process: number,
  to: number,
  limit: number,
  random: SeededRandom,
): number {
  const from = state.assignment[process]!;
  if (from === to) return FORBIDDEN;
  // Two of one service never share a machine: the one that is there changes places with the one that comes.
  const sibling = state.findSibling(process, to);
  const evicted: number[] = [];
  let total = state.lift(process) + (sibling === undefined ? 0 : state.lift(sibling));
  for (let level = 0; ; level++) {
    const drop = sibling === undefined ? state.dropDelta(process, to) : state.exchangeSiblingsDelta(process, sibling);
    if (total + drop <= limit && (sibling !== undefined || state.mayMove(process, to))) {
      putBack(state, process, sibling);
      state.move(process, to);
      if (sibling !== undefined) state.move(sibling, from);
      return total + drop;
    }
    if (level === DEPTH || total > limit) break;
    const victim = chooseVictim(state, process, to, random);
    if (victim === undefined || victim === sibling) break;
    const target = bestTarget(state, candidates, victim, from, random);
    if (target.machine < 0) continue;
    evicted.push(victim);
    state.move(victim, target.machine);
    total += target.delta;
  }
  for (let index = evicted.length - 1; index >= 0; index--) state.move(evicted[index]!, to);
  putBack(state, process, sibling);
  return FORBIDDEN;
}

function putBack(state: ReassignmentState, process: number, sibling: number | undefined): void {
  state.putBack(process);
  if (sibling !== undefined) state.putBack(sibling);
}

function chooseVictim(state: ReassignmentState, process: number, machine: number, random: SeededRandom): number | undefined {
  const host = state.hosted[machine]!;
  if (host.length === 0) return undefined;
  const resource = state.tightestResource(machine, process);
  let victim = host[random.below(host.length)]!;
  for (let tried = 1; tried < VICTIMS; tried++) {
    const other = host[random.below(host.length)]!;
    if (state.freedBy(other, resource) > state.freedBy(victim, resource)) victim = other;
  }
  return victim;
}

function bestTarget(
  state: ReassignmentState,
  candidates: Candidates,
  victim: number,
  first: number,
  random: SeededRandom,
): { machine: number; delta: number } {
  let machine = -1;
  let delta = FORBIDDEN;
  for (let tried = 0; tried < TARGETS; tried++) {
    const candidate = tried === 0 ? first : candidates.pick(victim, random);
    const value = state.shiftDelta(victim, candidate, delta);
    if (value < delta) {
      delta = value;
      machine = candidate;
    }
  }
  return { machine, delta };
}
