import { weightedPoints } from "../scores/normalize";
import { pressureRelief } from "../scores/pressure";
import type { NodeState, StorageState } from "../world";
import type { Candidates } from "./candidates";

/** Capacities that differ by less than this share are taken for one: nodes of one model rarely differ by more. */
const SAME_CAPACITY = 0.02;

/**
 * Candidates on which a guest costs about the same number of points, side by side in the arrays: from `start` until before
 * `end`. What a guest adds to them is worked out once per block.
 */
export interface Block {
  start: number;
  end: number;
  /** Position among the candidates' segments; of a block over several segments the first. */
  segment: number;
  /** The cluster's weight. */
  percent: number;
  /** At most the headroom points that a thousandth of a core, or a MiB, takes. */
  pointsPerCpu: number;
  pointsPerMemory: number;
}

/**
 * The figures of candidate nodes in flat arrays, so that a look at thousands of nodes is one or two comparisons each.
 * Positions are not the candidates' own: see `indexes`. Brought up to date from the world's log of changes.
 */
export class NodeFigures {
  readonly blocks: readonly Block[];
  /** Which candidate is at a position. */
  readonly indexes: Int32Array;
  /**
   * At least the points that a guest gets for everything but headroom, cost and company: the fixed ones and pressure as it is
   * now, weighed by cluster. Storage fills up unnoticed here, which leaves the bound too high but valid.
   */
  readonly otherPoints: Float64Array;
  /** Headroom points taken by the allocated cores (and memory), less {@link otherPoints}: the smaller the better. */
  readonly cpuLoss: Float64Array;
  readonly memoryLoss: Float64Array;
  readonly cpuAllocated: Float64Array;
  readonly memoryAllocated: Float64Array;
  readonly cpuCapacity: Float64Array;
  readonly memoryCapacity: Float64Array;
  private readonly weights: Float64Array;
  /** Position by node number. */
  private readonly positions = new Map<number, number>();
  private read: number;

  constructor(
    private readonly candidates: Candidates,
    private readonly changes: readonly number[],
  ) {
    const { nodes, percents, headroomWeight } = candidates;
    this.indexes = Int32Array.from(nodes, (_, index) => index);
    this.blocks = arrange(candidates, this.indexes);
    this.otherPoints = new Float64Array(nodes.length);
    this.cpuLoss = new Float64Array(nodes.length);
    this.memoryLoss = new Float64Array(nodes.length);
    this.cpuAllocated = new Float64Array(nodes.length);
    this.memoryAllocated = new Float64Array(nodes.length);
    this.cpuCapacity = Float64Array.from(this.indexes, (index) => nodes[index]!.cpuCapacityMilli);
    this.memoryCapacity = Float64Array.from(this.indexes, (index) => nodes[index]!.memoryCapacityMiB);
    this.weights = Float64Array.from(this.indexes, (index) => (headroomWeight * percents[index]!) / 100);
    this.indexes.forEach((index, position) => {
      this.positions.set(nodes[index]!.index, position);
      this.update(position);
    });
    this.read = changes.length;
  }

  refresh(): void {
    const { changes, positions } = this;
    if (changes.length - this.read > this.indexes.length) {
      for (let position = 0; position < this.indexes.length; position++) this.update(position);
      this.read = changes.length;
    }
    for (; this.read < changes.length; this.read++) {
      const position = positions.get(changes[this.read]!);
      if (position !== undefined) this.update(position);
    }
  }

  update(position: number): void {
    const { nodes, basePoints, extraPoints, percents, pressureWeight } = this.candidates;
    const index = this.indexes[position]!;
    const node = nodes[index]!;
    const pressure = weightedPoints(pressureRelief(node, 0, 0, this.storagesOf(index)), pressureWeight);
    const other = ((basePoints[index]! + pressure) * percents[index]!) / 100 + extraPoints[index]!;
    const weight = this.weights[position]!;
    this.otherPoints[position] = other;
    this.cpuAllocated[position] = node.cpuAllocatedMilli;
    this.memoryAllocated[position] = node.memoryAllocatedMiB;
    this.cpuLoss[position] = share(node.cpuAllocatedMilli, node.cpuCapacityMilli) * weight - other;
    this.memoryLoss[position] = share(node.memoryAllocatedMiB, node.memoryCapacityMiB) * weight - other;
  }

  private storagesOf(index: number): StorageState[] {
    const { storages, storageClasses } = this.candidates;
    const from = index * storageClasses.length;
    return storages.slice(from, from + storageClasses.length).filter((storage) => storage !== undefined);
  }
}

/** Of a node without capacity everything is allocated: a guest that asks for something never fits. */
function share(allocated: number, capacity: number): number {
  return capacity > 0 ? allocated / capacity : 1;
}

/** Sorts the positions into blocks. */
function arrange(candidates: Candidates, indexes: Int32Array): Block[] {
  const { segments, nodes, percents, headroomWeight, costWeight } = candidates;
  const segmentOf = new Int32Array(nodes.length);
  segments.forEach(({ start, end }, segment) => segmentOf.fill(segment, start, end));
  // Clusters of different prices are kept apart where prices count.
  const group = (index: number) => (costWeight > 0 ? segmentOf[index]! : percents[index]!);
  const size = (capacity: number) => Math.round(Math.log(Math.max(1, capacity)) / SAME_CAPACITY);
  const cpuSizes = nodes.map(({ cpuCapacityMilli }) => size(cpuCapacityMilli));
  const memorySizes = nodes.map(({ memoryCapacityMiB }) => size(memoryCapacityMiB));
  const compare = (left: number, right: number) =>
    group(left) - group(right) || cpuSizes[left]! - cpuSizes[right]! || memorySizes[left]! - memorySizes[right]!;
  indexes.sort((left, right) => compare(left, right) || left - right);
  const blocks: Block[] = [];
  for (let start = 0; start < indexes.length; ) {
    const first = indexes[start]!;
    let end = start;
    while (end < indexes.length && compare(first, indexes[end]!) === 0) end += 1;
    const members = Array.from(indexes.subarray(start, end), (index) => nodes[index]!);
    const percent = percents[first]!;
    const weight = (headroomWeight * percent) / 100;
    const largest = (capacity: (node: NodeState) => number) => members.reduce((most, node) => Math.max(most, capacity(node)), 1);
    blocks.push({
      start,
      end,
      segment: segmentOf[first]!,
      percent,
      pointsPerCpu: weight / largest((node) => node.cpuCapacityMilli),
      pointsPerMemory: weight / largest((node) => node.memoryCapacityMiB),
    });
    start = end;
  }
  return blocks;
}
