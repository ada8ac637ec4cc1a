/** How full a cluster is, by the rules placement decides with. Pure. */
import {
  type ClusterFacts,
  cpuCapacityMilli,
  memoryCapacityMiB,
  type NodeFacts,
  pressurePermille,
  storageAvailableBytes,
} from "../../placement";

const MIB = 1024 * 1024;

export interface Capacity {
  cpu: CpuUse;
  memory: MemoryUse;
  storages: StorageUse[];
}

export interface CpuUse {
  /** Physical cores of the nodes that are online. */
  cores: number;
  /** What may be handed out: over-commit less reserve. */
  grantableCores: number;
  allocatedCores: number;
  /** Sum over the nodes of what each can still take. */
  availableCores: number;
  /** 0 to 1000, of the node under most pressure. */
  pressurePermille: number;
}

export interface MemoryUse {
  totalBytes: number;
  grantableBytes: number;
  allocatedBytes: number;
  availableBytes: number;
  /** Live; absent where no node tells. */
  usedBytes?: number;
  pressurePermille: number;
}

export interface StorageUse {
  storage: string;
  /** Of a local storage. */
  node?: string;
  totalBytes: number;
  usedBytes: number;
  /** What placement would still put there. */
  availableBytes: number;
  pressurePermille: number;
}

export function capacityOf(cluster: ClusterFacts): Capacity {
  const nodes = cluster.nodes.filter(({ online }) => online);
  return { cpu: cpuOf(cluster, nodes), memory: memoryOf(cluster, nodes), storages: storagesOf(cluster) };
}

function cpuOf({ capacityRules }: ClusterFacts, nodes: readonly NodeFacts[]): CpuUse {
  const perNode = nodes.map((node) => {
    const grantable = cpuCapacityMilli(node, capacityRules) / 1000;
    const allocated = sum(node.guests.map(({ cores }) => cores));
    const pressure = pressurePermille(allocated, node.cores * capacityRules.overcommit.cpu, capacityRules.pressureThreshold.cpu);
    return { cores: node.cores, grantable, allocated, available: Math.max(0, grantable - allocated), pressure };
  });
  return {
    cores: sum(perNode.map(({ cores }) => cores)),
    grantableCores: sum(perNode.map(({ grantable }) => grantable)),
    allocatedCores: sum(perNode.map(({ allocated }) => allocated)),
    availableCores: sum(perNode.map(({ available }) => available)),
    pressurePermille: Math.max(0, ...perNode.map(({ pressure }) => pressure)),
  };
}

function memoryOf({ capacityRules }: ClusterFacts, nodes: readonly NodeFacts[]): MemoryUse {
  const perNode = nodes.map((node) => {
    const grantable = memoryCapacityMiB(node, capacityRules);
    const allocated = sum(node.guests.map(({ memoryMiB }) => memoryMiB));
    // As placement has it: use that nobody tells is taken to be what was handed out.
    const used = node.usedMemoryMiB ?? allocated;
    const pressure = pressurePermille(used, node.memoryMiB, capacityRules.pressureThreshold.memory);
    return { total: node.memoryMiB, grantable, allocated, available: Math.max(0, grantable - allocated), pressure };
  });
  const told = nodes.flatMap(({ usedMemoryMiB }) => usedMemoryMiB ?? []);
  return {
    totalBytes: sum(perNode.map(({ total }) => total)) * MIB,
    grantableBytes: sum(perNode.map(({ grantable }) => grantable)) * MIB,
    allocatedBytes: sum(perNode.map(({ allocated }) => allocated)) * MIB,
    availableBytes: sum(perNode.map(({ available }) => available)) * MIB,
    ...(told.length === 0 ? {} : { usedBytes: sum(told) * MIB }),
    pressurePermille: Math.max(0, ...perNode.map(({ pressure }) => pressure)),
  };
}

/** What guests have been promised on a thin storage is not in `/cluster/resources`: only what is used counts here. */
function storagesOf({ capacityRules, storages }: ClusterFacts): StorageUse[] {
  return storages.map((facts) => ({
    storage: facts.storage,
    ...(facts.shared ? {} : { node: facts.nodes[0] }),
    totalBytes: facts.totalBytes,
    usedBytes: facts.usedBytes,
    availableBytes: storageAvailableBytes(facts, capacityRules, facts.usedBytes, facts.allocatedBytes ?? 0),
    pressurePermille: pressurePermille(facts.usedBytes, facts.totalBytes, capacityRules.pressureThreshold.storage),
  }));
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
