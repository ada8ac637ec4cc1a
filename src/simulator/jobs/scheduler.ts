/** The scheduler of the nodes: once a minute of virtual time it starts the backup jobs whose turn has come. */
import type { ClusterState } from "../kernel";
import { hasQuorum } from "../quorum";
import type { SimulatorWorld } from "../world";
import type { JobOptions } from "./backup-jobs";
import { nextEvent, parseCalendarEvent } from "./calendar";

const periodMs = 60_000;
/** Of the job itself, not of the backup. */
const jobOnly = new Set(["schedule", "enabled", "comment", "repeat-missed", "node"]);

/** Starts the schedulers of all clusters; returns how to stop them. */
export function startSchedulers(world: SimulatorWorld): () => void {
  // What was missed while the simulator did not run is missed.
  for (const cluster of Object.values(world.state.clusters)) {
    for (const [id, job] of Object.entries(cluster.backupJobs)) if (job["repeat-missed"] !== "1") markRun(world, cluster, id);
  }
  /** Workers of each cluster's jobs. */
  const workers = new Map<string, string[]>();
  return world.clock.every(periodMs, () => {
    for (const cluster of Object.values(world.state.clusters)) runDueJobs(world, cluster, workers);
  });
}

function markRun(world: SimulatorWorld, cluster: ClusterState, id: string): void {
  cluster.backupJobTimes = { ...cluster.backupJobTimes, [id]: world.clock.nowMs() };
}

/** A site that is gone, or a cluster without quorum, starts nothing. */
function runDueJobs(world: SimulatorWorld, cluster: ClusterState, workers: Map<string, string[]>): void {
  if (cluster.down || !hasQuorum(cluster)) return;
  for (const [id, job] of Object.entries(cluster.backupJobs)) {
    if (job.enabled === "0" || !isDue(world, cluster, id, job)) continue;
    const key = `${cluster.id}/${id}`;
    // A job that still runs has its next turn as soon as it is over.
    if (workers.get(key)?.some((upid) => world.tasks.isRunning(upid))) continue;
    markRun(world, cluster, id);
    world.touch();
    const upids: string[] = [];
    workers.set(key, upids);
    for (const node of Object.values(cluster.nodes)) {
      const involved = node.status === "online" && (job.node === undefined || job.node === node.name);
      if (involved) void backUp(world, cluster, { node: node.name, id, job, upids });
    }
  }
}

function isDue(world: SimulatorWorld, cluster: ClusterState, id: string, job: JobOptions): boolean {
  const event = parseCalendarEvent(job.schedule ?? "");
  const next = event && nextEvent(event, cluster.backupJobTimes?.[id] ?? world.clock.nowMs());
  return next !== undefined && next <= world.clock.nowMs();
}

interface Turn {
  node: string;
  id: string;
  job: JobOptions;
  /** Gets the worker that is started. */
  upids: string[];
}

async function backUp(world: SimulatorWorld, cluster: ClusterState, { node, id, job, upids }: Turn): Promise<void> {
  const options = Object.fromEntries(Object.entries(job).filter(([key]) => !jobOnly.has(key)));
  const params = { ...options, "job-id": id, quiet: "1" };
  try {
    const { data } = await world.internalCalls.perform({ cluster, node, method: "POST", path: `/nodes/${node}/vzdump`, params });
    // A node without any of the job's guests starts no worker.
    if (typeof data === "string" && data.startsWith("UPID:")) upids.push(data);
    world.event("backup-job", { cluster: cluster.id, node, job: id, upid: data });
  } catch (error) {
    // The scheduler only writes it into the system's log.
    world.event("backup-job-failed", { cluster: cluster.id, node, job: id, message: String(error) });
  }
}
