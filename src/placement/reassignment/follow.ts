import type { SeededRandom } from "./random";
import { FORBIDDEN, type ReassignmentState } from "./state";

/** Processes moved together at most. */
const MOST_FOLLOWERS = 10;
/** Machines of the new neighbourhood tried for each follower, the leader's own first. */
const TARGETS = 4;

interface Step {
  process: number;
  from: number;
}

/**
 * Moves a process to another neighbourhood together with what dependencies tie to it: dependants it would leave behind
 * without it follow, and what it depends on there comes along. On the way dependencies may be broken; at the end none is.
 *
 * Returns what that adds to the cost, or {@link FORBIDDEN} after undoing everything when it cannot be done within `limit`.
 */
export function moveWithFollowers(state: ReassignmentState, leader: number, to: number, limit: number, random: SeededRandom): number {
  const steps: Step[] = [];
  let total = moveTo(state, leader, to, steps);
  for (let done = 0; done < steps.length && total !== FORBIDDEN && steps.length <= MOST_FOLLOWERS; done++) {
    for (const follower of state.regions.brokenTies(steps[done]!.process, steps[done]!.from, random)) {
      if (state.regions.isWithNeighbours(follower, to)) continue;
      total += bringNear(state, follower, to, steps, random);
      if (total === FORBIDDEN || steps.length > MOST_FOLLOWERS) break;
    }
  }
  const isSound =
    total <= limit && steps.length <= MOST_FOLLOWERS && steps.every(({ process, from }) => state.regions.obeys(process, from));
  if (isSound) return total;
  for (let index = steps.length - 1; index >= 0; index--) state.move(steps[index]!.process, steps[index]!.from);
  return FORBIDDEN;
}

function moveTo(state: ReassignmentState, process: number, to: number, steps: Step[]): number {
  const delta = state.looseShiftDelta(process, to);
  if (delta === FORBIDDEN) return FORBIDDEN;
  steps.push({ process, from: state.assignment[process]! });
  state.move(process, to);
  return delta;
}

function bringNear(state: ReassignmentState, process: number, to: number, steps: Step[], random: SeededRandom): number {
  for (let tried = 0; tried < TARGETS; tried++) {
    const target = tried === 0 ? to : state.regions.pickNeighbour(to, random);
    const delta = moveTo(state, process, target, steps);
    if (delta !== FORBIDDEN) return delta;
  }
  return FORBIDDEN;
}
