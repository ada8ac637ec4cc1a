/** Tasks of a node and of the cluster: lists, status, log, stop. */

import { parameterError, textOf } from "../answers";
import { flag, node, optional, vmid } from "../fields";
import { ApiReply, type Call, type ParameterRule, type Route } from "../kernel";
import { splitAuthid } from "../permissions";
import type { TaskState } from "../state";
import type { TaskRunner } from "../tasks";
import { parseUpid } from "../upid";

const defaultListRows = 50;
const defaultLogLines = 50;
/** How many recent tasks `/cluster/tasks` shows. */
const clusterListRows = 25;

const count: ParameterRule = { type: "integer", minimum: 0, optional: true };
const statusFilters = ["ok", "error", "warning", "unknown"];

/** A running `World` has workers; the interface that operations see does not show them. */
function runnerOf(call: Call): TaskRunner {
  return (call.world as Call["world"] & { tasks: TaskRunner }).tasks;
}

/** Parses the path's UPID; 400 when it is none. */
function decode(call: Call) {
  const text = String(call.params.upid);
  const upid = parseUpid(text);
  if (!upid) throw parameterError("upid", "unable to parse worker upid");
  return { text, upid };
}

function getTask(call: Call): TaskState {
  const task = call.cluster.tasks[decode(call).text];
  if (!task || task.node !== call.localNode) throw parameterError("upid", "no such task");
  return task;
}

/** A user's own tasks include those of the user's tokens; a token's own are only its own. */
function isOwn(call: Call, taskUser: string): boolean {
  if (taskUser === call.user.authid) return true;
  return !call.user.isToken && splitAuthid(taskUser).userid === call.user.userid;
}

function requireTask(call: Call, taskUser: string, privilege: string): void {
  if (!isOwn(call, taskUser)) call.requirePrivilege(`/nodes/${call.localNode}`, [privilege]);
}

function userFields(taskUser: string): Record<string, string> {
  const { userid: owner, token } = splitAuthid(taskUser);
  return { user: owner, ...(token === undefined ? {} : { tokenid: token }) };
}

/** What a UPID says, plus how the task stands. */
function statusOf(call: Call, task: TaskState): Record<string, unknown> {
  const upid = decode(call).upid;
  const running = task.endMs === undefined;
  return {
    upid: task.upid,
    node: task.node,
    pid: upid.pid,
    pstart: upid.pstart,
    starttime: upid.startSeconds,
    type: task.type,
    id: task.id,
    ...userFields(task.user),
    status: running ? "running" : "stopped",
    ...(running ? {} : { exitstatus: task.exitStatus }),
  };
}

function listRow(task: TaskState): Record<string, unknown> {
  const upid = parseUpid(task.upid);
  const running = task.endMs === undefined;
  return {
    upid: task.upid,
    node: task.node,
    pid: upid?.pid,
    pstart: upid?.pstart,
    starttime: upid?.startSeconds,
    type: task.type,
    id: task.id,
    ...userFields(task.user),
    ...(running ? { status: "RUNNING", saved: "0" } : { status: task.exitStatus, endtime: Math.floor((task.endMs ?? 0) / 1000) }),
  };
}

function statusClass(exitStatus: string | undefined): string {
  if (exitStatus === undefined || exitStatus === "unexpected status") return "unknown";
  if (exitStatus === "OK") return "ok";
  return exitStatus.startsWith("WARNINGS: ") ? "warning" : "error";
}

function listTasks(call: Call): ApiReply {
  const { params } = call;
  const seesAll = call.hasPrivilege(`/nodes/${call.localNode}`, "Sys.Audit");
  const source = textOf(call, "source") ?? "archive";
  const filters = params.statusfilter as string[] | undefined;
  const matches = (task: TaskState): boolean => {
    const running = task.endMs === undefined;
    const startSeconds = Math.floor(task.startMs / 1000);
    if (task.node !== call.localNode || (!seesAll && !isOwn(call, task.user))) return false;
    if ((source === "archive" && running) || (source === "active" && !running)) return false;
    if (params.vmid !== undefined && task.id !== String(params.vmid)) return false;
    if (params.typefilter !== undefined && task.type !== params.typefilter) return false;
    if (params.userfilter !== undefined && !task.user.toLowerCase().includes(String(params.userfilter).toLowerCase())) return false;
    if (params.since !== undefined && startSeconds < Number(params.since)) return false;
    if (params.until !== undefined && startSeconds > Number(params.until)) return false;
    if (params.errors === true && (running || statusClass(task.exitStatus) === "ok")) return false;
    return filters === undefined || filters.includes(statusClass(task.exitStatus));
  };
  const rows = Object.values(call.cluster.tasks).filter(matches).reverse();
  const start = Number(params.start ?? 0);
  const limit = Number(params.limit ?? defaultListRows);
  return new ApiReply(rows.slice(start, start + limit).map(listRow), rows.length > 0 ? { total: rows.length } : {});
}

