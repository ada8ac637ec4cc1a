/** Tasks of a backup server: list, status, log, stop. */
import { ApiError } from "../kernel";
import type { TaskState } from "../state";
import { isOwner, type PbsCall, PbsReply, type PbsRoute } from "./calls";
import { node, optionalCount, optionalFlag, optionalList, optionalText } from "./fields";
import { userOf } from "./permissions";
import { parsePbsUpid } from "./upid";

const defaultRows = 50;
const atTask = { node, upid: { type: "string" } } as const;

export const taskRoutes: PbsRoute[] = [
  {
    method: "GET",
    path: "/nodes/{node}/tasks",
    parameters: {
      node,
      start: optionalCount,
      limit: optionalCount,
      store: optionalText,
      running: optionalFlag,
      errors: optionalFlag,
      userfilter: optionalText,
      since: optionalCount,
      until: optionalCount,
      typefilter: optionalText,
      statusfilter: optionalList,
    },
    handler: listTasks,
  },
  { method: "GET", path: "/nodes/{node}/tasks/{upid}/status", parameters: atTask, handler: getStatus },
  {
    method: "GET",
    path: "/nodes/{node}/tasks/{upid}/log",
    parameters: { ...atTask, start: optionalCount, limit: optionalCount, "test-status": optionalFlag },
    handler: getLog,
  },
  { method: "DELETE", path: "/nodes/{node}/tasks/{upid}", parameters: atTask, handler: stopTask },
];

function listTasks(call: PbsCall): PbsReply {
  const { start = 0, limit = defaultRows, since, until } = call.params as Record<string, number | undefined>;
  const all = call.has("/system/tasks", "Sys.Audit");
  const matching = Object.values(call.server.tasks)
    .filter((task) => all || isOwner(call.authid, task.user))
    .filter((task) => matches(call, task))
    .filter(({ startMs }) => (since === undefined || startMs >= since * 1000) && (until === undefined || startMs <= until * 1000))
    .reverse();
  const rows = limit === 0 ? matching.slice(start) : matching.slice(start, start + limit);
  return new PbsReply(rows.map(listRow), { total: matching.length });
}

function matches(call: PbsCall, task: TaskState): boolean {
  const running = task.endMs === undefined;
  const type = call.text("typefilter");
  const store = call.text("store");
  const user = call.text("userfilter");
  const failed = !running && task.exitStatus !== "OK";
  return (
    (call.params.running !== true || running) &&
    (call.params.errors !== true || failed) &&
    (type === undefined || task.type.includes(type)) &&
    (user === undefined || task.user.includes(user)) &&
    (store === undefined || task.id === store || task.id.split(":").includes(store))
  );
}

function listRow(task: TaskState): Record<string, unknown> {
  const upid = parsePbsUpid(task.upid)!;
  return {
    upid: task.upid,
    node: "localhost",
    pid: upid.pid,
    pstart: upid.pstart,
    starttime: upid.startSeconds,
    worker_type: task.type,
    worker_id: task.id === "" ? null : task.id,
    user: task.user,
    ...(task.endMs === undefined ? {} : { endtime: Math.floor(task.endMs / 1000), status: task.exitStatus }),
  };
}

/** A user's own include those of the user's tokens; others need the privilege on `/system/tasks`. */
function getTask(call: PbsCall, privilege: string): TaskState {
  const text = call.text("upid") ?? "";
  const upid = parsePbsUpid(text);
  if (!upid) throw new ApiError(400, `unable to parse UPID '${text}'`);
  if (!isOwner(call.authid, upid.authid) && !call.has("/system/tasks", privilege)) throw new ApiError(400, "task access not allowed");
  const task = call.server.tasks[text];
  if (!task) throw new ApiError(400, "No such file or directory (os error 2)");
  return task;
}

function getStatus(call: PbsCall): unknown {
  const task = getTask(call, "Sys.Audit");
  const upid = parsePbsUpid(task.upid)!;
  const running = task.endMs === undefined;
  const token = task.user.split("!")[1];
  return {
    upid: task.upid,
    node: upid.node,
    pid: upid.pid,
    pstart: upid.pstart,
    starttime: upid.startSeconds,
    type: task.type,
    id: task.id === "" ? null : task.id,
    user: userOf(task.user),
    ...(token === undefined ? {} : { tokenid: token }),
    status: running ? "running" : "stopped",
    ...(running ? {} : { exitstatus: task.exitStatus }),
  };
}

/** `start` counts lines from 0 here too, though the numbers in the answer begin with 1. */
function getLog(call: PbsCall): PbsReply {
  const { log, endMs } = getTask(call, "Sys.Audit");
  const { start = 0, limit = defaultRows } = call.params as Record<string, number | undefined>;
  const from = Math.max(0, start - 1);
  const lines = log.slice(from, limit === 0 ? undefined : from + limit).map((t, index) => ({ n: from + index + 1, t }));
  return new PbsReply(lines, {
    total: log.length,
    success: 1,
    ...(call.params["test-status"] === true ? { active: endMs === undefined } : {}),
  });
}

async function stopTask(call: PbsCall): Promise<void> {
  const { upid } = getTask(call, "Sys.Modify");
  await call.world.tasks.stop(upid);
}
