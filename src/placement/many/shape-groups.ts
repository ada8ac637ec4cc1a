import type { PlacementRequest } from "../model";
import { wholeNonNegative } from "../numbers";
import { compareText } from "../order";
import { cpuMilli } from "../world";
import type { Candidates } from "./candidates";
import type { Kind, Kinds } from "./kind";
import { ShapeIndex } from "./shape-index";

// There may be as many shapes as guests: loops by position here, because iterators make an object for each step.

/** Requests of one shape. */
export interface ShapeGroup {
  kind: Kind;
  /** The positions of all requests, those of this shape from `start` until before `end` in the order of their keys. */
  members: Int32Array;
  start: number;
  end: number;
  /** Equal for shapes that differ in their kind only, and have the same candidates. */
  sizeNumber: number;
  /** How many requests of that size there are, whatever their kind. */
  requestsOfSize: number;
}

/**
 * Visits requests shape by shape in the order in which they are placed: fewest possible nodes first, then the bulkiest (by
 * the share of the largest node they take), then by key.
 *
 * @param indexes positions of those to be visited
 */
export function forEachShape(
  requests: readonly PlacementRequest[],
  indexes: readonly number[],
  kinds: Kinds,
  visit: (group: ShapeGroup) => void,
): void {
  const inOrder = inOrderOfKeys(requests, indexes);
  // Numbered in the order of their first keys.
  const shapes = new ShapeIndex();
  const shapeOf = inOrder.map((index) => shapes.numberOf(requests[index]!, kinds.newcomerNumberOf(requests[index]!)));
  const { members, starts } = membersByShape(inOrder, shapeOf, shapes.examples.length);
  const kindOf = shapes.examples.map((example, shape) => kinds.newcomerKindOf(example, shapes.kinds[shape]));
  const { sizeOf, requestsOf } = sizesOf(shapes.examples, kindOf, starts);
  const order = inOrderOfPlacing(shapes.examples, kindOf);
  for (let turn = 0; turn < order.length; turn++) {
    const shape = order[turn]!;
    const sizeNumber = sizeOf[shape]!;
    const requestsOfSize = requestsOf[sizeNumber]!;
    visit({ kind: kindOf[shape]!, members, start: starts[shape]!, end: starts[shape + 1]!, sizeNumber, requestsOfSize });
  }
}

function inOrderOfKeys(requests: readonly PlacementRequest[], indexes: readonly number[]): Int32Array {
  const inOrder = new Int32Array(indexes);
  for (let position = 1; position < inOrder.length; position++) {
    if (requests[inOrder[position - 1]!]!.key < requests[inOrder[position]!]!.key) continue;
    return inOrder.sort((left, right) => compareText(requests[left]!.key, requests[right]!.key));
  }
  return inOrder;
}

/** The positions of the requests by shape, and where each shape starts. */
function membersByShape(inOrder: Int32Array, shapeOf: Int32Array, shapes: number) {
  const starts = new Int32Array(shapes + 1);
  for (let position = 0; position < shapeOf.length; position++) starts[shapeOf[position]! + 1]! += 1;
  for (let shape = 0; shape < shapes; shape++) starts[shape + 1]! += starts[shape]!;
  const members = new Int32Array(inOrder.length);
  const next = starts.slice();
  shapeOf.forEach((shape, position) => {
    const at = next[shape]!;
    members[at] = inOrder[position]!;
    next[shape] = at + 1;
  });
  return { members, starts };
}

/** The number of each shape's size, and how many requests each size has. */
function sizesOf(examples: readonly PlacementRequest[], kindOf: readonly Kind[], starts: Int32Array) {
  const sizes = new ShapeIndex();
  const candidateNumbers = new Map<Candidates, number>();
  const sizeOf = new Int32Array(examples.length);
  const requestsOf = new Int32Array(examples.length);
  examples.forEach((example, shape) => {
    const { candidates } = kindOf[shape]!;
    let number = candidateNumbers.get(candidates);
    if (number === undefined) {
      number = candidateNumbers.size;
      candidateNumbers.set(candidates, number);
    }
    sizeOf[shape] = sizes.numberOf(example, number);
    requestsOf[sizeOf[shape]!]! += starts[shape + 1]! - starts[shape]!;
  });
  return { sizeOf, requestsOf };
}

function inOrderOfPlacing(examples: readonly PlacementRequest[], kindOf: readonly Kind[]): Int32Array {
  const nodeCounts = Int32Array.from(kindOf, ({ candidates }) => candidates.nodes.length);
  const order = inRisingOrder(Float64Array.from(examples, (example, shape) => -bulkOf(example, kindOf[shape]!)));
  // Mostly every kind has all nodes to choose from, and a sort of a hundred thousand by comparisons takes its time.
  return nodeCounts.every((count) => count === nodeCounts[0]) ? order : order.sort((left, right) => nodeCounts[left]! - nodeCounts[right]!);
}

/** The positions of the figures, from the lowest figure up; of equal ones in the order they have. */
function inRisingOrder(figures: Float64Array): Int32Array {
  const sorted = figures.slice().sort();
  const order = new Int32Array(figures.length);
  /** By place in the order: how many figures equal to the one first there have been seen. */
  const seen = new Int32Array(figures.length);
  for (let index = 0; index < figures.length; index++) {
    const first = firstAtLeast(sorted, figures[index]!);
    order[first + seen[first]!] = index;
    seen[first]! += 1;
  }
  return order;
}

function firstAtLeast(sorted: Float64Array, figure: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < figure) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The share of the largest node a request takes, by its scarcer resource; bigger is harder to place. */
function bulkOf(request: PlacementRequest, { candidates }: Kind): number {
  return Math.max(cpuMilli(request.cores) / candidates.largestCpu, wholeNonNegative(request.memoryMiB) / candidates.largestMemoryMiB);
}
