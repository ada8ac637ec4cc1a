/** Verification jobs: what verification.cfg holds, and starting them. */
import { ApiError, type ParameterTable } from "../kernel";
import type { PbsCall, PbsRoute } from "./calls";
import { aclPath } from "./datastore-access";
import { verifySnapshots } from "./datastore-routes";
import { id, ns, optional, optionalCount, optionalFlag, optionalList, optionalText, store } from "./fields";
import { listSnapshots } from "./snapshots";
import type { JobConfig } from "./state";

const job: ParameterTable = {
  store,
  ns,
  "ignore-verified": optionalFlag,
  "outdated-after": optionalCount,
  "max-depth": optionalCount,
  comment: optionalText,
  schedule: optionalText,
};

export const verifyJobRoutes: PbsRoute[] = [
  { method: "GET", path: "/config/verify", parameters: {}, handler: (call) => visibleJobs(call) },
  { method: "POST", path: "/config/verify", parameters: { ...job, id }, handler: createJob },
  { method: "GET", path: "/config/verify/{id}", parameters: { id }, handler: (call) => getJob(call, "Datastore.Audit") },
  {
    method: "PUT",
    path: "/config/verify/{id}",
    parameters: { ...Object.fromEntries(Object.entries(job).map(([key, rule]) => [key, optional(rule)])), id, delete: optionalList },
    handler: updateJob,
  },
  { method: "DELETE", path: "/config/verify/{id}", parameters: { id }, handler: deleteJob },
  {
    method: "GET",
    path: "/admin/verify",
    parameters: { store: optional(store) },
    handler: (call) => visibleJobs(call, call.text("store")),
  },
  { method: "POST", path: "/admin/verify/{id}/run", parameters: { id }, handler: runJob },
];

function pathOf(config: JobConfig): string {
  return aclPath(String(config.store), String(config.ns ?? ""));
}

function visibleJobs(call: PbsCall, wanted?: string): JobConfig[] {
  return Object.values(call.server.verifyJobs).filter(
    (config) => (wanted === undefined || config.store === wanted) && call.has(pathOf(config), "Datastore.Audit"),
  );
}

function getJob(call: PbsCall, privilege: string): JobConfig {
  const jobId = call.text("id") ?? "";
  const config = Object.hasOwn(call.server.verifyJobs, jobId) ? call.server.verifyJobs[jobId] : undefined;
  if (!config) throw new ApiError(400, `no such verification '${jobId}'`);
  call.require(pathOf(config), [privilege]);
  return config;
}

function createJob(call: PbsCall): void {
  const config: JobConfig = { ...call.params };
  call.require(pathOf(config), ["Datastore.Verify"]);
  const jobId = call.text("id")!;
  if (call.server.verifyJobs[jobId])
    throw new ApiError(400, `parameter verification errors\n\nparameter 'id': job '${jobId}' already exists.`);
  call.server.verifyJobs[jobId] = config;
  call.world.touch();
}

function updateJob(call: PbsCall): void {
  const { delete: deletes, ...changes } = call.params;
  const config: JobConfig = { ...getJob(call, "Datastore.Verify"), ...changes };
  for (const key of (deletes as string[] | undefined) ?? []) delete config[key];
  call.require(pathOf(config), ["Datastore.Verify"]);
  call.server.verifyJobs[call.text("id")!] = config;
  call.world.touch();
}

function deleteJob(call: PbsCall): void {
  getJob(call, "Datastore.Verify");
  delete call.server.verifyJobs[call.text("id")!];
  call.world.touch();
}

function runJob(call: PbsCall): string {
  const config = getJob(call, "Datastore.Verify");
  const datastore = call.datastore(String(config.store));
  const namespace = String(config.ns ?? "");
  return call.startTask("verificationjob", `${config.store}:${namespace}:${config.id}`, (task) => {
    task.log(`Starting datastore verify job '${config.id}'`);
    const below = listSnapshots(datastore).filter(
      (found) => namespace === "" || found.ns === namespace || found.ns.startsWith(`${namespace}/`),
    );
    return verifySnapshots(call.world.blockBytes, datastore, below, config["ignore-verified"] !== false, task);
  });
}
