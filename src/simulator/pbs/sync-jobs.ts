/** Sync jobs: what sync.cfg holds, starting them, and syncing without one. */
import { createHash } from "node:crypto";
import { ApiError, type ParameterTable } from "../kernel";
import { type PbsCall, PbsReply, type PbsRoute } from "./calls";
import { aclPath } from "./datastore-access";
import { id, ns, optional, optionalCount, optionalFlag, optionalList, optionalText, store } from "./fields";
import type { JobConfig } from "./state";
import { runSync, type SyncRequest } from "./sync";

const direction = { ...optionalText, enum: ["pull", "push"] };
const authid = { ...optionalText, pattern: /^[^\s:/@]+@[A-Za-z0-9._-]+(![A-Za-z0-9._-]+)?$/ };
const rate = { ...optionalText, pattern: /^\d+(\.\d+)?\s*([KMGT]i?B?|B)?$/ };
const filter = {
  ...optionalList,
  format: (value: string) =>
    /^(include:|exclude:)?(group:[a-z]+\/\S+|type:(vm|ct|host)|regex:.+)$/.test(value)
      ? undefined
      : "input doesn't match expected format '<group:GROUP||type:<vm|ct|host>|regex:REGEX>'",
};
const transfer: ParameterTable = {
  store,
  ns,
  remote: optional(id),
  "remote-store": store,
  "remote-ns": ns,
  "remove-vanished": optionalFlag,
  "max-depth": { ...optionalCount, maximum: 7 },
  "group-filter": filter,
  "transfer-last": { ...optionalCount, minimum: 1 },
  "rate-in": rate,
  "rate-out": rate,
  "burst-in": rate,
  "burst-out": rate,
};
const job: ParameterTable = { ...transfer, owner: authid, comment: { ...optionalText, maxLength: 128 }, schedule: optionalText };
const digest = { ...optionalText, pattern: /^[0-9a-f]{64}$/ };

export const syncRoutes: PbsRoute[] = [
  {
    method: "GET",
    path: "/config/sync",
    parameters: { "sync-direction": { ...direction, enum: ["all", "pull", "push"] } },
    handler: (call) =>
      new PbsReply(
        visibleJobs(call).map(([, config]) => config),
        { digest: digestOf(call) },
      ),
  },
  { method: "POST", path: "/config/sync", parameters: { ...job, id, "sync-direction": direction }, handler: createJob },
  {
    method: "GET",
    path: "/config/sync/{id}",
    parameters: { id },
    handler: (call) => {
      const config = getJob(call);
      if (!mayRead(call, config)) throw new ApiError(400, "permission check failed");
      return new PbsReply(config, { digest: digestOf(call) });
    },
  },
  {
    method: "PUT",
    path: "/config/sync/{id}",
    parameters: {
      ...Object.fromEntries(Object.entries(job).map(([key, rule]) => [key, optional(rule)])),
      id,
      delete: optionalList,
      digest,
    },
    handler: updateJob,
  },
  { method: "DELETE", path: "/config/sync/{id}", parameters: { id, digest }, handler: deleteJob },
  {
    method: "GET",
    path: "/admin/sync",
    parameters: { store: optional(store), "sync-direction": { ...direction, enum: ["all", "pull", "push"] } },
    handler: (call) => {
      const wanted = call.text("store");
      const rows = visibleJobs(call).filter(([, config]) => wanted === undefined || config.store === wanted);
      return new PbsReply(
        rows.map(([jobId, config]) => ({ ...config, ...lastRun(call, jobId) })),
        { digest: digestOf(call) },
      );
    },
  },
  { method: "POST", path: "/admin/sync/{id}/run", parameters: { id }, handler: runJob },
  { method: "POST", path: "/pull", parameters: transfer, handler: (call) => syncNow(call, "pull") },
  { method: "POST", path: "/push", parameters: { ...transfer, remote: id }, handler: (call) => syncNow(call, "push") },
];

