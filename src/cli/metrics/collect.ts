/** The federation's state as Prometheus metrics. The names are documented in docs/metrics.md and a promise to dashboards. */
import { Counter, Gauge, Registry } from "prom-client";
import type { MigrationPath } from "../../config";
import type { AuditEntry } from "../../providers/audit";
import type { Capacity } from "../status/capacity";
import type { ClusterReport, LiveReport, StatusReport } from "../status/report";

const PREFIX = "proxmox_federation_";
const MOVE_RESULTS: readonly AuditEntry["result"][] = ["moved", "rolled-back", "unfinished"];

export interface Collected {
  status: StatusReport;
  /** How long asking all clusters took. */
  scrapeSeconds: number;
  /** Absent where no audit log is kept. */
  moves?: {
    log: readonly Pick<AuditEntry, "result" | "from" | "to">[];
    /** The declared ways: they have series from the start. */
    paths: readonly Pick<MigrationPath, "sourceCluster" | "targetCluster">[];
  };
}

export function toRegistry({ status: { federation, clusters, records }, scrapeSeconds, moves: ended }: Collected): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ federation });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers: [registry] });

  gauge("scrape_duration_seconds", "How long asking all clusters took.", []).set(scrapeSeconds);
  const up = gauge("cluster_up", "1: the cluster answers. 0: it cannot be reached or refuses. Absent: it is declared lost.", ["cluster"]);
  const degraded = gauge("cluster_problems", "Things wrong with a cluster that answers.", ["cluster"]);
  const latency = gauge("cluster_api_latency_seconds", "Answer time of a small API call from here.", ["cluster"]);
  const quorate = gauge("cluster_quorate", "1: the cluster has quorum. Absent: the token may not see it.", ["cluster"]);
  const nodes = gauge("cluster_nodes", "Nodes by state.", ["cluster", "state"]);
  const guests = gauge("cluster_guests", "Guests by state.", ["cluster", "state"]);
  const tasks = gauge("cluster_running_tasks", "Running tasks by type.", ["cluster", "type"]);
  const moves = gauge("unfinished_moves", "Guests whose move between clusters has begun and not ended, as seen on this cluster.", [
    "cluster",
  ]);
  const oldestMove = gauge("unfinished_move_start_seconds", "Unix time at which the oldest unfinished move began.", ["cluster"]);
  const backupAge = gauge("backup_age_seconds", "Age of a guest's newest scheduled backup; absent without one.", [
    "cluster",
    "pool",
    "vmid",
    "name",
  ]);
  const copyAge = gauge("backup_copy_age_seconds", "Age of the newest backup of a guest that the cluster `at` has; absent without one.", [
    "cluster",
    "at",
    "pool",
    "vmid",
    "name",
  ]);
  const backupLimit = gauge("backup_rpo_seconds", "How old the newest backup of a guest of the pool may become.", ["pool"]);
  const unprotected = gauge("guests_without_backup", "Guests of a pool with scheduled backups that have none.", ["cluster", "pool"]);
  const tested = gauge("restore_tested_time_seconds", "Unix time of the pool's newest successful drill; absent without one.", ["pool"]);
  const due = gauge("restore_test_period_seconds", "How long a successful drill of the pool counts.", ["pool"]);
  for (const { pool, newest, periodMs } of records.restores) {
    due.set({ pool }, periodMs / 1000);
    if (newest) tested.set({ pool }, Date.parse(newest.at) / 1000);
  }
  const amounts = capacityGauges(gauge);
  const attempts = new Counter({
    name: `${PREFIX}moves_total`,
    help: "Moves in the audit log by how they ended: moved, rolled-back, unfinished.",
    labelNames: ["from", "to", "result"],
    registers: [registry],
  });
  // A series that begins at 1 has no increase, and nobody would be alarmed by the first move that fails on a path.
  for (const { sourceCluster: from, targetCluster: to } of ended?.paths ?? [])
    for (const result of MOVE_RESULTS) attempts.inc({ from, to, result }, 0);
  for (const { from, to, result } of ended?.log ?? []) attempts.inc({ from: from.cluster, to: to.cluster, result });

  for (const cluster of clusters) {
    const { id } = cluster;
    if (cluster.health !== "not-contacted") up.set({ cluster: id }, cluster.live ? 1 : 0);
    const { live } = cluster;
    if (!live) continue;
    degraded.set({ cluster: id }, cluster.problems.length);
    latency.set({ cluster: id }, live.latencyMs / 1000);
    if (live.quorate !== undefined) quorate.set({ cluster: id }, live.quorate ? 1 : 0);
    nodes.set({ cluster: id, state: "online" }, live.nodes.online);
    nodes.set({ cluster: id, state: "offline" }, live.nodes.total - live.nodes.online);
    guests.set({ cluster: id, state: "running" }, live.guests.running);
    guests.set({ cluster: id, state: "stopped" }, live.guests.total - live.guests.running);
    guests.set({ cluster: id, state: "template" }, live.guests.templates);
    for (const { type } of live.tasks) tasks.inc({ cluster: id, type });
    moves.set({ cluster: id }, live.moves.length);
    const begun = firstMove(live);
    if (begun !== undefined) oldestMove.set({ cluster: id }, begun);
    amounts(cluster, live.capacity);
    for (const { pool, vmid, name, ageSeconds, rpoSeconds, copies = [] } of live.backups) {
      if (rpoSeconds !== undefined) backupLimit.set({ pool }, rpoSeconds);
      if (ageSeconds !== undefined) backupAge.set({ cluster: id, pool, vmid, name }, ageSeconds);
      for (const copy of copies)
        if (copy.ageSeconds !== undefined) copyAge.set({ cluster: id, at: copy.cluster, pool, vmid, name }, copy.ageSeconds);
      unprotected.inc({ cluster: id, pool }, ageSeconds === undefined ? 1 : 0);
    }
  }
  return registry;
}

