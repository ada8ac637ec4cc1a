/** How busy the nodes were: one sample a minute, for the last seventy minutes. */
import type { ClusterState, LoadSample } from "../state";
import type { SimulatorWorld } from "../world";
import { nodeLoad } from "./resource-rows";

const stepSeconds = 60;
const keptSamples = 70;

/** Starts writing the load of all nodes down; returns how to stop it. */
export function startLoadHistory(world: SimulatorWorld): () => void {
  return world.clock.every(stepSeconds * 1000, () => {
    for (const cluster of Object.values(world.state.clusters)) recordLoad(cluster, world.clock.nowMs());
  });
}

function recordLoad(cluster: ClusterState, nowMs: number): void {
  const timeSeconds = Math.floor(nowMs / 1000 / stepSeconds) * stepSeconds;
  const history = cluster.loadHistory ?? {};
  for (const node of Object.values(cluster.nodes)) {
    const samples = history[node.name] ?? [];
    if (node.status === "offline" || samples.at(-1)?.timeSeconds === timeSeconds) continue;
    const { cpu, memoryBytes } = nodeLoad(cluster, node);
    samples.push({ timeSeconds, cpu, memoryBytes });
    history[node.name] = samples.slice(-keptSamples);
  }
  cluster.loadHistory = history;
}

/** Samples of the asked resolution: averages or maxima of what is kept. Steps without a sample are there with their time only. */
export function loadSamples(
  cluster: ClusterState,
  node: string,
  window: { nowMs: number; resolutionSeconds: number; count: number; combine: "AVERAGE" | "MAX" },
): (LoadSample | { timeSeconds: number })[] {
  const { nowMs, resolutionSeconds, count, combine } = window;
  const samples = cluster.loadHistory?.[node] ?? [];
  const lastSeconds = Math.floor(nowMs / 1000 / resolutionSeconds) * resolutionSeconds;
  return Array.from({ length: count }, (_, index) => {
    const timeSeconds = lastSeconds - (count - 1 - index) * resolutionSeconds;
    const within = samples.filter((sample) => sample.timeSeconds >= timeSeconds && sample.timeSeconds < timeSeconds + resolutionSeconds);
    if (within.length === 0) return { timeSeconds };
    const join = (values: number[]) =>
      combine === "MAX" ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
    return { timeSeconds, cpu: join(within.map(({ cpu }) => cpu)), memoryBytes: join(within.map(({ memoryBytes }) => memoryBytes)) };
  });
}