function directionOf(config: JobConfig): "pull" | "push" {
  return config["sync-direction"] === "push" ? "push" : "pull";
}

function visibleJobs(call: PbsCall): [string, JobConfig][] {
  const wanted = call.text("sync-direction") ?? "pull";
  return Object.entries(call.server.syncJobs).filter(
    ([, config]) => (wanted === "all" || directionOf(config) === wanted) && mayRead(call, config),
  );
}

function getJob(call: PbsCall): JobConfig {
  const jobId = call.text("id") ?? "";
  const config = Object.hasOwn(call.server.syncJobs, jobId) ? call.server.syncJobs[jobId] : undefined;
  if (!config) throw new ApiError(400, `no such sync '${jobId}'`);
  return config;
}

function localPath(config: JobConfig): string {
  return aclPath(String(config.store), String(config.ns ?? ""));
}

function remotePath(config: JobConfig): string {
  return `/remote/${config.remote}/${config["remote-store"]}`;
}

function mayRead(call: PbsCall, config: JobConfig): boolean {
  if (!call.has(localPath(config), "Datastore.Audit")) return false;
  return config.remote === undefined
    ? call.has(aclPath(String(config["remote-store"]), ""), "Datastore.Audit")
    : call.has(`/remote/${config.remote}`, "Remote.Audit");
}

/** Whoever may run a job may also write it. */
function mayModify(call: PbsCall, config: JobConfig): boolean {
  const local = localPath(config);
  const removes = config["remove-vanished"] === true;
  if (directionOf(config) === "push") {
    if (!call.has(remotePath(config), "Remote.DatastoreBackup")) return false;
    if (removes && !call.has(remotePath(config), "Remote.DatastorePrune")) return false;
    return call.has(local, "Datastore.Read") || call.has(local, "Datastore.Backup");
  }
  if (!call.has(local, "Datastore.Backup") || (removes && !call.has(local, "Datastore.Prune"))) return false;
  const owner = String(config.owner ?? "root@pam");
  const owns = owner === call.authid || (!call.authid.includes("!") && owner.startsWith(`${call.authid}!`));
  if (!owns && !call.has(local, "Datastore.Modify")) return false;
  return config.remote === undefined || call.has(remotePath(config), "Remote.Read");
}

function requireSound(call: PbsCall, config: JobConfig): void {
  if (!mayModify(call, config)) throw new ApiError(400, "permission check failed");
  if (config.remote === undefined && config.store === config["remote-store"])
    throw new ApiError(400, "source and target datastore can't be the same");
}

function createJob(call: PbsCall): void {
  const config: JobConfig = { ...call.params };
  requireSound(call, config);
  const jobId = call.text("id")!;
  if (call.server.syncJobs[jobId])
    throw new ApiError(400, `parameter verification errors\n\nparameter 'id': job '${jobId}' already exists.`);
  call.server.syncJobs[jobId] = config;
  call.world.touch();
}

function updateJob(call: PbsCall): void {
  const { digest: _, delete: deletes, ...changes } = call.params;
  requireDigest(call);
  const config: JobConfig = { ...getJob(call), ...changes };
  for (const key of (deletes as string[] | undefined) ?? []) delete config[key];
  requireSound(call, config);
  call.server.syncJobs[call.text("id")!] = config;
  call.world.touch();
}

function deleteJob(call: PbsCall): void {
  const jobId = call.text("id")!;
  const config = call.server.syncJobs[jobId];
  if (!config) throw new ApiError(404, `job '${jobId}' does not exist.`);
  if (!mayModify(call, config)) throw new ApiError(400, "permission check failed");
  requireDigest(call);
  delete call.server.syncJobs[jobId];
  delete call.server.jobRuns[`sync:${jobId}`];
  call.world.touch();
}

function digestOf(call: PbsCall): string {
  return createHash("sha256").update(JSON.stringify(call.server.syncJobs)).digest("hex");
}

function requireDigest(call: PbsCall): void {
  const given = call.text("digest");
  if (given !== undefined && given !== digestOf(call))
    throw new ApiError(400, "detected modified configuration - file changed by other user? Try again.");
}

