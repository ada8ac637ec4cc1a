/** A seeded generator (xorshift32): the same seed gives the same search everywhere. */
export class SeededRandom {
  private state: number;

  constructor(seed: number) {
    // Zero is the one state the generator never leaves.
    this.state = (seed | 0) === 0 ? 0x9e3779b9 | 0 : seed | 0;
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    let next = this.state;
    next ^= next << 13;
    next ^= next >>> 17;
    next ^= next << 5;
    this.state = next;
    return next >>> 0;
  }

  /** A whole number from 0 to below the given one. */
  below(end: number): number {
    return Math.floor((this.bits() / 4294967296) * end);
  }

  /** Above 0, at most 1. */
  fraction(): number {
    return (this.bits() + 1) / 4294967296;
  }
}
