import type { MoveKind } from "../move-kind";
import type { Picks } from "../picks";
import type { ReassignmentProblem } from "../problem";
import type { ReassignmentState } from "../state";

/** Processes tried in exchange where there is no room at home. */
const PARTNERS = 3;

/** A process that is away goes home, where it costs nothing to be and what it left behind is not counted twice. */
export class ReturnHome implements MoveKind {
  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly state: ReassignmentState,
    private readonly picks: Picks,
  ) {}

  attempt(limit: number): number {
    const { state, picks } = this;
    const process = picks.away();
    if (process < 0) return 0;
    const home = this.problem.initial[process]!;
    const delta = state.shiftDelta(process, home, limit);
    if (delta <= limit) {
      state.move(process, home);
      return delta;
    }
    for (let tried = 0; tried < PARTNERS; tried++) {
      const partner = picks.on(home);
      if (partner < 0) return 0;
      const swapDelta = state.swapDelta(process, partner, limit);
      if (swapDelta <= limit) {
        state.swap(process, partner);
        return swapDelta;
      }
    }
    return 0;
  }
}
