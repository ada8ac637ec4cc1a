/** `/cluster/replication`: which guests are copied where. */
import { comment, flag, node, optional } from "../fields";
import { configidFormat } from "../formats";
import { digestOf, requireDigest } from "../ha/config-digest";
import { scheduleRule } from "../jobs/schedule-routes";
import type { Call, ParameterRule, ParameterTable, Route } from "../kernel";
import type { Era } from "../state";
import { configText, fail, failParameter, flagParameter, listParameter, textParameter } from "../volumes/calls";
import { guestOf, jobIdPattern, jobNumberOf, jobsOf, type ReplicationJob } from "./jobs";
import { replicatableVolids } from "./replicate";

export const jobIdRule: ParameterRule = {
  type: "string",
  format: (value) => (jobIdPattern.test(value) ? undefined : `invalid replication job id '${value}'`),
};

/** Up to 8 it takes rights on all storages, from 9 on those on the guest. */
export function requireReplication(call: Call, era: Era): void {
  if (era === "8.4") call.requirePrivilege("/storage", ["Datastore.Allocate"]);
}

export function requireGuestReplication(call: Call, id: string): void {
  if (call.cluster.era === "9.2") call.requirePrivilege(`/vms/${guestOf(id)}`, ["VM.Replicate"]);
}

export function replicationConfigRoutes(era: Era): Route[] {
  const permission = (call: Call) => requireReplication(call, era);
  const attributes: ParameterTable = {
    comment: { ...comment, maxLength: 4096 },
    disable: flag,
    rate: { type: "number", minimum: 1, optional: true },
    remove_job: optional({ type: "string", enum: ["local", "full"] }),
    schedule: optional(scheduleRule),
    source: optional(node),
  };
  const path = "/cluster/replication/{id}";
  return [
    { method: "GET", path: "/cluster/replication", parameters: {}, handler: listJobs },
    {
      method: "POST",
      path: "/cluster/replication",
      permission,
      parameters: { ...attributes, id: jobIdRule, target: node, type: { type: "string", enum: ["local"] } },
      handler: createJob,
    },
    { method: "GET", path, parameters: { id: jobIdRule }, handler: readJob },
    {
      method: "PUT",
      path,
      permission,
      parameters: {
        ...attributes,
        id: jobIdRule,
        delete: { type: "list", optional: true, format: configidFormat },
        digest: optional({ type: "string", maxLength: 64 }),
      },
      handler: updateJob,
    },
    { method: "DELETE", path, permission, parameters: { id: jobIdRule, keep: flag, force: flag }, handler: deleteJob },
  ];
}

/** A job as it is read. */
export function describeJob(id: string, job: ReplicationJob): Record<string, unknown> {
  const numbers = ["rate", "disable"];
  const values = Object.entries(job).map(([key, value]) => [key, numbers.includes(key) ? Number(value) : value]);
  return { ...Object.fromEntries(values), id, guest: guestOf(id), jobnum: jobNumberOf(id), type: "local" };
}

function listJobs(call: Call): unknown {
  return Object.keys(call.cluster.replication)
    .sort()
    .filter((id) => call.hasPrivilege(`/vms/${guestOf(id)}`, "VM.Audit"))
    .map((id) => describeJob(id, call.cluster.replication[id]!));
}

function readJob(call: Call): unknown {
  const id = textParameter(call, "id")!;
  const job = call.cluster.replication[id] ?? fail(`no such replication job '${id}'`);
  call.requirePrivilege(`/vms/${guestOf(id)}`, ["VM.Audit"]);
  return { ...describeJob(id, job), digest: digestOf(call.cluster.replication) };
}

const notStored = new Set(["id", "type", "delete", "digest"]);

function givenOptions(call: Call): ReplicationJob {
  const given = Object.entries(call.params).filter(([key]) => !notStored.has(key));
  return Object.fromEntries(given.map(([key, value]) => [key, configText(value)]));
}

function createJob(call: Call): null {
  const id = textParameter(call, "id")!;
  requireGuestReplication(call, id);
  const { cluster, world } = call;
  const vmid = guestOf(id);
  const guest = cluster.guests[vmid] ?? fail(`Guest '${vmid}' does not exist.`);
  const target = textParameter(call, "target")!;
  if (!cluster.nodes[target]) fail(`Target '${target}' does not exist.`);
  const source = textParameter(call, "source") ?? guest.node;
  if (source !== guest.node) fail(`Source '${source}' does not match current node of guest '${vmid}' (${guest.node})`);
  if (target === guest.node) fail("Source and target must not be identical");
  if (replicatableVolids({ world, cluster, node: guest.node }, guest).length === 0) fail("No replicatable volumes found");
  if (cluster.replication[id]) fail(`replication job '${id}' already exists`);
  if (jobsOf(cluster, vmid).some(([, job]) => job.target === target)) {
    fail(`replication job for guest '${vmid}' to target 'local/${target}' already exists`);
  }
  cluster.replication[id] = { ...givenOptions(call), source };
  world.touch();
  return null;
}

function updateJob(call: Call): null {
  const id = textParameter(call, "id")!;
  requireGuestReplication(call, id);
  const { replication } = call.cluster;
  requireDigest(replication, textParameter(call, "digest"));
  const job = replication[id] ?? fail(`no such job '${id}'`);
  Object.assign(job, givenOptions(call));
  for (const key of listParameter(call, "delete")) {
    if (key === "target") fail("unable to delete required option 'target'");
    if (!["comment", "disable", "rate", "remove_job", "schedule", "source"].includes(key)) fail(`no such option '${key}'`);
    delete job[key];
  }
  call.world.touch();
  return null;
}

/** The job is marked; its snapshots and replicas go at its next turn. `force` only forgets it. */
function deleteJob(call: Call): null {
  const id = textParameter(call, "id")!;
  requireGuestReplication(call, id);
  const { replication, replicationState } = call.cluster;
  const keep = flagParameter(call, "keep");
  if (flagParameter(call, "force")) {
    if (keep) failParameter({ keep: "conflicts with parameter 'force'" });
    delete replication[id];
    delete replicationState?.[id];
  } else {
    const job = replication[id] ?? fail(`no such job '${id}'`);
    job.remove_job = keep ? "local" : "full";
  }
  call.world.touch();
  return null;
}
