/** Clusters as they are declared, empty: what placement can go by when none of them answers. Pure. */
import type { Cluster, StorageBackend } from "../../config";
import type { NodeRow, StorageRow } from "../../proxmox";
import type { ClusterRows } from "../snapshot";

/** Large enough for any disk, and small enough to compute with. */
const UNDECLARED_BYTES = 2 ** 50;

/** Types whose storages all nodes see as one. */
const SHARED_TYPES = new Set(["ceph", "cephfs", "rbd", "nfs", "cifs", "smb", "iscsi", "pbs"]);

export function declaredRows(cluster: Cluster): ClusterRows {
  const nodes = cluster.nodes.map(
    ({ name, cores, memoryBytes }): NodeRow => ({ kind: "node", node: name, status: "online", maxCpu: cores, maxMemoryBytes: memoryBytes }),
  );
  return { guests: [], nodes, storages: backendsOf(cluster).flatMap((backend) => nodes.map(({ node }) => storageRow(backend, node))) };
}

function storageRow(
  { name, type, capacityBytes, availableBytes }: Pick<StorageBackend, "name" | "type" | "capacityBytes" | "availableBytes">,
  node: string,
): StorageRow {
  const totalBytes = capacityBytes ?? UNDECLARED_BYTES;
  return {
    kind: "storage",
    storage: name,
    node,
    status: "available",
    shared: SHARED_TYPES.has(type?.toLowerCase() ?? ""),
    content: ["images"],
    totalBytes,
    usedBytes: availableBytes === undefined ? 0 : Math.max(0, totalBytes - availableBytes),
  };
}

/** Declared backends, and storages that are only named as primary or by a class. */
function backendsOf(cluster: Cluster): Pick<StorageBackend, "name" | "type" | "capacityBytes" | "availableBytes">[] {
  const { backends } = cluster.storage;
  return [...backends, ...namedOnly(cluster).map((name) => ({ name }))];
}

function namedOnly({ storage: { primary, classes, backends } }: Cluster): string[] {
  const named = [...(primary === undefined ? [] : [primary]), ...Object.values(classes)];
  return [...new Set(named)].filter((name) => !backends.some((backend) => backend.name === name));
}

/** Storages of the cluster whose size the file does not tell: taken to be large enough. */
export function undeclaredStorages(cluster: Cluster): string[] {
  const sizeless = cluster.storage.backends.filter(({ capacityBytes }) => capacityBytes === undefined).map(({ name }) => name);
  return [...sizeless, ...namedOnly(cluster)];
}
