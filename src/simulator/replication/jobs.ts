/** Replication jobs: their ids, where they lead, when it is their turn. */
import { nextEvent, parseCalendarEvent } from "../jobs/calendar";
import type { ClusterState } from "../kernel";
import type { ReplicationState } from "../state";

export type ReplicationJob = Record<string, string>;

export const jobIdPattern = /^[1-9][0-9]{2,8}-\d{1,9}$/;
const defaultSchedule = "*/15";

export function guestOf(jobId: string): number {
  return Number(jobId.split("-")[0]);
}

export function jobNumberOf(jobId: string): number {
  return Number(jobId.split("-")[1]);
}

/** Jobs of a guest, by id. */
export function jobsOf(cluster: ClusterState, vmid: number): [id: string, job: ReplicationJob][] {
  return Object.entries(cluster.replication).filter(([id]) => guestOf(id) === vmid);
}

export function stateOf(cluster: ClusterState, id: string): ReplicationState {
  return cluster.replicationState?.[id] ?? { lastSyncSeconds: 0, lastTrySeconds: 0, durationSeconds: 0, failures: 0, volids: [], log: [] };
}

export function setState(cluster: ClusterState, id: string, state: ReplicationState): void {
  cluster.replicationState = { ...cluster.replicationState, [id]: state };
}

export function forgetJob(cluster: ClusterState, id: string): void {
  delete cluster.replication[id];
  delete cluster.replicationState?.[id];
}

/** Seconds since the epoch; 0: not before something changes. */
export function nextSyncSeconds(cluster: ClusterState, id: string, job: ReplicationJob): number {
  const state = stateOf(cluster, id);
  if (job.remove_job !== undefined || state.now) return 1;
  if (state.failures > 0) {
    if (cluster.nodes[job.target ?? ""]?.status !== "online") return 0;
    return state.lastTrySeconds + 60 * (state.failures <= 3 ? 5 * state.failures : 30);
  }
  const event = parseCalendarEvent(job.schedule ?? defaultSchedule);
  return Math.floor(((event && nextEvent(event, state.lastTrySeconds * 1000)) ?? 0) / 1000);
}

/** A guest that changed its node: the job leads back to where the guest was. */
export function switchDirection(cluster: ClusterState, vmid: number, from: string, to: string): void {
  for (const [, job] of jobsOf(cluster, vmid)) {
    if (job.target === to) job.target = from;
    job.source = to;
  }
}
