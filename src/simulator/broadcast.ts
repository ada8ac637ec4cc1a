/**
 * The statistics daemon: every ten seconds each node tells the cluster how its guests are. What
 * `/cluster/resources` says of a guest beside tags, lock and pool is that old.
 */
import type { BroadcastRow, ClusterState, GuestState } from "./state";
import type { SimulatorWorld } from "./world";

export const broadcastPeriodMs = 10_000;
/** What was last said of a guest is forgotten after that long. */
const broadcastLifetimeMs = 300_000;

/** Sends a cluster's statistics now. */
export function broadcast(cluster: ClusterState, nowMs: number): void {
  const guests: Record<string, BroadcastRow> = {};
  // Also of guests that are gone: a new guest with an old id shows the old one's name until its node speaks.
  for (const [vmid, last] of Object.entries(cluster.broadcast.guests)) {
    if (nowMs - (last.sentAtMs ?? 0) < broadcastLifetimeMs) guests[vmid] = last;
  }
  for (const [vmid, guest] of Object.entries(cluster.guests)) {
    if (cluster.nodes[guest.node]?.status !== "offline") guests[vmid] = summarize(guest, nowMs);
  }
  cluster.broadcast = { atMs: nowMs, guests };
}

/** Starts the daemons of all clusters; returns how to stop them. */
export function startBroadcasts(world: SimulatorWorld): () => void {
  return world.clock.every(broadcastPeriodMs, () => {
    for (const cluster of Object.values(world.state.clusters)) broadcast(cluster, world.clock.nowMs());
    world.touch();
  });
}

function summarize(guest: GuestState, nowMs: number): BroadcastRow {
  const config = guest.running ? (guest.runningConfig ?? guest.config) : guest.config;
  return {
    // The name needs no restart, unlike memory and cores.
    name: guest.config.name ?? `VM ${guest.vmid}`,
    status: guest.running ? "running" : "stopped",
    template: guest.config.template === "1",
    maxmem: memoryBytes(config),
    maxcpu: cpuCount(config),
    maxdisk: bootDiskBytes(config),
    uptimeSeconds: guest.running && guest.startedAtMs !== undefined ? Math.floor((nowMs - guest.startedAtMs) / 1000) : 0,
    sentAtMs: nowMs,
  };
}

/** Memory a configuration asks for; 512 MiB when it says nothing. */
export function memoryBytes(config: Record<string, string>): number {
  const mebibytes = Number(/^(?:current=)?(\d+)/.exec(config.memory ?? "512")?.[1] ?? 512);
  return mebibytes * 1024 * 1024;
}

export function cpuCount(config: Record<string, string>): number {
  const all = Number(config.cores ?? 1) * Number(config.sockets ?? 1);
  return config.vcpus === undefined ? all : Math.min(all, Number(config.vcpus));
}

/** Size of the first disk in boot order; 0 when there is none. */
export function bootDiskBytes(config: Record<string, string>): number {
  const order = /(?:^|,)order=([^,]*)/.exec(config.boot ?? "")?.[1]?.split(";") ?? [];
  for (const key of [...order, "bootdisk" in config ? config.bootdisk! : ""]) {
    const drive = config[key];
    const size = /(?:^|,)size=(\d+(?:\.\d+)?)([KMGT]?)(?:,|$)/.exec(drive ?? "");
    if (!size || /(?:^|,)media=cdrom(?:,|$)/.test(drive ?? "")) continue;
    return Math.floor(Number(size[1]) * 1024 ** ["", "K", "M", "G", "T"].indexOf(size[2] ?? ""));
  }
  return 0;
}
