import type { MoveKind } from "../move-kind";
import type { Picks } from "../picks";
import type { ReassignmentState } from "../state";

/** Machines tried for one process: what it saves by leaving is worked out once for all of them. */
const TARGETS = 4;

/** One process to another machine. */
export class Shift implements MoveKind {
  constructor(
    private readonly state: ReassignmentState,
    private readonly picks: Picks,
  ) {}

  attempt(limit: number): number {
    const { state, picks } = this;
    const process = picks.process();
    const departure = state.departureDelta(process);
    for (let tried = 0; tried < TARGETS; tried++) {
      const to = picks.target(process);
      const delta = state.shiftDelta(process, to, limit, departure);
      if (delta <= limit) {
        state.move(process, to);
        return delta;
      }
    }
    return 0;
  }
}
