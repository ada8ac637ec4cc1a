import { formatBytes } from "../amounts";
import { storageIds } from "../ask";
import { pressurePermille } from "../capacity";
import { spanWords } from "../forecast-words";
import type { CapacityFractions } from "../model";
import { wholeNonNegative } from "../numbers";
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
    const cpu = cpuPressure(node, cpuMilli(ask.request.cores));
    const memory = memoryPressure(node, wholeNonNegative(ask.request.memoryMiB));
    const storage = storagePressure(node, storages);
    return {
      value: relief(cpu, memory, storage),
      detail: `pressure of cores ${cpu} ‰, memory ${memory} ‰, storage ${storage} ‰${predictions(node, storages)}`,
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
  return relief(cpuPressure(node, cpu), memoryPressure(node, memoryMiB), storagePressure(node, storages));
}

function relief(cpu: number, memory: number, storage: number): number {
  const weighted = CPU_PARTS * cpu + MEMORY_PARTS * memory + STORAGE_PARTS * storage;
  return 1000 - Math.ceil(weighted / (CPU_PARTS + MEMORY_PARTS + STORAGE_PARTS));
}

function cpuPressure(node: NodeState, cpu: number): number {
  return pressurePermille(node.cpuAllocatedMilli + cpu, node.cpuOvercommittedMilli, thresholds(node).cpu);
}

function memoryPressure(node: NodeState, memoryMiB: number): number {
  return pressurePermille(node.memoryUsedMiB + memoryMiB, node.memoryTotalMiB, thresholds(node).memory);
}

/** Of the fullest. */
function storagePressure(node: NodeState, storages: readonly StorageState[]): number {
  const threshold = thresholds(node).storage;
  let most = 0;
  for (const { facts, totalBytes, usedBytes } of storages) {
    const expectedBytes = facts.forecast === undefined || facts.forecast.isCounted ? usedBytes : usedBytes + facts.forecast.growthBytes;
    most = Math.max(most, pressurePermille(expectedBytes, totalBytes, threshold));
  }
  return most;
}

function thresholds({ cluster }: NodeState): CapacityFractions {
  return cluster.facts.capacityRules.pressureThreshold;
}
