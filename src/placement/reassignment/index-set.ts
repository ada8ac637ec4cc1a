/** A set of whole numbers below a bound, from which any can be picked: everything in constant time, no allocation. */
export class IndexSet {
  private readonly items: Int32Array;
  private readonly position: Int32Array;
  private length = 0;

  constructor(bound: number) {
    this.items = new Int32Array(bound);
    this.position = new Int32Array(bound).fill(-1);
  }

  get size(): number {
    return this.length;
  }

  /** The item at a place from 0 to below {@link size}; the places change with the set. */
  at(place: number): number {
    return this.items[place]!;
  }

  add(item: number): void {
    if (this.position[item]! >= 0) return;
    this.position[item] = this.length;
    this.items[this.length++] = item;
  }

  delete(item: number): void {
    const place = this.position[item]!;
    if (place < 0) return;
    const last = this.items[--this.length]!;
    this.items[place] = last;
    this.position[last] = place;
    this.position[item] = -1;
  }
}
