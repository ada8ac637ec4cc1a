import { formatBytes } from "../amounts";
import { storageIds } from "../ask";
import { pressurePermille } from "../capacity";
import { spanWords } from "../forecast-words";
import { nonNegative, wholeNonNegative } from "../numbers";
import { cpuMilli, findStorage, type NodeState, type StorageState } from "../world";
import type { Scorer } from "./scorer";

const CPU_PARTS = 20;
const MEMORY_PARTS = 30;
const STORAGE_PARTS = 10;

/**
 * How far node and storages are from being under pressure, cores 20 : memory 30 : storage 10. Cores by allocation
 * against the over-commit, memory and storage by use against the physical size.
 */
export const pressure: Scorer = {
  term: "pressure",
  measure(ask, node) {
    const storages = [...new Set(storageIds(ask, node.cluster))]
      .map((id) => (id === undefined ? undefined : findStorage(node, id)))
      .filter((state) => state !== undefined);
    const parts = pressures(node, cpuMilli(ask.request.cores), wholeNonNegative(ask.request.memoryMiB), storages);
    return {
      value: relief(parts),
      detail: `pressure of cores ${parts.cpu} ‰, memory ${parts.memory} ‰, storage ${parts.storage} ‰${predictions(node, storages)}`,
    };
  },
};

/** What of the figures is predicted, in words. */
function predictions({ facts }: NodeState, storages: readonly StorageState[]): string {
  const memory = facts.forecast;
  const ofMemory = memory === undefined ? [] : [`memory +${memory.memoryGrowthMiB} MiB in ${spanWords(memory.horizonMs)}`];
  const ofStorages = storages.flatMap(({ facts: { storage, forecast } }) =>
    forecast === undefined ? [] : [`storage ${storage} +${formatBytes(forecast.growthBytes)} in ${spanWords(forecast.horizonMs)}`],
  );
  const all = [...ofMemory, ...ofStorages];
  return all.length === 0 ? "" : ` (predicted: ${all.join(", ")})`;
}

/** The value alone, for the paths that evaluate millions. */
export function pressureRelief(node: NodeState, cpu: number, memoryMiB: number, storages: readonly StorageState[]): number {
  return relief(pressures(node, cpu, memoryMiB, storages));
}

interface Pressures {
  cpu: number;
  memory: number;
  storage: number;
}

function relief({ cpu, memory, storage }: Pressures): number {
  const weighted = CPU_PARTS * cpu + MEMORY_PARTS * memory + STORAGE_PARTS * storage;
  return 1000 - Math.ceil(weighted / (CPU_PARTS + MEMORY_PARTS + STORAGE_PARTS));
}

function pressures(node: NodeState, cpu: number, memoryMiB: number, storages: readonly StorageState[]): Pressures {
  const { overcommit, pressureThreshold } = node.cluster.facts.capacityRules;
  const cpuTotal = nonNegative(node.facts.cores) * 1000 * nonNegative(overcommit.cpu);
  let storage = 0;
  for (const { facts, usedBytes } of storages) {
    const expectedBytes = facts.forecast === undefined || facts.forecast.isCounted ? usedBytes : usedBytes + facts.forecast.growthBytes;
    storage = Math.max(storage, pressurePermille(expectedBytes, wholeNonNegative(facts.totalBytes), pressureThreshold.storage));
  }
  return {
    cpu: pressurePermille(node.cpuAllocatedMilli + cpu, cpuTotal, pressureThreshold.cpu),
    memory: pressurePermille(node.memoryUsedMiB + memoryMiB, wholeNonNegative(node.facts.memoryMiB), pressureThreshold.memory),
    storage,
  };
}
