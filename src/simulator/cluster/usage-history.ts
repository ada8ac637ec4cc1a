/** How busy the nodes and how full the storages were: a sample a minute. */
import { type Archives, recordSample } from "../round-robin";
import type { ClusterState } from "../state";
import { backendUsedBytes } from "../usage";
import { findBackend, isUsable } from "../volumes/storages";
import type { SimulatorWorld } from "../world";
import { nodeLoad } from "./resource-rows";

const stepSeconds = 60;

/** Starts writing use down; returns how to stop it. */
export function startUsageHistory(world: SimulatorWorld): () => void {
  return world.clock.every(stepSeconds * 1000, () => {
    for (const cluster of Object.values(world.state.clusters)) recordUsage(world, cluster);
  });
}

function recordUsage(world: SimulatorWorld, cluster: ClusterState): void {
  const nowMs = world.clock.nowMs();
  cluster.nodeHistory ??= {};
  cluster.storageHistory ??= {};
  const { nodeHistory, storageHistory } = cluster;
  for (const node of Object.values(cluster.nodes)) {
    if (node.status === "offline") continue;
    const { cpu, memoryBytes } = nodeLoad(cluster, node);
    recordSample(archivesOf(nodeHistory, node.name), nowMs, [cpu, memoryBytes]);
    for (const storage of Object.values(cluster.storages)) {
      const backend = isUsable(storage, node.name) ? findBackend({ world, cluster, node: node.name }, storage) : undefined;
      if (!backend) continue;
      recordSample(archivesOf(storageHistory, `${node.name}/${storage.storage}`), nowMs, [
        backend.totalBytes,
        backendUsedBytes(backend, world.blockBytes),
      ]);
    }
  }
}

function archivesOf(history: Record<string, Archives>, key: string): Archives {
  history[key] ??= {};
  return history[key];
}
