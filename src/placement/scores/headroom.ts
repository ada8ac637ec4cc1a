import { permilleUp, wholeNonNegative } from "../numbers";
import { cpuMilli, type NodeState } from "../world";
import type { Scorer } from "./scorer";

/** What is left, after placing, of the scarcer of cores and memory. */
export const headroom: Scorer = {
  term: "headroom",
  measure({ request }, node) {
    const { cpu, memory } = allocatedPermille(node, cpuMilli(request.cores), wholeNonNegative(request.memoryMiB));
    return {
      value: headroomPermille(node, cpuMilli(request.cores), wholeNonNegative(request.memoryMiB)),
      detail: `${cpu} ‰ of cores and ${memory} ‰ of memory allocated with it`,
    };
  },
};

/** The value alone, for the paths that evaluate millions. */
export function headroomPermille(node: NodeState, cpu: number, memoryMiB: number): number {
  return (
    1000 -
    Math.max(
      permilleUp(node.cpuAllocatedMilli + cpu, node.cpuCapacityMilli),
      permilleUp(node.memoryAllocatedMiB + memoryMiB, node.memoryCapacityMiB),
    )
  );
}

function allocatedPermille(node: NodeState, cpu: number, memoryMiB: number): { cpu: number; memory: number } {
  return {
    cpu: permilleUp(node.cpuAllocatedMilli + cpu, node.cpuCapacityMilli),
    memory: permilleUp(node.memoryAllocatedMiB + memoryMiB, node.memoryCapacityMiB),
  };
}
