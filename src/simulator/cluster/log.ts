/** `GET /cluster/log`: when tasks began and how they ended. */
import { optional } from "../fields";
import type { Call, Route } from "../kernel";
import { splitAuthid } from "../permissions";
import type { TaskState } from "../state";
import { parseUpid } from "../upid";

const defaultRows = 50;
const priority = { info: 6, error: 3 };

function entriesOf(task: TaskState): { timeMs: number; text: string; isError: boolean; task: TaskState }[] {
  const started = { timeMs: task.startMs, text: `starting task ${task.upid}`, isError: false, task };
  if (task.endMs === undefined) return [started];
  const isError = task.exitStatus !== "OK" && !task.exitStatus?.startsWith("WARNINGS");
  return [started, { timeMs: task.endMs, text: `end task ${task.upid} ${task.exitStatus}`, isError, task }];
}

function readLog(call: Call): unknown {
  const seesAll = call.hasPrivilege("/", "Sys.Syslog");
  const tasks = Object.values(call.cluster.tasks).filter((task) => seesAll || splitAuthid(task.user).userid === call.user.authid);
  const entries = tasks.flatMap(entriesOf).sort((a, b) => a.timeMs - b.timeMs);
  return entries
    .map(({ timeMs, text, isError, task }, index) => ({
      uid: String(index + 1),
      id: `${index + 1}:${task.node}`,
      node: task.node,
      time: Math.floor(timeMs / 1000),
      user: task.user,
      tag: "pvedaemon",
      pid: parseUpid(task.upid)?.pid,
      pri: isError ? priority.error : priority.info,
      msg: text,
    }))
    .reverse()
    .slice(0, Number(call.params.max ?? defaultRows));
}

export const logRoutes: Route[] = [
  { method: "GET", path: "/cluster/log", parameters: { max: optional({ type: "integer", minimum: 1 }) }, handler: readLog },
];
