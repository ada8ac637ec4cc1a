import { permilleUp } from "../numbers";
import { clusterWeightPoints, weightedPoints } from "../scores/normalize";
import { POINTS_PER_WEIGHT } from "../scores/preferences";
import { pressureRelief } from "../scores/pressure";
import type { Chooser } from "./chooser";
import type { Kind } from "./kind";
import type { Shape } from "./shape";

/**
 * The figures of a kind's nodes side by side in flat arrays, brought up to date from the world's log of changes. One per
 * kind, however many shapes it has.
 */
export class KindFigures {
  readonly cpuAllocated: Float64Array;
  readonly memoryAllocated: Float64Array;
  readonly cpuCapacity: Float64Array;
  readonly memoryCapacity: Float64Array;
  /** One over the capacity; infinite for none. */
  readonly perCpu: Float64Array;
  readonly perMemory: Float64Array;
  /** Points that no further guest can raise: the fixed ones, pressure as it is, every soft rule about guests. */
  readonly otherPoints: Int32Array;
  private readonly positions = new Map<number, number>();
  private read: number;

  constructor(private readonly kind: Kind) {
    const size = kind.nodes.length;
    this.cpuAllocated = new Float64Array(size);
    this.memoryAllocated = new Float64Array(size);
    this.cpuCapacity = Float64Array.from(kind.nodes, (node) => node.cpuCapacityMilli);
    this.memoryCapacity = Float64Array.from(kind.nodes, (node) => node.memoryCapacityMiB);
    this.perCpu = this.cpuCapacity.map((capacity) => 1 / capacity);
    this.perMemory = this.memoryCapacity.map((capacity) => 1 / capacity);
    this.otherPoints = new Int32Array(size);
    kind.nodes.forEach((node, index) => {
      this.positions.set(node.index, index);
      this.update(index);
    });
    this.read = kind.ask.world.changes.length;
  }

  refresh(): void {
    const { changes } = this.kind.ask.world;
    for (; this.read < changes.length; this.read++) {
      const index = this.positions.get(changes[this.read]!);
      if (index !== undefined) this.update(index);
    }
  }

  private update(index: number): void {
    const { kind } = this;
    const node = kind.nodes[index]!;
    this.cpuAllocated[index] = node.cpuAllocatedMilli;
    this.memoryAllocated[index] = node.memoryAllocatedMiB;
    this.otherPoints[index] = kind.basePoints[index]! + weightedPoints(pressureRelief(node, 0, 0, []), kind.pressureWeight);
  }
}

/**
 * Looks at every node, but evaluates in full only those whose bound reaches the best so far: for shapes with too few
 * guests for a heap. The same answer as the plain scan.
 */
export class BoundedScanChooser implements Chooser {
  private readonly softMost: number;

  constructor(
    private readonly shape: Shape,
    private readonly figures: KindFigures,
  ) {
    this.softMost = shape.kind.softGuestRules.reduce((sum, { weight }) => sum + weight * POINTS_PER_WEIGHT, 0);
  }

  choose(): number | undefined {
    this.figures.refresh();
    const { shape, figures } = this;
    const { kind, cpu, memoryMiB, costPoints } = shape;
    const { cpuAllocated, memoryAllocated, cpuCapacity, memoryCapacity, perCpu, perMemory, otherPoints } = figures;
    const { headroomWeight, clusterPercents, extraPoints, isPlain } = kind;
    const isQuick = isPlain && costPoints === undefined && cpu > 0 && memoryMiB > 0;
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    let bestTie = -1;
    for (let index = 0; index < otherPoints.length; index++) {
      const cpuUse = cpuAllocated[index]! + cpu;
      const memoryUse = memoryAllocated[index]! + memoryMiB;
      if (isQuick) {
        // Most nodes fall here, on two products. The margin covers what rounding may have taken from the quotients.
        const cpuShare = cpuUse * perCpu[index]!;
        const memoryShare = memoryUse * perMemory[index]!;
        const share = cpuShare > memoryShare ? cpuShare : memoryShare;
        if (
          share > 1 + MARGIN ||
          otherPoints[index]! + extraPoints[index]! + this.softMost + (1 + MARGIN - share) * headroomWeight < bestScore
        )
          continue;
      }
      const cpuLimit = cpuCapacity[index]!;
      const memoryLimit = memoryCapacity[index]!;
      if ((cpuUse > cpuLimit && cpu > 0) || (memoryUse > memoryLimit && memoryMiB > 0)) continue;
      // The scarcer resource has the larger quotient; cross-multiplied, one division is enough.
      const used = cpuUse * memoryLimit > memoryUse * cpuLimit ? permilleUp(cpuUse, cpuLimit) : permilleUp(memoryUse, memoryLimit);
      const headroom = used >= 1000 ? 0 : Math.floor(((1000 - used) * headroomWeight) / 1000);
      const base = otherPoints[index]! + headroom + (costPoints === undefined ? 0 : costPoints[index]!);
      const percent = clusterPercents[index]!;
      const bound = (percent === 100 ? base : base + clusterWeightPoints(base, percent)) + extraPoints[index]! + this.softMost;
      if (bound < bestScore) continue;
      const tie = shape.tie(index);
      // Nodes are in key order: of equal ties the earlier one stays.
      if ((bound === bestScore && tie <= bestTie) || !shape.fits(index)) continue;
      const score = shape.score(index);
      if (score > bestScore || (score === bestScore && tie > bestTie)) {
        best = index;
        bestScore = score;
        bestTie = tie;
      }
    }
    return best < 0 ? undefined : best;
  }
}

/** In shares of a node. */
const MARGIN = 1e-9;
