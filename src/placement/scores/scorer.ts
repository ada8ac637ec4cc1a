import type { Ask } from "../ask";
import type { NodeState } from "../world";

/**
 * One aspect of a node for a request, on a fixed scale: 1000 is best, 0 worst or unknown. Never relative to which other
 * nodes happen to fit, so that a score can be recomputed from the node's own figures.
 */
export interface Scorer {
  term: string;
  measure(ask: Ask, node: NodeState): Measured;
}

export interface Measured {
  value: number;
  /** The raw figures in words, so that a reader can recompute the value. */
  detail: string;
}
