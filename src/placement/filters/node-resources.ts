import type { Ask } from "../ask";
import type { Shortfall } from "../model";
import { wholeNonNegative } from "../numbers";
import { cpuMilli, type NodeState } from "../world";
import type { NodeFilter } from "./filter";

/**
 * Cores and memory after over-commit and reserve. A guest is not asked again for what it already holds on the node: a
 * node that others filled, or whose reserve was raised, evicts nobody.
 */
export const nodeResources: NodeFilter = {
  name: "resources",
  dynamic: true,
  check(ask, node) {
    const shortfalls: Shortfall[] = [];
    const cpuNeeded = cpuMilli(ask.request.cores);
    const cpuFree = Math.max(0, node.cpuCapacityMilli - node.cpuAllocatedMilli);
    if (cpuNeeded > cpuFree && cpuNeeded > heldHere(ask, node, "cpuMilli")) {
      shortfalls.push(lacks(node, CORES, cpuNeeded, cpuFree, node.cpuCapacityMilli));
    }
    const memoryNeeded = wholeNonNegative(ask.request.memoryMiB);
    const memoryFree = Math.max(0, node.memoryCapacityMiB - node.memoryAllocatedMiB);
    if (memoryNeeded > memoryFree && memoryNeeded > heldHere(ask, node, "memoryMiB")) {
      shortfalls.push(lacks(node, MEMORY, memoryNeeded, memoryFree, node.memoryCapacityMiB));
    }
    return shortfalls;
  },
};

function heldHere(ask: Ask, node: NodeState, amount: "cpuMilli" | "memoryMiB"): number {
  return ask.held
    .filter((own) => own.cluster === node.cluster.facts.id && own.node === node.facts.name)
    .reduce((most, own) => Math.max(most, own[amount]), 0);
}

interface Resource {
  name: "cores" | "memory";
  unit: string;
  words: string;
  /** Counted units in one shown unit. */
  scale: number;
}

const CORES: Resource = { name: "cores", unit: "cores", words: "cores", scale: 1000 };
const MEMORY: Resource = { name: "memory", unit: "MiB", words: "MiB memory", scale: 1 };

function lacks(node: NodeState, resource: Resource, needed: number, available: number, capacity: number): Shortfall {
  const show = (amount: number) => amount / resource.scale;
  const missing = `${show(needed - available)} ${resource.words}`;
  return {
    text: `node ${node.key} lacks ${missing} (needs ${show(needed)}, has ${show(available)} of ${show(capacity)})`,
    summary: `without ${show(needed)} ${resource.words} free`,
    remedy: `free ${missing} on ${node.key}, ask for less, or add a node`,
    ifOthersMove: needed <= capacity,
    amount: { resource: resource.name, unit: resource.unit, needed: show(needed), available: show(available) },
  };
}
