import type { GuestRow, NodeRow, PoolRow, ResourceRow, StorageRow } from "./api";
import { booleanOf, compact, itemsOf, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "./rows";
import { splitTags } from "./tags";

const guestStatuses = ["running", "stopped", "paused"] as const;

/** Guest of `/cluster/resources` or `/nodes/{node}/qemu` (which leaves out type and node). */
export function guestRowOf(row: Row, guestType: "qemu" | "lxc", node: string): GuestRow | undefined {
  const vmid = numberOf(row.vmid);
  if (vmid === undefined) return undefined;
  return compact<GuestRow>({
    kind: "guest",
    guestType,
    vmid,
    node,
    name: nonEmptyOf(row.name),
    status: guestStatuses.find((status) => status === row.status) ?? "unknown",
    template: booleanOf(row.template),
    tags: splitTags(textOf(row.tags) ?? ""),
    lock: nonEmptyOf(row.lock),
    pool: nonEmptyOf(row.pool),
    haState: nonEmptyOf(row.hastate),
    maxCpu: numberOf(row.maxcpu ?? row.cpus),
    maxMemoryBytes: numberOf(row.maxmem),
    memoryBytes: numberOf(row.mem),
    maxDiskBytes: numberOf(row.maxdisk),
    cpu: numberOf(row.cpu),
    uptimeSeconds: numberOf(row.uptime),
  });
}

function nodeRowOf(row: Row): NodeRow | undefined {
  const node = nonEmptyOf(row.node);
  if (node === undefined) return undefined;
  return compact<NodeRow>({
    kind: "node",
    node,
    status: row.status === "online" || row.status === "offline" ? row.status : "unknown",
    maxCpu: numberOf(row.maxcpu),
    cpu: numberOf(row.cpu),
    maxMemoryBytes: numberOf(row.maxmem),
    memoryBytes: numberOf(row.mem),
  });
}

function storageRowOf(row: Row): StorageRow | undefined {
  const storage = nonEmptyOf(row.storage);
  const node = nonEmptyOf(row.node);
  if (storage === undefined || node === undefined) return undefined;
  return compact<StorageRow>({
    kind: "storage",
    storage,
    node,
    status: row.status === "available" ? "available" : "unknown",
    shared: booleanOf(row.shared),
    pluginType: nonEmptyOf(row.plugintype),
    content: itemsOf(row.content),
    usedBytes: numberOf(row.disk),
    totalBytes: numberOf(row.maxdisk),
  });
}

function poolRowOf(row: Row): PoolRow | undefined {
  const pool = nonEmptyOf(row.pool);
  return pool === undefined ? undefined : { kind: "pool", pool };
}

/** Rows of `/cluster/resources`; kinds nobody here knows (SDN, …) are left out. */
export function resourceRowsOf(data: unknown): ResourceRow[] {
  return rowsOf(data)
    .map((row): ResourceRow | undefined => {
      switch (row.type) {
        case "qemu":
        case "lxc": {
          const node = nonEmptyOf(row.node);
          return node === undefined ? undefined : guestRowOf(row, row.type, node);
        }
        case "node":
          return nodeRowOf(row);
        case "storage":
          return storageRowOf(row);
        case "pool":
          return poolRowOf(row);
        default:
          return undefined;
      }
    })
    .filter((row) => row !== undefined);
}
