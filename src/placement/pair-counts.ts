/** Marks a slot of {@link PairCounts} that is free. */
const FREE = -1;

/**
 * How often a pair of whole numbers occurs, where few of all possible pairs do: an open hash table in flat arrays, because a
 * hundred thousand guests with tags make that many pairs of tag and node, and a `Map` per tag is most of what placing them costs.
 */
export class PairCounts {
  private firsts = new Int32Array(1024).fill(FREE);
  private seconds = new Int32Array(1024);
  private counts = new Int32Array(1024);
  private used = 0;

  get(first: number, second: number): number {
    const slot = this.slotOf(first, second);
    return this.firsts[slot] === FREE ? 0 : this.counts[slot]!;
  }

  /** A pair that is down to 0 keeps its slot. */
  add(first: number, second: number, change: number): void {
    const slot = this.slotOf(first, second);
    this.counts[slot]! += change;
    if (this.firsts[slot] !== FREE) return;
    this.firsts[slot] = first;
    this.seconds[slot] = second;
    this.used += 1;
    if (this.used * 2 > this.firsts.length) this.grow();
  }

  /** Where the pair is, or the free slot where it belongs. */
  private slotOf(first: number, second: number): number {
    const { firsts, seconds } = this;
    const mask = firsts.length - 1;
    let slot = Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & mask;
    while (firsts[slot] !== FREE && (firsts[slot] !== first || seconds[slot] !== second)) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const { firsts, seconds, counts } = this;
    const size = firsts.length * 4;
    this.firsts = new Int32Array(size).fill(FREE);
    this.seconds = new Int32Array(size);
    this.counts = new Int32Array(size);
    for (let slot = 0; slot < firsts.length; slot++) {
      if (firsts[slot] === FREE) continue;
      const moved = this.slotOf(firsts[slot]!, seconds[slot]!);
      this.firsts[moved] = firsts[slot]!;
      this.seconds[moved] = seconds[slot]!;
      this.counts[moved] = counts[slot]!;
    }
  }
}
