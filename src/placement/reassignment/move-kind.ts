/** A kind of change that the search makes. */
export interface MoveKind {
  /**
   * One try at random. Either makes a change that obeys all hard rules and adds at most `limit` to the cost, and returns
   * what it added (negative for a gain), or leaves everything as it was and returns 0.
   */
  attempt(limit: number): number;
}
