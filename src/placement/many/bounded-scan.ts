import { POINTS_PER_WEIGHT } from "../scores/preferences";
import type { Chooser } from "./chooser";
import { type Block, type NodeFigures, RUN_BITS } from "./node-figures";
import type { Shape } from "./shape";

/** Covers what rounding may take from a bound. */
const MARGIN = 1e-6;

/** How full, in thousandths, cores and memory of a node may be at most. */
interface Limit {
  cpu: number;
  memory: number;
}

/** However full, and not even an empty node. */
const ANY = Number.POSITIVE_INFINITY;
const NONE = Number.NEGATIVE_INFINITY;

/**
 * Looks at the bound of every node, one or two comparisons each, and evaluates in full only those whose bound reaches the
 * best so far: for sizes with too few guests for a ranking, and where guests that leave make room. The same answer as the full scan.
 */
export class BoundedScanChooser implements Chooser {
  /** What is being searched for: set by `choose`. */
  private shape!: Shape;
  private excluded = -1;
  private best = -1;
  private bestScore = Number.NEGATIVE_INFINITY;
  private bestTie = -1;
  private bestPosition = 0;
  /** Where the best was before the best was found. */
  private secondPosition = 0;
  private softMost = 0;
  /** How full a node of the current block may be for the guest to get the best score so far there, and a higher one. */
  private readonly equal: Limit = { cpu: NONE, memory: NONE };
  private readonly higher: Limit = { cpu: NONE, memory: NONE };

  constructor(private readonly figures: NodeFigures) {}

  /** @param excluded a candidate that does not count */
  choose(shape: Shape, excluded = -1): number | undefined {
    const { figures } = this;
    figures.refresh();
    this.shape = shape;
    this.excluded = excluded;
    this.best = -1;
    this.bestScore = Number.NEGATIVE_INFINITY;
    this.bestTie = -1;
    this.softMost = 0;
    for (const { weight } of shape.kind.softGuestRules) this.softMost += weight * POINTS_PER_WEIGHT;
    if (shape.nodeCount === 0) return undefined;
    this.secondPosition = figures.hint;
    this.consider(figures.hint);
    // What asks for nothing fits on an overfull node too, whose figures say nothing about the points.
    if (shape.size.cpu > 0 && shape.size.memoryMiB > 0) for (const block of figures.blocks) this.scan(block);
    else for (let position = 0; position < shape.nodeCount; position++) this.consider(position);
    if (this.best < 0) return undefined;
    // The best node is fuller now than the second best.
    figures.hint = this.secondPosition;
    return this.best;
  }

  /** In falling order of the tie-breaks: of equals only the first needs to be looked at. */
  private scan(block: Block): void {
    const { start, end } = block;
    this.limit(block);
    if (this.nextWithin(this.equal, start, end) >= end) return;
    // From here on the sum of the hashes does not overflow and is higher than before.
    const turn = this.firstBelow(2 ** 32 - (this.shape.kind.hash >>> 0), start, end);
    this.scanFalling(block, turn, end);
    this.scanFalling(block, start, turn);
  }

  private scanFalling(block: Block, start: number, end: number): void {
    if (start === end) return;
    const { indexes, hashes } = this.figures;
    // Those before win against the best so far with an equal score, those after only with a higher one.
    const turn = this.firstBelow(hashes[start]! - (this.shape.tie(indexes[start]!) - this.bestTie), start, end);
    let position = this.nextWithin(this.equal, start, turn);
    while (position < turn && !this.consider(position)) position = this.nextWithin(this.equal, position + 1, turn);
    if (position < turn) {
      this.limit(block);
      position += 1;
    }
    this.scanHigher(block, position, end);
  }

  private scanHigher(block: Block, start: number, end: number): void {
    for (let position = this.nextWithin(this.higher, start, end); position < end; ) {
      if (this.consider(position)) this.limit(block);
      position = this.nextWithin(this.higher, position + 1, end);
    }
  }

  /** The first position at which neither cores nor memory are fuller than allowed; `end` where there is none. */
  private nextWithin(limit: Limit, start: number, end: number): number {
    // Loops without calls: millions of nodes pass through here every second.
    const { cpuUsed, cpuLeast, memoryUsed, memoryLeast } = this.figures;
    const { cpu, memory } = limit;
    let position = start;
    while (position < end) {
      const run = position >> RUN_BITS;
      const next = (run + 1) << RUN_BITS;
      if (cpuLeast[run]! <= cpu && memoryLeast[run]! <= memory) {
        const last = next < end ? next : end;
        for (; position < last; position++) {
          if (cpuUsed[position]! <= cpu && memoryUsed[position]! <= memory) return position;
        }
      }
      position = next;
    }
    return end;
  }

  /** Sets how full a node of the block may be for the best score so far, and for a higher one. */
  private limit(block: Block): void {
    const { size } = this.shape;
    const cpu = (size.cpu * 1000) / block.largestCpu;
    const memory = (size.memoryMiB * 1000) / block.largestMemoryMiB;
    const equal = this.mostUsed(block, this.bestScore);
    this.equal.cpu = equal - cpu;
    this.equal.memory = equal - memory;
    const higher = this.mostUsed(block, this.bestScore + 1);
    this.higher.cpu = higher - cpu;
    this.higher.memory = higher - memory;
  }

  /** The first position from `start` until before `end` whose hash is lower; `end` where there is none. */
  private firstBelow(hash: number, start: number, end: number): number {
    const { hashes } = this.figures;
    let low = start;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (hashes[middle]! < hash) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** How full, in thousandths, the scarcer resource of a node of the block may be with the guest for the node to reach a score. */
  private mostUsed({ percent, basePoints, extraPoints, segment }: Block, score: number): number {
    const { headroomWeight } = this.shape.kind.candidates;
    const weighted = score - extraPoints - this.softMost;
    if (percent === 0) return weighted > 0 ? NONE : ANY;
    const needed = Math.ceil((weighted * 100) / percent - MARGIN) - basePoints - (this.shape.size.costPoints?.[segment] ?? 0);
    return needed <= 0 ? ANY : Math.floor(1000 - (1000 * needed) / headroomWeight + MARGIN) + MARGIN;
  }

  /** Evaluates a node in full; true when it is the best so far. */
  private consider(position: number): boolean {
    const { shape } = this;
    const index = this.figures.indexes[position]!;
    if (index === this.excluded) return false;
    const score = shape.score(index);
    if (score < this.bestScore) return false;
    const tie = shape.tie(index);
    // Between equal scores the higher tie counts, then the earlier node.
    if (score === this.bestScore && (tie < this.bestTie || (tie === this.bestTie && index >= this.best))) return false;
    if (!shape.fits(index)) return false;
    if (this.best >= 0) this.secondPosition = this.bestPosition;
    this.best = index;
    this.bestScore = score;
    this.bestTie = tie;
    this.bestPosition = position;
    return true;
  }
}