function readLog(call: Call): ApiReply {
  const { text, upid } = decode(call);
  requireTask(call, upid.user, "Sys.Audit");
  const task = call.cluster.tasks[text];
  if (!task || task.node !== call.localNode) {
    const line = { n: 1, t: "unable to open file - No such file or directory" };
    // 8 forgets the list around it.
    return new ApiReply(call.cluster.era === "9.2" ? [line] : line, { total: 1 });
  }
  if (call.params.download === true) {
    if (call.params.start !== undefined || call.params.limit !== undefined) {
      throw parameterError(call.params.start !== undefined ? "start" : "limit", "parameter cannot be used in conjunction with 'download'");
    }
    return new ApiReply(null, { text: task.log.map((line) => `${line}\n`).join("") });
  }
  const start = Number(call.params.start ?? 0);
  const limit = Number(call.params.limit ?? defaultLogLines) || task.log.length;
  const lines = task.log.slice(start, start + limit).map((line, index) => ({ n: start + index + 1, t: line }));
  // A worker that has not written anything yet shows one line of its own.
  return new ApiReply(task.log.length === 0 && start === 0 ? [{ n: 1, t: "no content" }] : lines, { total: Math.max(1, task.log.length) });
}

async function stopTask(call: Call): Promise<null> {
  const { upid } = decode(call);
  const task = getTask(call);
  requireTask(call, upid.user, "Sys.Modify");
  await runnerOf(call).stop(task.upid);
  return null;
}

function listClusterTasks(call: Call): unknown {
  const seesAll = call.hasPrivilege("/", "Sys.Audit");
  return Object.values(call.cluster.tasks)
    .filter((task) => seesAll || splitAuthid(task.user).userid === call.user.authid)
    .slice(-clusterListRows)
    .reverse()
    .map((task) => {
      const { pid: _pid, pstart: _pstart, ...row } = listRow(task);
      return { ...row, ...(task.endMs === undefined ? {} : { saved: "1" }) };
    });
}

const upid: ParameterRule = { type: "string" };

export const taskRoutes: Route[] = [
  { method: "GET", path: "/cluster/tasks", parameters: {}, handler: listClusterTasks },
  {
    method: "GET",
    path: "/nodes/{node}/tasks",
    parameters: {
      node,
      start: count,
      limit: count,
      userfilter: optional(),
      typefilter: optional(),
      vmid: optional(vmid),
      errors: flag,
      source: { type: "string", enum: ["archive", "active", "all"], optional: true },
      since: { type: "integer", optional: true },
      until: { type: "integer", optional: true },
      statusfilter: {
        type: "list",
        optional: true,
        format: (value) => (statusFilters.includes(value) ? undefined : `invalid status '${value}'`),
      },
    },
    handler: listTasks,
  },
  {
    method: "GET",
    path: "/nodes/{node}/tasks/{upid}",
    onNode: false,
    parameters: { node, upid },
    handler: () => [{ name: "log" }, { name: "status" }],
  },
  {
    method: "GET",
    path: "/nodes/{node}/tasks/{upid}/status",
    parameters: { node, upid },
    handler: (call) => {
      const task = getTask(call);
      requireTask(call, task.user, "Sys.Audit");
      return statusOf(call, task);
    },
  },
  {
    method: "GET",
    path: "/nodes/{node}/tasks/{upid}/log",
    parameters: { node, upid, start: count, limit: count, download: flag },
    handler: readLog,
  },
  { method: "DELETE", path: "/nodes/{node}/tasks/{upid}", parameters: { node, upid }, handler: stopTask },
];
