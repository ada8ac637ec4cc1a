import type { Shape } from "./shape";

/** Finds the best node for one more guest. All ways give the same answer for every sequence of placements. */
export interface Chooser {
  /** Index into the candidates; `undefined` when no node fits. */
  choose(shape: Shape): number | undefined;
}

/** Evaluates every node in full for every guest: the reference that the faster ways are held to. */
export class ScanChooser implements Chooser {
  choose(shape: Shape): number | undefined {
    let best: number | undefined;
    let bestScore = 0;
    for (let index = 0; index < shape.nodeCount; index++) {
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
