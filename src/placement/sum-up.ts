/** What the inventory of a cluster comes to before anything is placed. */
import type { StorageFacts } from "./model";
import { cpuMilli, guestDiskBytes, guestMemoryUse, type NodeState } from "./node-state";
import { wholeNonNegative } from "./numbers";
import { compareText } from "./order";
import { type PoolUse, type PoolUses, poolUse } from "./pool-use";
import type { ClusterState } from "./world";

/** Counts the live guests of a node. */
export function sumUp(pools: PoolUses, node: NodeState): void {
  let cpu = 0;
  let memoryMiB = 0;
  let guests = 0;
  // Most guests of a node are of the pool of the one before.
  let pool: string | undefined;
  let use: PoolUse | undefined;
  const live = node.facts.guests;
  // By position: until a loop is compiled, an iterator makes an object for each step.
  for (let index = 0; index < live.length; index++) {
    const guest = live[index]!;
    if (guest.disks !== undefined) node.listsDisks = true;
    if (!node.counts(guest)) {
      node.memoryUsedMiB -= guestMemoryUse(guest);
      continue;
    }
    const guestCpu = cpuMilli(guest.cores);
    const guestMemoryMiB = wholeNonNegative(guest.memoryMiB);
    cpu += guestCpu;
    memoryMiB += guestMemoryMiB;
    guests += 1;
    if (guest.pool === undefined) continue;
    if (use === undefined || guest.pool !== pool) {
      pool = guest.pool;
      use = poolUse(pools, pool);
    }
    use.guests += 1;
    use.cpuMilli += guestCpu;
    use.memoryMiB += guestMemoryMiB;
    use.storageBytes += guestDiskBytes(guest);
  }
  node.cpuAllocatedMilli = cpu;
  node.memoryAllocatedMiB = memoryMiB;
  node.cluster.guests += guests;
  // Use below zero is an artefact of stale figures; unknown use is the allocation.
  node.memoryUsedMiB = node.facts.usedMemoryMiB === undefined ? memoryMiB : Math.max(0, node.memoryUsedMiB);
}

/** Several entries of one id are local storages of that name; where two claim the same node the first in order counts. */
export function addStorages(cluster: ClusterState): void {
  const { facts } = cluster;
  const ordered = [...facts.storages].sort(
    (left, right) => compareText(left.storage, right.storage) || compareText(left.nodes.join(), right.nodes.join()),
  );
  for (const storageFacts of ordered) {
    const storage = {
      facts: storageFacts,
      totalBytes: wholeNonNegative(storageFacts.totalBytes),
      usedBytes: wholeNonNegative(storageFacts.usedBytes),
      allocatedBytes: 0,
    };
    storage.allocatedBytes = wholeNonNegative(storageFacts.allocatedBytes, provisionedOn(cluster, storageFacts));
    cluster.storages.push(storage);
    for (const name of storageFacts.nodes) {
      const node = cluster.nodeByName.get(name);
      if (node !== undefined && !node.storages.has(storageFacts.storage)) node.storages.set(storageFacts.storage, storage);
    }
  }
}

function provisionedOn(cluster: ClusterState, storage: StorageFacts): number {
  let bytes = 0;
  for (const name of storage.nodes) {
    const node = cluster.nodeByName.get(name);
    if (node === undefined || !node.listsDisks) continue;
    for (const guest of node.facts.guests) {
      for (const disk of guest.disks ?? []) bytes += disk.storage === storage.storage ? wholeNonNegative(disk.sizeBytes) : 0;
    }
  }
  return bytes;
}