type MakeGauge = <L extends string>(name: string, help: string, labelNames: L[]) => Gauge<L>;

function capacityGauges(gauge: MakeGauge): (cluster: ClusterReport, capacity: Capacity) => void {
  const kinds =
    "total: physical; grantable: after over-commit and reserve; allocated: handed out; available: what placement would still give";
  const cores = gauge("cluster_cpu_cores", `CPU cores. ${kinds}.`, ["cluster", "kind"]);
  const memory = gauge("cluster_memory_bytes", `Memory. ${kinds}; used: live.`, ["cluster", "kind"]);
  const storage = gauge("storage_bytes", "Storage; node is empty for a shared one. total, used, available (to placement).", [
    "cluster",
    "storage",
    "node",
    "kind",
  ]);
  const pressure = gauge("cluster_pressure_ratio", "0 to 1: how far use is above the threshold, on the node under most pressure.", [
    "cluster",
    "resource",
  ]);
  return ({ id: cluster }, { cpu, memory: ram, storages }) => {
    cores.set({ cluster, kind: "total" }, cpu.cores);
    cores.set({ cluster, kind: "grantable" }, cpu.grantableCores);
    cores.set({ cluster, kind: "allocated" }, cpu.allocatedCores);
    cores.set({ cluster, kind: "available" }, cpu.availableCores);
    memory.set({ cluster, kind: "total" }, ram.totalBytes);
    memory.set({ cluster, kind: "grantable" }, ram.grantableBytes);
    memory.set({ cluster, kind: "allocated" }, ram.allocatedBytes);
    memory.set({ cluster, kind: "available" }, ram.availableBytes);
    if (ram.usedBytes !== undefined) memory.set({ cluster, kind: "used" }, ram.usedBytes);
    for (const { storage: name, node = "", totalBytes, usedBytes, availableBytes } of storages) {
      storage.set({ cluster, storage: name, node, kind: "total" }, totalBytes);
      storage.set({ cluster, storage: name, node, kind: "used" }, usedBytes);
      storage.set({ cluster, storage: name, node, kind: "available" }, availableBytes);
    }
    pressure.set({ cluster, resource: "cpu" }, cpu.pressurePermille / 1000);
    pressure.set({ cluster, resource: "memory" }, ram.pressurePermille / 1000);
    pressure.set({ cluster, resource: "storage" }, Math.max(0, ...storages.map(({ pressurePermille }) => pressurePermille)) / 1000);
  };
}

function firstMove({ moves }: LiveReport): number | undefined {
  const starts = moves.flatMap(({ startedAt }) => (startedAt === undefined ? [] : [Date.parse(startedAt) / 1000])).filter(Number.isFinite);
  return starts.length === 0 ? undefined : Math.min(...starts);
}
