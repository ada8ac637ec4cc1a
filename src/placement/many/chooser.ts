import type { Shape } from "./shape";

/** Finds the best node for one more guest of a shape. All ways give the same answer for every sequence of placements. */
export interface Chooser {
  /** Index into the kind's nodes; `undefined` when no node fits. */
  choose(): number | undefined;
}

/** Evaluates every node in full for every guest: the reference that the faster ways are held to. */
export class ScanChooser implements Chooser {
  constructor(private readonly shape: Shape) {}

  choose(): number | undefined {
    const { shape } = this;
    let best: number | undefined;
    let bestScore = 0;
    for (let index = 0; index < shape.size; index++) {
      if (!shape.fits(index)) continue;
      const score = shape.score(index);
      if (best === undefined || score > bestScore || (score === bestScore && ranksBefore(shape, index, best))) {
        best = index;
        bestScore = score;
      }
    }
    return best;
  }
}

/** Between equal scores: the higher tie weight, then the lower index (nodes are in key order). */
function ranksBefore(shape: Shape, left: number, right: number): boolean {
  const difference = shape.tie(left) - shape.tie(right);
  return difference === 0 ? left < right : difference > 0;
}

/**
 * A heap of all nodes by score, for shapes whose scores and fit only ever get worse while guests are placed. A stored
 * score is then an upper bound: the top is re-evaluated until it is current, which costs O(log nodes) per guest instead
 * of a look at every node. A node that does not fit any more never will again and is dropped.
 */
export class HeapChooser implements Chooser {
  private readonly heap: Int32Array;
  private readonly scores: Int32Array;
  private readonly ties: Uint32Array;
  private length: number;

  constructor(private readonly shape: Shape) {
    this.length = shape.size;
    this.heap = Int32Array.from({ length: this.length }, (_, index) => index);
    this.scores = Int32Array.from({ length: this.length }, (_, index) => shape.score(index));
    this.ties = Uint32Array.from({ length: this.length }, (_, index) => shape.tie(index));
    for (let position = (this.length >> 1) - 1; position >= 0; position--) this.siftDown(position);
  }

  choose(): number | undefined {
    while (this.length > 0) {
      const top = this.heap[0]!;
      if (!this.shape.fits(top)) {
        this.length -= 1;
        this.heap[0] = this.heap[this.length]!;
        this.siftDown(0);
        continue;
      }
      const score = this.shape.score(top);
      if (score === this.scores[top]) return top;
      this.scores[top] = score;
      this.siftDown(0);
    }
    return undefined;
  }

  private siftDown(start: number): void {
    const { heap } = this;
    let position = start;
    const moving = heap[position]!;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= this.length) break;
      if (child + 1 < this.length && this.isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!this.isBefore(heap[child]!, moving)) break;
      heap[position] = heap[child]!;
      position = child;
    }
    heap[position] = moving;
  }

  private isBefore(left: number, right: number): boolean {
    const byScore = this.scores[left]! - this.scores[right]!;
    if (byScore !== 0) return byScore > 0;
    const byTie = this.ties[left]! - this.ties[right]!;
    return byTie === 0 ? left < right : byTie > 0;
  }
}
