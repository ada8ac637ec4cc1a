/** Rows of `/cluster/resources`, shared by pools and node lists. */
import { flagOf } from "../answers";
import { memoryBytes } from "../broadcast";
import type { Call, ClusterState, GuestState, StorageState } from "../kernel";
import type { NodeState } from "../state";
import { backendUsedBytes } from "../usage";

/** Memory the host itself uses. */
const hostMemoryBytes = 2 * 1024 ** 3;
/** Root file system of every node. */
export const rootDiskBytes = 100 * 1024 ** 3;
export const rootUsedBytes = 8 * 1024 ** 3;
/** Share of its memory and of its cores a running guest uses. */
const guestMemoryShare = 0.5;
const guestCpuShare = 0.1;

type Row = Record<string, unknown>;

export function poolOf(cluster: ClusterState, vmid: number): string | undefined {
  return Object.keys(cluster.pools).find((poolid) => cluster.pools[poolid]?.vms.includes(vmid));
}

/** One guest: node, tags, lock and pool as they are, the rest as last broadcast (`unknown` before the first time). */
export function guestRow(call: Call, guest: GuestState): Row {
  const { cluster } = call;
  const pool = poolOf(cluster, guest.vmid);
  const tags = guest.config.tags;
  const sid = `vm:${guest.vmid}`;
  const ha = cluster.ha.services?.[sid] ?? cluster.ha.resources[sid];
  const sent = cluster.broadcast.guests[guest.vmid];
  const running = sent?.status === "running";
  return {
    id: `qemu/${guest.vmid}`,
    type: "qemu",
    vmid: guest.vmid,
    node: guest.node,
    // Whose pool it is, only those may know who may see the pool.
    ...(pool !== undefined && call.hasPrivilege(`/pool/${pool}`, "Pool.Audit") ? { pool } : {}),
    ...(tags === undefined ? {} : { tags }),
    ...(guest.config.lock === undefined ? {} : { lock: guest.config.lock }),
    ...(ha === undefined ? {} : { hastate: ha.state ?? "started" }),
    ...(sent === undefined
      ? { status: "unknown" }
      : {
          status: sent.status,
          name: sent.name,
          template: flagOf(sent.template),
          maxcpu: sent.maxcpu,
          cpu: running ? guestCpuShare : 0,
          maxmem: sent.maxmem,
          mem: running ? Math.floor(sent.maxmem * guestMemoryShare) : 0,
          ...(cluster.era === "9.2" ? { memhost: running ? Math.floor(sent.maxmem * guestMemoryShare) : 0 } : {}),
          maxdisk: sent.maxdisk,
          disk: 0,
          diskread: 0,
          diskwrite: 0,
          netin: 0,
          netout: 0,
          uptime: sent.uptimeSeconds ?? 0,
        }),
  };
}

/** One row per storage and node that may use it, as far as the caller may see the storage. */
export function storageRows(call: Call): Row[] {
  const storages = Object.values(call.cluster.storages).filter((storage) => !storage.disabled);
  return storages.flatMap((storage) => {
    if (!call.hasPrivilege(`/storage/${storage.storage}`, "Datastore.Audit")) return [];
    const nodes = Object.keys(call.cluster.nodes).filter((node) => !storage.nodes?.length || storage.nodes.includes(node));
    return nodes.map((node) => storageRow(call, storage, node));
  });
}

export function storageRow(call: Call, storage: StorageState, node: string): Row {
  const backend = call.world.state.backends[storage.backends[node] ?? storage.backends["*"] ?? ""];
  return {
    id: `storage/${node}/${storage.storage}`,
    type: "storage",
    storage: storage.storage,
    node,
    plugintype: storage.type,
    content: storage.content.join(","),
    shared: flagOf(storage.shared),
    ...(backend
      ? { status: "available", maxdisk: backend.totalBytes, disk: backendUsedBytes(backend, call.world.blockBytes) }
      : { status: "unknown" }),
  };
}

/** One node. Without Sys.Audit on it only what everybody sees. */
export function nodeRow(call: Call, node: NodeState): Row {
  const basic = {
    id: `node/${node.name}`,
    type: "node",
    node: node.name,
    status: node.status === "offline" ? "offline" : "online",
    level: "",
  };
  if (!call.hasPrivilege(`/nodes/${node.name}`, "Sys.Audit")) return basic;
  const capacity = { maxcpu: node.cores, maxmem: node.memoryBytes, maxdisk: rootDiskBytes };
  if (node.status === "offline") return { ...basic, ...capacity };
  const load = nodeLoad(call.cluster, node);
  return { ...basic, ...capacity, cpu: load.cpu, mem: load.memoryBytes, disk: rootUsedBytes, uptime: uptimeSeconds(call, node) };
}

/** What the running guests make of a node. */
export function nodeLoad(cluster: ClusterState, node: NodeState): { cpu: number; memoryBytes: number } {
  const running = Object.values(cluster.guests).filter((guest) => guest.node === node.name && guest.running);
  const configs = running.map((guest) => guest.runningConfig ?? guest.config);
  const busyCores = configs.reduce((sum, config) => sum + Number(config.cores ?? 1) * Number(config.sockets ?? 1) * guestCpuShare, 0);
  const usedBytes = configs.reduce((sum, config) => sum + memoryBytes(config) * guestMemoryShare, 0);
  return {
    cpu: Math.min(1, busyCores / node.cores),
    memoryBytes: Math.min(node.memoryBytes, Math.floor(hostMemoryBytes + usedBytes)),
  };
}

export function uptimeSeconds(call: Call, node: NodeState): number {
  return Math.max(0, Math.floor((call.world.clock.nowMs() - (node.bootedAtMs ?? 0)) / 1000));
}