function lastRun(call: PbsCall, jobId: string): Record<string, unknown> {
  const upid = call.server.jobRuns[`sync:${jobId}`];
  const task = upid === undefined ? undefined : call.server.tasks[upid];
  if (!task) return {};
  const ended = task.endMs === undefined ? {} : { "last-run-state": task.exitStatus, "last-run-endtime": Math.floor(task.endMs / 1000) };
  return { "last-run-upid": upid, ...ended };
}

function requestOf(config: JobConfig, owner: string): SyncRequest {
  const text = (key: string) => (config[key] === undefined ? undefined : String(config[key]));
  return {
    direction: directionOf(config),
    store: text("store")!,
    ns: text("ns") ?? "",
    remote: text("remote"),
    remoteStore: text("remote-store")!,
    remoteNs: text("remote-ns") ?? "",
    owner,
    removeVanished: config["remove-vanished"] === true,
    maxDepth: config["max-depth"] === undefined ? undefined : Number(config["max-depth"]),
    groupFilter: (config["group-filter"] as string[] | undefined) ?? [],
    transferLast: config["transfer-last"] === undefined ? undefined : Number(config["transfer-last"]),
    bytesPerSecond: rateOf(text(directionOf(config) === "push" ? "rate-out" : "rate-in")),
  };
}

/** `10MiB`, `10 MB`, `1048576`: bytes per second. */
function rateOf(value: string | undefined): number | undefined {
  const [, amount, unit = "", binary] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$/.exec(value ?? "") ?? [];
  return amount === undefined ? undefined : Number(amount) * (binary ? 1024 : 1000) ** " KMGT".indexOf(unit || " ");
}

/** One run at a time per job. */
function runJob(call: PbsCall): string {
  const config = getJob(call);
  if (!mayModify(call, config)) throw new ApiError(400, "permission check failed");
  const jobId = call.text("id")!;
  const running = call.server.jobRuns[`sync:${jobId}`];
  if (running !== undefined && call.world.tasks.isRunning(running))
    throw new ApiError(400, "unable to aquire lock: job is already running");
  const request = requestOf(config, String(config.owner ?? "root@pam"));
  const workerId = [request.remote ?? "-", request.remoteStore, request.store, request.ns, jobId].join(":");
  const upid = call.startTask("syncjob", workerId, async (task) => {
    task.log(`Starting datastore sync job '${workerId}'`);
    await runSync(call.world, call.server, request, task);
    task.log(`sync job '${workerId}' end`);
  });
  call.server.jobRuns[`sync:${jobId}`] = upid;
  return upid;
}

function syncNow(call: PbsCall, way: "pull" | "push"): string {
  const config: JobConfig = { ...call.params, "sync-direction": way };
  const request = requestOf(config, call.authid);
  if (request.remote === undefined && request.store === request.remoteStore) throw new ApiError(400, "can't sync to same datastore");
  if (way === "push") {
    call.require(localPath(config), ["Datastore.Read", "Datastore.Backup"], "any");
    call.require(remotePath(config), ["Remote.DatastoreBackup"]);
  } else {
    call.require(localPath(config), ["Datastore.Backup"]);
    if (request.remote === undefined) call.require(aclPath(request.remoteStore, ""), ["Datastore.Backup"]);
    else call.require(remotePath(config), ["Remote.Read"]);
    if (request.removeVanished) call.require(localPath(config), ["Datastore.Prune"]);
  }
  call.datastore(request.store);
  return call.startTask(way === "push" ? "push" : "sync", request.store, async (task) => {
    const peer = `${request.remote ?? "-"}/${request.remoteStore}`;
    task.log(way === "push" ? `Push datastore '${request.store}' to '${peer}'` : `pull datastore '${request.store}' from '${peer}'`);
    await runSync(call.world, call.server, request, task);
    task.log(`${way} datastore '${request.store}' end`);
  });
}
