import { POINTS_PER_WEIGHT } from "../scores/preferences";
import type { Chooser } from "./chooser";
import type { Block, NodeFigures } from "./node-figures";
import type { Shape } from "./shape";

/** Covers what rounding may take from a bound. */
const MARGIN = 1e-6;
/** The first position at which neither figure is above its limit; `end` where there is none. */
function nextWithin(first: Float64Array, firstMost: number, second: Float64Array, secondMost: number, start: number, end: number): number {
  // A loop without calls: millions of nodes pass through here every second.
  for (let position = start; position < end; position++) {
    if (first[position]! <= firstMost && second[position]! <= secondMost) return position;
  }
  return end;
}

/** However full, and not even an empty node. */
const ANY = Number.POSITIVE_INFINITY;
const NONE = Number.NEGATIVE_INFINITY;

/**
 * Looks at the bound of every node, one or two comparisons each, and evaluates in full only those whose bound reaches the
 * best so far: for shapes with too few guests for a heap, and where guests that leave make room. The same answer as the
 * full scan.
 */
export class BoundedScanChooser implements Chooser {
  private best = -1;
  private bestScore = Number.NEGATIVE_INFINITY;
  private bestTie = -1;
  private bestPosition = 0;
  private readonly softMost: number;

  /** @param excluded a candidate that does not count */
  constructor(
    private readonly shape: Shape,
    private readonly figures: NodeFigures,
    private readonly excluded = -1,
  ) {
    this.softMost = shape.kind.softGuestRules.reduce((sum, { weight }) => sum + weight * POINTS_PER_WEIGHT, 0);
  }

  choose(): number | undefined {
    const { figures, shape } = this;
    figures.refresh();
    this.best = -1;
    this.bestScore = Number.NEGATIVE_INFINITY;
    this.bestTie = -1;
    if (shape.size === 0) return undefined;
    this.consider(figures.hint);
    // What asks for nothing fits on an overfull node too, whose figures say nothing about the points.
    if (shape.cpu > 0 && shape.memoryMiB > 0) for (const block of figures.blocks) this.scan(block);
    else for (let position = 0; position < shape.size; position++) this.consider(position);
    if (this.best < 0) return undefined;
    figures.hint = this.bestPosition;
    return this.best;
  }

  /** In falling order of the tie-breaks: of equals only the first needs to be looked at. */
  private scan(block: Block): void {
    const { start, end } = block;
    // From here on the sum of the hashes does not overflow and is higher than before.
    const turn = this.firstBelow(2 ** 32 - (this.shape.hash >>> 0), start, end);
    this.scanFalling(block, turn, end);
    this.scanFalling(block, start, turn);
  }

  private scanFalling(block: Block, start: number, end: number): void {
    if (start === end) return;
    const { shape } = this;
    const { cpuUsed, memoryUsed, indexes, hint, hashes } = this.figures;
    const cpuAdds = (shape.cpu * 1000) / block.largestCpu;
    const memoryAdds = (shape.memoryMiB * 1000) / block.largestMemoryMiB;
    // Most nodes fall at the first look when it is at what was scarcer where the last guest went.
    const isMemoryScarce = memoryUsed[hint]! + memoryAdds > cpuUsed[hint]! + cpuAdds;
    const [scarceUsed, otherUsed] = isMemoryScarce ? [memoryUsed, cpuUsed] : [cpuUsed, memoryUsed];
    const [scarceAdds, otherAdds] = isMemoryScarce ? [memoryAdds, cpuAdds] : [cpuAdds, memoryAdds];
    let most = this.mostUsed(block, this.bestScore);
    // Those before win against the best so far with an equal score, those after only with a higher one.
    let turn = this.firstBelow(hashes[start]! - (shape.tie(indexes[start]!) - this.bestTie), start, end);
    let position = start;
    while (position < end) {
      position = nextWithin(scarceUsed, most - scarceAdds, otherUsed, most - otherAdds, position, turn);
      if (position < turn) {
        const hasWon = this.consider(position);
        position += 1;
        if (!hasWon) continue;
      }
      most = this.mostUsed(block, this.bestScore + 1);
      turn = end;
    }
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
    const needed = Math.ceil((weighted * 100) / percent - MARGIN) - basePoints - (this.shape.costPoints?.[segment] ?? 0);
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
    this.best = index;
    this.bestScore = score;
    this.bestTie = tie;
    this.bestPosition = position;
    return true;
  }
}
