import { permilleUp } from "../numbers";
import { POINTS_PER_WEIGHT } from "../scores/preferences";
import type { Chooser } from "./chooser";
import type { Block, NodeFigures } from "./node-figures";
import type { Shape } from "./shape";

/** Points that rounding may take from a bound. */
const MARGIN = 1e-6;

/**
 * Looks at the bound of every node, one or two comparisons each, and evaluates in full only those whose bound reaches the
 * best so far: for shapes with too few guests for a heap, and where guests that leave make room. The same answer as the
 * full scan.
 */
export class BoundedScanChooser implements Chooser {
  private best = -1;
  private bestScore = Number.NEGATIVE_INFINITY;
  private bestTie = -1;
  private readonly softMost: number;

  constructor(
    private readonly shape: Shape,
    private readonly figures: NodeFigures,
  ) {
    this.softMost = shape.kind.softGuestRules.reduce((sum, { weight }) => sum + weight * POINTS_PER_WEIGHT, 0);
  }

  choose(): number | undefined {
    this.figures.refresh();
    this.best = -1;
    this.bestScore = Number.NEGATIVE_INFINITY;
    this.bestTie = -1;
    // What asks for nothing fits on an overfull node too, where the loss says nothing about the points.
    if (this.shape.cpu > 0 && this.shape.memoryMiB > 0) for (const block of this.figures.blocks) this.scan(block);
    else for (let index = 0; index < this.shape.size; index++) this.consider(index);
    return this.best < 0 ? undefined : this.best;
  }

  private scan({ start, end, segment, percent, pointsPerCpu, pointsPerMemory }: Block): void {
    const { shape, figures } = this;
    const { cpuLoss, memoryLoss, indexes } = figures;
    const cost = ((shape.costPoints?.[segment] ?? 0) * percent) / 100;
    // Points beyond `otherPoints` on an empty node.
    const most = (shape.kind.candidates.headroomWeight * percent) / 100 + cost + this.softMost + MARGIN;
    const cpuTakes = shape.cpu * pointsPerCpu;
    const memoryTakes = shape.memoryMiB * pointsPerMemory;
    let cpuLimit = most - this.bestScore - cpuTakes;
    let memoryLimit = most - this.bestScore - memoryTakes;
    for (let position = start; position < end; position++) {
      if (cpuLoss[position]! > cpuLimit || memoryLoss[position]! > memoryLimit) continue;
      if (!this.mayWin(position, percent, cost) || !this.consider(indexes[position]!)) continue;
      cpuLimit = most - this.bestScore - cpuTakes;
      memoryLimit = most - this.bestScore - memoryTakes;
    }
  }

  /** The bound in whole points, and the tie-break: what most nodes that passed the first look fail. */
  private mayWin(position: number, percent: number, cost: number): boolean {
    const { shape, figures } = this;
    const cpuUse = figures.cpuAllocated[position]! + shape.cpu;
    const memoryUse = figures.memoryAllocated[position]! + shape.memoryMiB;
    const cpuLimit = figures.cpuCapacity[position]!;
    const memoryLimit = figures.memoryCapacity[position]!;
    if (cpuUse > cpuLimit || memoryUse > memoryLimit) return false;
    // The scarcer resource has the larger quotient; cross-multiplied, one division is enough.
    const used = cpuUse * memoryLimit > memoryUse * cpuLimit ? permilleUp(cpuUse, cpuLimit) : permilleUp(memoryUse, memoryLimit);
    const headroom = Math.floor(((1000 - used) * shape.kind.candidates.headroomWeight) / 1000);
    const bound = Math.floor(figures.otherPoints[position]! + (headroom * percent) / 100 + cost + this.softMost + MARGIN);
    return bound > this.bestScore || (bound === this.bestScore && shape.tie(figures.indexes[position]!) >= this.bestTie);
  }

  /** Evaluates a node in full; true when it is the best so far. */
  private consider(index: number): boolean {
    const { shape } = this;
    const score = shape.score(index);
    if (score < this.bestScore) return false;
    const tie = shape.tie(index);
    // Between equal scores the higher tie counts, then the earlier node.
    if (score === this.bestScore && (tie < this.bestTie || (tie === this.bestTie && index > this.best))) return false;
    if (!shape.fits(index)) return false;
    this.best = index;
    this.bestScore = score;
    this.bestTie = tie;
    return true;
  }
}
