import type { MoveKind } from "../move-kind";
import type { Picks } from "../picks";
import type { ReassignmentState } from "../state";

/** Partners tried for one process, the first of them of its own service. */
const PARTNERS = 4;

/**
 * Two processes that change places; one of the same service is tried first: spread and dependencies never forbid that, and
 * for services that are nearly everywhere hardly anything else is allowed.
 */
export class Swap implements MoveKind {
  constructor(
    private readonly state: ReassignmentState,
    private readonly picks: Picks,
  ) {}

  attempt(limit: number): number {
    const { state, picks } = this;
    const first = picks.process();
    for (let tried = 0; tried < PARTNERS; tried++) {
      const second = tried === 0 ? picks.sibling(first) : picks.on(picks.target(first));
      if (second < 0) continue;
      const delta = state.swapDelta(first, second, limit);
      if (delta <= limit) {
        state.swap(first, second);
        return delta;
      }
    }
    return 0;
  }
}
