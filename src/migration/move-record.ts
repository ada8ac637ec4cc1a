/** What a move leaves for outputs and the audit log. Pure but for the clock of its pace. */
import { methodOf } from "./methods";
import type { MoveRecord, MoveResult } from "./move-request";
import type { MoveState } from "./move-state";
import { unsealCommand } from "./sealed-source";
import { removalCommand } from "./stranded";

export function recordOf(move: MoveState, result: MoveResult, cause?: unknown): MoveRecord {
  const { source } = move.request;
  const { id, method, target, archive, archiveBytes, startedAt, reached = {}, upids = [] } = move.begun;
  const { keepUntil } = move.source.mark ?? {};
  const sealed = result === "moved" && methodOf({ method }).sealsSource && move.source.config.values.lock !== undefined;
  const leftToDo = [
    ...(sealed ? [`${unsealCommand(source)} on node ${source.node} of ${source.api.clusterId}`] : []),
    ...move.stranded.map((guest) => `${removalCommand(guest)} on node ${guest.node} of ${guest.cluster}`),
  ];
  return {
    id,
    method: methodOf({ method }).name,
    result,
    from: { cluster: source.api.clusterId, node: source.node, vmid: source.vmid },
    to: target,
    ...(archive === undefined ? {} : { archive }),
    ...(archiveBytes === undefined ? {} : { archiveBytes }),
    startedAt,
    finishedAt: new Date(move.pace.nowMs()).toISOString(),
    stages: Object.entries(reached)
      .sort(([, a], [, b]) => a - b)
      .map(([step, seconds]) => ({ step: step as keyof typeof reached, at: new Date(seconds * 1000).toISOString() })),
    upids: [...new Set([...upids, ...move.startedTasks])],
    ...(keepUntil === undefined ? {} : { sourceKeptUntil: keepUntil }),
    ...(move.begun.live ? { liveRestore: true } : {}),
    ...(leftToDo.length > 0 ? { leftToDo: leftToDo.join("; ") } : {}),
    ...(cause === undefined ? {} : { error: cause instanceof Error ? cause.message : String(cause) }),
  };
}
