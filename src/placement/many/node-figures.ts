import { weightedPoints } from "../scores/normalize";
import { pressureRelief } from "../scores/pressure";
import type { NodeState, StorageState } from "../world";
import type { Candidates } from "./candidates";

/** Positions in a row whose smallest figures are kept, as a power of two: a search passes over them in one step. */
export const RUN_BITS = 5;

/** Capacities that differ by less than this share are taken for one: nodes of one model rarely differ by more. */
const SAME_CAPACITY = 0.02;

/**
 * Candidates with the same fixed points on which a guest takes about the same share, side by side in the arrays: from
 * `start` until before `end`. What a guest means for them is worked out once per block.
 */
export interface Block {
  start: number;
  end: number;
  /** Position among the candidates' segments; of a block over several clusters (where prices do not count) the first. */
  segment: number;
  /** The cluster's weight. */
  percent: number;
  /** At least the points for everything but headroom, cost and company: before the cluster's weight, and after it. */
  basePoints: number;
  extraPoints: number;
  largestCpu: number;
  largestMemoryMiB: number;
}

/**
 * The figures of candidate nodes in flat arrays, so that a look at thousands of nodes is one or two comparisons each.
 * Positions are not the candidates' own: see `indexes`. Brought up to date from the world's log of changes.
 */
export class NodeFigures {
  readonly blocks: readonly Block[];
  /** Which candidate is at a position. */
  readonly indexes: Int32Array;
  /** Hash of the node at a position; falling within a block. */
  readonly hashes: Uint32Array;
  /**
   * Allocated thousandths of the cores (and memory) of a node that has all points its block allows. One that has fewer,
   * being under pressure, counts as fuller by what these points are worth, rounded in its favour.
   */
  readonly cpuUsed: Float64Array;
  readonly memoryUsed: Float64Array;
  /** The least of each of them per `2 ** RUN_BITS` positions. */
  readonly cpuLeast: Float64Array;
  readonly memoryLeast: Float64Array;
  /** Position where the last guest went: a good place to begin the next search at. */
  hint = 0;
  /** Position by node number. */
  private readonly positions = new Map<number, number>();
  private read: number;

  /** @param storage whether pressure on storages counts; only where storages never become emptier again */
  constructor(
    private readonly candidates: Candidates,
    private readonly changes: readonly number[],
    private readonly storage: "with-storage" | "without-storage" = "with-storage",
  ) {
    const { nodes } = candidates;
    this.indexes = Int32Array.from(nodes, (_, index) => index);
    this.blocks = arrange(candidates, this.indexes);
    this.hashes = Uint32Array.from(this.indexes, (index) => candidates.nodeHashes[index]!);
    this.cpuUsed = new Float64Array(nodes.length);
    this.memoryUsed = new Float64Array(nodes.length);
    const runs = Math.ceil(nodes.length / 2 ** RUN_BITS);
    this.cpuLeast = new Float64Array(runs).fill(Number.POSITIVE_INFINITY);
    this.memoryLeast = new Float64Array(runs).fill(Number.POSITIVE_INFINITY);
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

  /** Storage fills up unnoticed until then, which leaves a node's figures too good but the search right. */
  update(position: number): void {
    const { nodes, pressureWeight, headroomWeight } = this.candidates;
    const index = this.indexes[position]!;
    const node = nodes[index]!;
    const storages = this.storage === "without-storage" ? NO_STORAGES : this.candidates.storagesAt[index]!;
    const missing = pressureWeight - weightedPoints(pressureRelief(node, 0, 0, storages), pressureWeight);
    const fuller = missing === 0 ? 0 : (missing * 1000) / Math.max(1, headroomWeight) - 1;
    assign(this.cpuUsed, this.cpuLeast, position, permille(node.cpuAllocatedMilli, node.cpuCapacityMilli) + fuller);
    assign(this.memoryUsed, this.memoryLeast, position, permille(node.memoryAllocatedMiB, node.memoryCapacityMiB) + fuller);
  }
}

const NO_STORAGES: readonly StorageState[] = [];

/** Sets a figure and keeps the least of its run right. */
function assign(figures: Float64Array, least: Float64Array, position: number, figure: number): void {
  const before = figures[position]!;
  const run = position >> RUN_BITS;
  figures[position] = figure;
  if (figure <= least[run]!) {
    least[run] = figure;
    return;
  }
  if (before > least[run]!) return;
  const start = run << RUN_BITS;
  const end = Math.min(start + 2 ** RUN_BITS, figures.length);
  let smallest = figure;
  for (let other = start; other < end; other++) if (figures[other]! < smallest) smallest = figures[other]!;
  least[run] = smallest;
}

/** Of a node without capacity everything is allocated: a guest that asks for something never fits. */
function permille(allocated: number, capacity: number): number {
  return capacity > 0 ? (allocated * 1000) / capacity : 1000;
}

/** Sorts the positions into blocks. */
function arrange(candidates: Candidates, indexes: Int32Array): Block[] {
  const { nodes, percents, basePoints, extraPoints, pressureWeight, costWeight, segments, nodeHashes } = candidates;
  const segmentOf = new Int32Array(nodes.length);
  for (const [segment, { start, end }] of segments.entries()) segmentOf.fill(segment, start, end);
  const size = (capacity: number) => Math.round(Math.log(Math.max(1, capacity)) / SAME_CAPACITY);
  const traits = [
    // Clusters of different prices are kept apart where prices count.
    ...(costWeight > 0 ? [segmentOf] : []),
    percents,
    basePoints,
    extraPoints,
    Int32Array.from(nodes, (node) => size(node.cpuCapacityMilli)),
    Int32Array.from(nodes, (node) => size(node.memoryCapacityMiB)),
  ];
  const compare = (left: number, right: number) => {
    for (const trait of traits) if (trait[left] !== trait[right]) return trait[left]! - trait[right]!;
    return 0;
  };
  indexes.sort((left, right) => compare(left, right) || nodeHashes[right]! - nodeHashes[left]! || left - right);
  const blocks: Block[] = [];
  for (let start = 0; start < indexes.length; ) {
    const first = indexes[start]!;
    let end = start;
    while (end < indexes.length && compare(first, indexes[end]!) === 0) end += 1;
    const members = Array.from(indexes.subarray(start, end), (index) => nodes[index]!);
    const largest = (capacity: (node: NodeState) => number) => members.reduce((most, node) => Math.max(most, capacity(node)), 1);
    blocks.push({
      start,
      end,
      segment: segmentOf[first]!,
      percent: percents[first]!,
      basePoints: basePoints[first]! + pressureWeight,
      extraPoints: extraPoints[first]!,
      largestCpu: largest((node) => node.cpuCapacityMilli),
      largestMemoryMiB: largest((node) => node.memoryCapacityMiB),
    });
    start = end;
  }
  return blocks;
}
