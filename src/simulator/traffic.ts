/** How many bytes each worker moved, and through what: what a test measures a move by. */
import type { TransferKind } from "./kernel";
import { isNetworkResource } from "./network";
import type { FederationState, TaskState, TaskTraffic } from "./state";

export interface Moved {
  kind: TransferKind;
  through: readonly string[];
  bytes: number;
}

export function recordTraffic(task: TaskState, { kind, through, bytes }: Moved): void {
  const traffic: TaskTraffic = task.traffic ?? { readBytes: 0, writtenBytes: 0, networkBytes: 0, byResource: {} };
  task.traffic = traffic;
  if (kind !== "write") traffic.readBytes += bytes;
  if (kind !== "read") traffic.writtenBytes += bytes;
  if (through.some(isNetworkResource)) traffic.networkBytes += bytes;
  for (const resource of new Set(through)) traffic.byResource[resource] = (traffic.byResource[resource] ?? 0) + bytes;
}

export interface TaskTrafficReport extends TaskTraffic {
  /** Or the backup server. */
  cluster: string;
  upid: string;
  type: string;
  id: string;
  startMs: number;
  endMs?: number;
  exitStatus?: string;
}

/** Every remembered worker that moved bytes, in the order of their starts. */
export function listTraffic(state: FederationState): TaskTrafficReport[] {
  const owners = [...Object.values(state.clusters), ...Object.values(state.backupServers ?? {})];
  const reports = owners.flatMap((owner) =>
    Object.values(owner.tasks).flatMap(({ traffic, upid, type, id, startMs, endMs, exitStatus }) =>
      traffic ? [{ cluster: owner.id, upid, type, id, startMs, endMs, exitStatus, ...traffic }] : [],
    ),
  );
  return reports.sort((a, b) => a.startMs - b.startMs);
}
