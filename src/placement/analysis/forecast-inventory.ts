import type { ClusterFacts, Inventory, NodeFacts, StorageFacts } from "../model";
import { wholeNonNegative } from "../numbers";
import { type Forecast, forecastExhaustion, predictedGrowth, type Reading } from "./forecast";

/** What has been measured, as far as it has; whatever is not here is taken as it is now. */
export interface UtilisationHistory {
  storages: {
    cluster: string;
    storage: string;
    /** Of a local storage: the node it is on. Absent: a shared one. */
    node?: string;
    /** `used` in bytes. */
    readings: Reading[];
  }[];
  nodes: {
    cluster: string;
    node: string;
    /** Memory in use; `used` in MiB. */
    memory: Reading[];
  }[];
}

export interface ForecastOptions {
  /** The moment the inventory was taken, in milliseconds since the epoch. */
  nowMs: number;
  /** How far ahead candidates are judged. */
  horizonMs: number;
  /**
   * `refuse` (default): what is predicted to be used by then is not there for newcomers. `score`: it only counts as
   * pressure, so that such places are avoided as long as there are others.
   */
  mode?: "refuse" | "score";
}

/**
 * The inventory as it is predicted to be at the horizon: storages and node memory are fuller by the growth of a straight
 * line through their past. Give it to `placeOne` or `placeMany` to let them decide for then; explanations name the
 * prediction. Growth only: what shrinks, or has too few readings for a line, stays as it is. Nobody leaves for it, because
 * a guest is not asked again for what it holds.
 *
 * @throws RangeError for a horizon that is no amount of time
 */
export function forecastInventory(inventory: Inventory, history: UtilisationHistory, options: ForecastOptions): Inventory {
  const { nowMs, horizonMs } = options;
  if (!Number.isFinite(nowMs)) throw new RangeError(`nowMs is ${nowMs}: give the moment of the inventory in milliseconds`);
  if (!Number.isFinite(horizonMs) || horizonMs <= 0) throw new RangeError(`horizonMs is ${horizonMs}: give more than 0 milliseconds`);
  return { ...inventory, clusters: inventory.clusters.map((cluster) => clusterThen(cluster, history, options)) };
}

function clusterThen(cluster: ClusterFacts, history: UtilisationHistory, options: ForecastOptions): ClusterFacts {
  const storages = history.storages.filter((past) => past.cluster === cluster.id);
  const nodes = history.nodes.filter((past) => past.cluster === cluster.id);
  return {
    ...cluster,
    storages: cluster.storages.map((storage) => {
      const past = storages.find((own) => own.storage === storage.storage && isOf(own.node, storage));
      return past === undefined ? storage : storageThen(storage, past.readings, options);
    }),
    nodes: cluster.nodes.map((node) => {
      const past = nodes.find((own) => own.node === node.name);
      return past === undefined ? node : nodeThen(node, past.memory, options);
    }),
  };
}

/** A local storage has one entry per node. */
function isOf(node: string | undefined, storage: StorageFacts): boolean {
  return node === undefined ? storage.shared : storage.nodes.includes(node);
}

function storageThen(storage: StorageFacts, readings: readonly Reading[], options: ForecastOptions): StorageFacts {
  const forecast = forecastExhaustion(readings, storage.totalBytes);
  const growthBytes = growth(forecast, options);
  if (forecast === undefined || growthBytes === 0) return storage;
  const isRefusing = options.mode !== "score";
  return {
    ...storage,
    usedBytes: isRefusing ? wholeNonNegative(storage.usedBytes) + growthBytes : storage.usedBytes,
    forecast: {
      horizonMs: options.horizonMs,
      growthBytes,
      isCounted: isRefusing,
      ...(forecast.exhaustedAtMs === undefined ? {} : { fullAtMs: forecast.exhaustedAtMs }),
      typicalErrorBytes: Math.round(forecast.typicalError),
    },
  };
}

function nodeThen(node: NodeFacts, readings: readonly Reading[], options: ForecastOptions): NodeFacts {
  const growthMiB = growth(forecastExhaustion(readings, node.memoryMiB), options);
  if (growthMiB === 0 || node.usedMemoryMiB === undefined) return node;
  return {
    ...node,
    usedMemoryMiB: wholeNonNegative(node.usedMemoryMiB) + growthMiB,
    forecast: { horizonMs: options.horizonMs, memoryGrowthMiB: growthMiB },
  };
}

/** Whole units from now to the horizon; 0 where nothing is known or nothing grows. */
function growth(forecast: Forecast | undefined, { horizonMs }: ForecastOptions): number {
  return forecast === undefined ? 0 : wholeNonNegative(predictedGrowth(forecast, horizonMs));
}
