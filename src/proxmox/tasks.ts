import type { CallOptions, ProxmoxApi, TaskFilter, TaskResult, TaskStatus, Upid, WaitOptions } from "./api";
import type { Caller } from "./call";
import { segment } from "./encoding";
import { type CallContext, CancelledError, isProxmoxError, TaskTimeoutError } from "./errors";
import { isRow, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "./rows";
import { exitOf, taskFailed } from "./task-exit";
import { isUpid, parseUpid } from "./upid";

const firstPollMs = 100;
const slowestPollMs = 2_000;
const defaultTimeoutMs = 60 * 60_000;
/** How long the API may be unreachable while a task is waited for: a daemon's restart, a node that fails over. */
const toleratedOutageMs = 2 * 60_000;
/** Lines per log request; Proxmox's own default is 50. */
const logPageLines = 500;

/** Where a server's tasks differ from Proxmox VE's. */
export interface TaskDialect {
  /** Node in the paths; default: the one in the UPID. */
  node?: string;
  /** Number of a log's first line, as `start` counts. Default 0. */
  firstLine?: 0 | 1;
}

export function taskCalls(call: Caller, { node: fixedNode, firstLine = 0 }: TaskDialect = {}): ProxmoxApi["tasks"] {
  const path = (upid: Upid): string => `/nodes/${segment(fixedNode ?? parseUpid(upid).node)}/tasks/${segment(upid)}`;

  async function getStatus(upid: Upid, options?: CallOptions): Promise<TaskStatus> {
    const row = await call.getRow(`${path(upid)}/status`, {}, options);
    return statusOf(upid, nonEmptyOf(row.status) === "stopped", nonEmptyOf(row.exitstatus), undefined);
  }

  async function getLog(upid: Upid, options: CallOptions & { start?: number; limit?: number } = {}): Promise<string[]> {
    const { start = 0, limit = Number.POSITIVE_INFINITY, ...rest } = options;
    const lines: string[] = [];
    while (lines.length < limit) {
      const wanted = Math.min(logPageLines, limit - lines.length);
      const page = logLines(await call.get(`${path(upid)}/log`, { start: firstLine + start + lines.length, limit: wanted }, rest));
      lines.push(...page);
      if (page.length < wanted) break;
    }
    return lines;
  }

  async function list(node: string, filter: TaskFilter, options?: CallOptions): Promise<TaskStatus[]> {
    const { vmid, typeFilter, source = "all", sinceSeconds, limit } = filter;
    const rows = rowsOf(
      await call.get(`/nodes/${segment(node)}/tasks`, { vmid, typefilter: typeFilter, source, since: sinceSeconds, limit }, options),
    );
    return rows.map(listedTask).filter((task) => task !== undefined);
  }

  const stop = (upid: Upid, options?: CallOptions): Promise<void> => call.change("DELETE", path(upid), {}, options);

  async function wait(upid: Upid, options: WaitOptions = {}): Promise<TaskResult> {
    const { signal, timeoutMs = defaultTimeoutMs, onLog } = options;
    const context: CallContext = call.requester.context("GET", `${path(upid)}/status`);
    const { clock } = call.requester;
    const deadlineMs = clock.nowMs() + timeoutMs;
    const log: string[] = [];
    const follow = async (): Promise<void> => {
      const fresh = await getLog(upid, { start: log.length, signal });
      if (fresh.length === 0) return;
      log.push(...fresh);
      onLog?.(fresh);
    };
    let reachableAtMs = clock.nowMs();
    for (let pauseMs = firstPollMs; ; pauseMs = Math.min(slowestPollMs, pauseMs * 1.5)) {
      if (signal?.aborted) throw await cancelled(upid, context, options);
      try {
        const status = await getStatus(upid, { signal });
        reachableAtMs = clock.nowMs();
        if (status.status === "stopped") return await finish(upid, status, context, log, follow);
        if (onLog !== undefined) await follow();
      } catch (error) {
        if (isProxmoxError(error, "CANCELLED")) throw await cancelled(upid, context, options);
        // The task runs on a node that needs nobody to watch it; only the view of it is lost.
        const blind = isProxmoxError(error, "CONNECTION") || isProxmoxError(error, "TIMEOUT");
        if (!blind || clock.nowMs() - reachableAtMs >= toleratedOutageMs) throw error;
      }
      if (clock.nowMs() >= deadlineMs) throw timedOut(upid, context, timeoutMs);
      await clock.sleep(Math.min(pauseMs, Math.max(0, deadlineMs - clock.nowMs())), signal).catch((reason: unknown) => {
        if (!signal?.aborted) throw reason;
      });
    }
  }

  async function finish(
    upid: Upid,
    status: TaskStatus,
    context: CallContext,
    log: string[],
    follow: () => Promise<void>,
  ): Promise<TaskResult> {
    const exit = exitOf(status.exitStatus ?? "");
    if (exit.ok) {
      await follow();
      return { upid, warnings: exit.warnings, log };
    }
    // The failure is the news; a log that cannot be read must not hide it.
    const logError = await follow().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    const { requester } = call;
    const tail = log.map((line) => requester.redact(line));
    throw taskFailed(upid, requester.redact(status.exitStatus ?? ""), tail, context, logError);
  }

  async function cancelled(upid: Upid, context: CallContext, { stopOnAbort = false }: WaitOptions): Promise<CancelledError> {
    const task = `task ${parseUpid(upid).type} ${upid}`;
    if (!stopOnAbort)
      return new CancelledError({ summary: `No longer waiting for ${task}`, context, outcomeUnknown: true, advice: "The task goes on." });
    const failure = await stop(upid).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    return failure === undefined
      ? new CancelledError({ summary: `Stopped ${task}`, context, outcomeUnknown: true, advice: "Look what it left behind." })
      : new CancelledError({
          summary: `No longer waiting for ${task}, which could not be stopped`,
          context,
          proxmoxMessage: failure.message,
          outcomeUnknown: true,
          advice: "The task goes on.",
          cause: failure,
        });
  }

  return { getStatus, getLog, list, stop, wait };
}

function timedOut(upid: Upid, context: CallContext, timeoutMs: number): TaskTimeoutError {
  const summary = `Task ${parseUpid(upid).type} ${upid} still runs after ${timeoutMs} ms`;
  return new TaskTimeoutError({ summary, context, advice: "It goes on; look again later.", upid });
}

/** The UPID has node, type, id, start and the full user (of a token too); the rows repeat some of it, less exactly. */
function statusOf(upid: Upid, stopped: boolean, exitStatus: string | undefined, endTimeSeconds: number | undefined): TaskStatus {
  const { node, type, id, user, startTimeSeconds } = parseUpid(upid);
  return {
    upid,
    node,
    type,
    id,
    user,
    status: stopped ? "stopped" : "running",
    ...(stopped && exitStatus !== undefined ? { exitStatus } : {}),
    startTimeSeconds,
    ...(endTimeSeconds === undefined ? {} : { endTimeSeconds }),
  };
}

/** In listings `status` is the exit status, or `RUNNING`. */
export function listedTask(row: Row): TaskStatus | undefined {
  if (!isUpid(row.upid)) return undefined;
  const status = nonEmptyOf(row.status);
  const endTimeSeconds = numberOf(row.endtime);
  const stopped = endTimeSeconds !== undefined || (status !== undefined && status !== "RUNNING");
  return statusOf(row.upid, stopped, status, endTimeSeconds);
}

/** What Proxmox says instead of a log: of a task it does not know (8.4 without the list around it), and of an empty one. */
const notALog = new Set(["unable to open file - No such file or directory", "no content"]);

function logLines(data: unknown): string[] {
  const rows = isRow(data) ? [data] : rowsOf(data);
  const only = rows.length === 1 ? textOf(rows[0]!.t) : undefined;
  if (only !== undefined && notALog.has(only)) return [];
  return rows.map((row) => textOf(row.t) ?? "");
}
