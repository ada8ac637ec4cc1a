/** `/nodes/{node}/replication`: how the jobs of this node's guests stand. */
import { node, optional, vmid } from "../fields";
import { ApiError, ApiReply, type Call, type ParameterRule, type Route } from "../kernel";
import type { Era } from "../state";
import { fail, textParameter } from "../volumes/calls";
import { describeJob, jobIdRule, requireGuestReplication, requireReplication } from "./config-routes";
import { guestOf, nextSyncSeconds, type ReplicationJob, stateOf } from "./jobs";
import { scheduleNow } from "./scheduler";

const base = "/nodes/{node}/replication";
const defaultLines = 50;

export function replicationNodeRoutes(era: Era): Route[] {
  const count: ParameterRule = { type: "integer", minimum: 0, optional: true };
  const atJob = { node, id: jobIdRule };
  return [
    { method: "GET", path: base, parameters: { node, guest: optional(vmid) }, handler: listStatus },
    {
      method: "GET",
      path: `${base}/{id}`,
      onNode: false,
      parameters: atJob,
      handler: () => ["schedule_now", "log", "status"].map((name) => ({ name })),
    },
    { method: "GET", path: `${base}/{id}/status`, parameters: atJob, handler: readStatus },
    { method: "GET", path: `${base}/{id}/log`, parameters: { ...atJob, start: count, limit: count }, handler: readLog },
    {
      method: "POST",
      path: `${base}/{id}/schedule_now`,
      permission: (call) => requireReplication(call, era),
      parameters: atJob,
      handler: runSoon,
    },
  ];
}

function localJobs(call: Call): [string, ReplicationJob][] {
  const { replication, guests } = call.cluster;
  return Object.entries(replication)
    .filter(([id]) => guests[guestOf(id)]?.node === call.localNode)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function statusOf(call: Call, id: string, job: ReplicationJob): Record<string, unknown> {
  const state = stateOf(call.cluster, id);
  return {
    ...describeJob(id, job),
    vmtype: "qemu",
    next_sync: nextSyncSeconds(call.cluster, id, job),
    last_sync: state.lastSyncSeconds,
    last_try: state.lastTrySeconds,
    duration: state.durationSeconds,
    fail_count: state.failures,
    ...(state.error === undefined ? {} : { error: state.error }),
  };
}

function listStatus(call: Call): unknown {
  return localJobs(call)
    .filter(([id]) => call.params.guest === undefined || guestOf(id) === Number(call.params.guest))
    .filter(([id]) => call.hasPrivilege(`/vms/${guestOf(id)}`, "VM.Audit"))
    .map(([id, job]) => statusOf(call, id, job));
}

function getLocalJob(call: Call): [string, ReplicationJob] {
  const id = textParameter(call, "id")!;
  return localJobs(call).find(([known]) => known === id) ?? fail(`no such replication job '${id}'`);
}

function readStatus(call: Call): unknown {
  const [id, job] = getLocalJob(call);
  call.requirePrivilege(`/vms/${guestOf(id)}`, ["VM.Audit"]);
  return statusOf(call, id, job);
}

function readLog(call: Call): ApiReply {
  const id = textParameter(call, "id")!;
  if (!call.cluster.replication[id]) fail(`no such replication job '${id}'`);
  const allowed = call.hasPrivilege(`/vms/${guestOf(id)}`, "VM.Audit") || call.hasPrivilege(`/nodes/${call.localNode}`, "Sys.Audit");
  if (!allowed) throw new ApiError(403, "Permission check failed");
  const { log } = stateOf(call.cluster, id);
  const start = Number(call.params.start ?? 0);
  const limit = Number(call.params.limit ?? defaultLines) || log.length;
  const lines = log.slice(start, start + limit).map((text, index) => ({ n: start + index + 1, t: text }));
  return new ApiReply(log.length === 0 ? [{ n: 1, t: "no content" }] : lines, { total: Math.max(1, log.length) });
}

function runSoon(call: Call): null {
  const id = textParameter(call, "id")!;
  if (!call.cluster.replication[id]) fail(`no such replication job '${id}'`);
  requireGuestReplication(call, id);
  scheduleNow(call.cluster, id);
  call.world.touch();
  return null;
}
