import type { PlacementRequest } from "../model";
import { wholeNonNegative } from "../numbers";
import { compareText } from "../order";
import { cpuMilli } from "../world";
import type { Kind, Kinds } from "./kind";
import { ShapeIndex } from "./shape-index";

/**
 * Visits requests shape by shape in the order in which they are placed: fewest possible nodes first, then the bulkiest (by
 * the share of the largest node they take), then by key.
 *
 * @param indexes positions of those to be visited
 * @param visit gets the positions of a shape's requests in the order of their keys; they are only lent
 */
export function forEachShape(
  requests: readonly PlacementRequest[],
  indexes: readonly number[],
  kinds: Kinds,
  visit: (kind: Kind, members: Int32Array) => void,
): void {
  const shapes = new ShapeIndex();
  const shapeOf = Int32Array.from(indexes, (index) => shapes.numberOf(requests[index]!, kinds.newcomerNumberOf(requests[index]!)));
  const { members, starts } = membersByShape(requests, indexes, shapeOf, shapes.examples.length);
  const kindOf = shapes.examples.map((example, shape) => kinds.newcomerKindOf(example, shapes.kinds[shape]));
  const bulks = Float64Array.from(shapes.examples, (example, shape) => bulkOf(example, kindOf[shape]!));
  const firstKey = (shape: number) => requests[members[starts[shape]!]!]!.key;
  const order = Int32Array.from(shapes.examples, (_, shape) => shape).sort((left, right) => {
    const bySize = kindOf[left]!.candidates.nodes.length - kindOf[right]!.candidates.nodes.length;
    if (bySize !== 0) return bySize;
    const byBulk = bulks[right]! - bulks[left]!;
    return byBulk !== 0 ? byBulk : compareText(firstKey(left), firstKey(right));
  });
  for (const shape of order) visit(kindOf[shape]!, members.subarray(starts[shape]!, starts[shape + 1]!));
}

/** The positions of the requests by shape, those of each shape in the order of their keys, and where each shape starts. */
function membersByShape(requests: readonly PlacementRequest[], indexes: readonly number[], shapeOf: Int32Array, shapes: number) {
  const starts = new Int32Array(shapes + 1);
  for (const shape of shapeOf) starts[shape + 1]! += 1;
  for (let shape = 0; shape < shapes; shape++) starts[shape + 1]! += starts[shape]!;
  const members = new Int32Array(indexes.length);
  const next = starts.slice();
  let isInOrder = true;
  shapeOf.forEach((shape, position) => {
    const at = next[shape]!;
    members[at] = indexes[position]!;
    next[shape] = at + 1;
    if (at > starts[shape]! && requests[members[at - 1]!]!.key > requests[members[at]!]!.key) isInOrder = false;
  });
  const byKey = (left: number, right: number) => compareText(requests[left]!.key, requests[right]!.key);
  for (let shape = 0; !isInOrder && shape < shapes; shape++) members.subarray(starts[shape]!, starts[shape + 1]!).sort(byKey);
  return { members, starts };
}

/** The share of the largest node a request takes, by its scarcer resource; bigger is harder to place. */
function bulkOf(request: PlacementRequest, { candidates }: Kind): number {
  return Math.max(cpuMilli(request.cores) / candidates.largestCpu, wholeNonNegative(request.memoryMiB) / candidates.largestMemoryMiB);
}
