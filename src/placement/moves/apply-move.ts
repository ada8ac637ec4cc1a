import type { ClusterFacts, GuestFacts, Inventory, NodeFacts, Placement, PlacementRequest, StorageFacts } from "../model";
import { wholeNonNegative } from "../numbers";

/** The inventory once the guest has moved: it is on the other node, and its disks are where they belong then. The given one is not changed. */
export function withMove(inventory: Inventory, request: PlacementRequest, from: Placement, to: Placement): Inventory {
  const source = inventory.clusters.find(({ id }) => id === from.cluster)?.nodes.find(({ name }) => name === from.node);
  const guest = source?.guests.find(({ key }) => key === request.key);
  if (guest === undefined) return inventory;
  const clusters = inventory.clusters.map((cluster) => {
    const left = cluster.id === from.cluster ? without(cluster, request, from) : cluster;
    return left.id === to.cluster ? withGuest(left, guest, request, to) : left;
  });
  return { ...inventory, clusters };
}

function without(cluster: ClusterFacts, request: PlacementRequest, from: Placement): ClusterFacts {
  const nodes = cluster.nodes.map((node) =>
    node.name === from.node
      ? { ...node, guests: node.guests.filter(({ key }) => key !== request.key), ...memory(node, request, -1) }
      : node,
  );
  return { ...cluster, nodes, storages: cluster.storages.map((storage) => withDisks(storage, request, from, -1)) };
}

function withGuest(cluster: ClusterFacts, guest: GuestFacts, request: PlacementRequest, to: Placement): ClusterFacts {
  const disks = request.disks.map(({ sizeBytes }, index) => ({ storage: to.storages[index] ?? "", sizeBytes }));
  const arrived: GuestFacts = guest.disks === undefined ? guest : { ...guest, disks };
  const nodes = cluster.nodes.map((node) =>
    node.name === to.node ? { ...node, guests: [...node.guests, arrived], ...memory(node, request, 1) } : node,
  );
  return { ...cluster, nodes, storages: cluster.storages.map((storage) => withDisks(storage, request, to, 1)) };
}

/** Live use, where it is known. */
function memory({ usedMemoryMiB }: NodeFacts, { memoryMiB }: PlacementRequest, sign: 1 | -1): Partial<NodeFacts> {
  return usedMemoryMiB === undefined ? {} : { usedMemoryMiB: Math.max(0, usedMemoryMiB + sign * wholeNonNegative(memoryMiB)) };
}

function withDisks(storage: StorageFacts, { disks }: PlacementRequest, place: Placement, sign: 1 | -1): StorageFacts {
  if (!storage.nodes.includes(place.node)) return storage;
  const bytes = disks.reduce(
    (sum, { sizeBytes }, index) => sum + (place.storages[index] === storage.storage ? wholeNonNegative(sizeBytes) : 0),
    0,
  );
  if (bytes === 0) return storage;
  const moved = (amount: number) => Math.max(0, amount + sign * bytes);
  const allocatedBytes = storage.allocatedBytes === undefined ? undefined : moved(storage.allocatedBytes);
  return { ...storage, usedBytes: moved(storage.usedBytes), allocatedBytes };
}
