/** `/cluster/backup` and `/cluster/backup-info`: backup jobs of the cluster. */
import { randomUUID } from "node:crypto";
import { optional } from "../fields";
import { configidFormat, nodeFormat } from "../formats";
import { requirePool } from "../guests/access";
import { backupOptions, requireConsistentOptions } from "../guests/vzdump-parameters";
import { ApiError, type Call, type ParameterRule, type ParameterTable, type Route } from "../kernel";
import type { Era } from "../state";
import { configText, fail, failParameter, listParameter, textParameter } from "../volumes/calls";
import { nextEvent, parseCalendarEvent } from "./calendar";
import { listIncludedVolumes, listNotBackedUp } from "./included";
import { scheduleRule } from "./schedule-routes";

export type JobOptions = Record<string, string>;

const jobId: ParameterRule = { type: "string", maxLength: 50, pattern: /^\S+$/ };
const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const flags = ["all", "enabled", "protected", "quiet", "remove", "repeat-missed", "stdexcludes", "stop"];
const integers = ["bwlimit", "ionice", "lockwait", "maxfiles", "pigz", "stopwait", "zstd"];
const propertyStrings = ["fleecing", "performance", "prune-backups"];

export function backupJobRoutes(era: Era): Route[] {
  const audit = (call: Call) => call.requirePrivilege("/", ["Sys.Audit"]);
  const modify = (call: Call) => call.requirePrivilege("/", ["Sys.Modify"]);
  const table = jobOptions(era);
  const path = "/cluster/backup/{id}";
  return [
    { method: "GET", path: "/cluster/backup", permission: audit, parameters: {}, handler: listJobs },
    {
      method: "POST",
      path: "/cluster/backup",
      permission: modify,
      parameters: { ...table, id: optional({ type: "string", format: configidFormat }) },
      handler: createJob,
    },
    { method: "GET", path, permission: audit, parameters: { id: jobId }, handler: (call) => describe(...getJob(call)) },
    {
      method: "PUT",
      path,
      permission: modify,
      parameters: { ...table, id: jobId, delete: { type: "list", optional: true, format: configidFormat } },
      handler: updateJob,
    },
    { method: "DELETE", path, permission: modify, parameters: { id: jobId }, handler: deleteJob },
    {
      method: "GET",
      path: `${path}/included_volumes`,
      permission: audit,
      parameters: { id: jobId },
      handler: (call) => listIncludedVolumes(call, getJob(call)[1]),
    },
    { method: "GET", path: "/cluster/backup-info", parameters: {}, handler: () => [{ subdir: "not-backed-up" }] },
    { method: "GET", path: "/cluster/backup-info/not-backed-up", permission: audit, parameters: {}, handler: listNotBackedUp },
  ];
}

function jobOptions(era: Era): ParameterTable {
  return {
    ...backupOptions(era),
    node: optional({ type: "string", format: nodeFormat }),
    schedule: optional(scheduleRule),
    starttime: optional({ type: "string", pattern: /^\d{1,2}:\d{1,2}$/ }),
    dow: {
      type: "list",
      optional: true,
      requires: "starttime",
      format: (day) => (weekdays.includes(day) ? undefined : `invalid day '${day}'\n`),
    },
    enabled: { type: "boolean", optional: true },
    "repeat-missed": { type: "boolean", optional: true },
    comment: optional({ type: "string", maxLength: 512 }),
  };
}

function getJob(call: Call): [id: string, job: JobOptions] {
  const id = textParameter(call, "id")!;
  return [id, call.cluster.backupJobs[id] ?? failParameter({ id: `No such job '${id}'` })];
}

/** A job as it is read: numbers, and property strings taken apart. */
function describe(id: string, job: JobOptions): Record<string, unknown> {
  const values = Object.entries(job).map(([key, value]) => {
    if (flags.includes(key) || integers.includes(key)) return [key, Number(value)];
    return [key, propertyStrings.includes(key) ? takeApart(key, value) : value];
  });
  return { ...Object.fromEntries(values), id, type: "vzdump" };
}

function takeApart(key: string, text: string): Record<string, string> {
  const pairs = text.split(",").map((part) => part.split("="));
  return Object.fromEntries(
    pairs.map(([name = "", value]) => (value === undefined && key === "fleecing" ? ["enabled", name] : [name, value ?? ""])),
  );
}

function listJobs(call: Call): unknown {
  const nowMs = call.world.clock.nowMs();
  return Object.entries(call.cluster.backupJobs).map(([id, job]) => {
    const event = job.schedule === undefined ? undefined : parseCalendarEvent(job.schedule);
    const next = event && nextEvent(event, nowMs);
    return { ...describe(id, job), ...(next === undefined ? {} : { "next-run": next / 1000 }) };
  });
}

/** What only root may set and what needs rights on the storage. */
function requireJobRights(call: Call, storage: string | undefined): void {
  if (call.user.authid === "root@pam") return;
  for (const key of ["tmpdir", "dumpdir", "script"])
    if (call.params[key] !== undefined) failParameter({ [key]: "Only root may set this option." });
  if (["bwlimit", "ionice", "performance"].some((key) => call.params[key] !== undefined)) call.requirePrivilege("/", ["Sys.Modify"]);
  if (storage !== undefined) call.requirePrivilege(`/storage/${storage}`, ["Datastore.Allocate"]);
}

function requireJobPool(call: Call): void {
  const pool = textParameter(call, "pool");
  if (pool === undefined) return;
  requirePool(call, pool);
  call.requirePrivilege(`/pool/${pool}`, ["VM.Backup"]);
}

/** The schedule of the call; `starttime` and `dow` are its old form. */
function scheduleOf(call: Call): string | undefined {
  const start = textParameter(call, "starttime");
  const schedule = textParameter(call, "schedule");
  if (schedule !== undefined && start !== undefined) failParameter({ starttime: "'starttime' and 'schedule' cannot both be set" });
  if (start === undefined) return schedule;
  const days = listParameter(call, "dow").join(",");
  return days === "" || days === weekdays.join(",") ? start : `${days} ${start}`;
}

const notStored = new Set(["id", "starttime", "dow", "delete", "schedule"]);

function givenOptions(call: Call): JobOptions {
  const given = Object.entries(call.params).filter(([key]) => !notStored.has(key));
  return Object.fromEntries(given.map(([key, value]) => [key, configText(value)]));
}

/** Under the lock of the jobs file Proxmox turns a bad parameter into a plain error. */
function underJobsLock<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ApiError) || !error.errors) throw error;
    const lines = Object.entries(error.errors).map(([key, text]) => `${key}: ${text}`);
    return fail([`${error.status} ${error.message}`, ...lines].join("\n"));
  }
}

function createJob(call: Call): null {
  requireJobRights(call, textParameter(call, "storage") ?? (call.params.dumpdir === undefined ? "local" : undefined));
  requireJobPool(call);
  const schedule = scheduleOf(call) ?? failParameter({ schedule: "neither 'starttime' nor 'schedule' were set" });
  const id = textParameter(call, "id") ?? randomUUID();
  const { backupJobs } = call.cluster;
  if (backupJobs[id]) fail(`Job '${id}' already exists`);
  const job: JobOptions = { ...givenOptions(call), schedule, enabled: call.params.enabled === false ? "0" : "1" };
  underJobsLock(() => requireConsistentOptions(asParameters(job)));
  backupJobs[id] = withoutConflicts(job);
  changed(call, id);
  return null;
}

/** A job's options as a backup call would have them. */
export function asParameters(job: JobOptions): Call["params"] {
  return Object.fromEntries(Object.entries(job).map(([key, value]) => [key, flags.includes(key) ? value === "1" : value]));
}

/** Guests are left out of all guests. */
function withoutConflicts(job: JobOptions): JobOptions {
  return job.exclude !== undefined && job.pool === undefined ? { ...job, all: "1" } : job;
}

function updateJob(call: Call): null {
  const id = textParameter(call, "id")!;
  const deletes = listParameter(call, "delete");
  requireJobRights(call, textParameter(call, "storage") ?? (deletes.includes("storage") ? "local" : undefined));
  requireJobPool(call);
  const schedule = scheduleOf(call);
  const given: JobOptions = { ...givenOptions(call), ...(schedule === undefined ? {} : { schedule }) };
  if (Object.keys(given).length + deletes.length === 0) fail("no options specified");
  underJobsLock(() => {
    const job = { ...(call.cluster.backupJobs[id] ?? fail("no such vzdump job")) };
    const known = Object.keys(jobOptions(call.cluster.era));
    for (const key of deletes) {
      if (!known.includes(key)) failParameter({ delete: `unknown option '${key}'` });
      delete job[key];
    }
    const merged = withoutConflicts({ ...job, ...given });
    for (const key of replacedSelection(given, merged)) delete merged[key];
    requireConsistentOptions(asParameters(merged));
    call.cluster.backupJobs[id] = merged;
  });
  changed(call, id);
  return null;
}

/** One way of choosing guests takes the place of the others. */
function replacedSelection(given: JobOptions, merged: JobOptions): string[] {
  if (given.vmid !== undefined) return ["all", "exclude", "pool"];
  if (given.all === "1") return ["vmid", "pool"];
  return merged.pool === undefined ? [] : ["vmid", "all", "exclude"];
}

function deleteJob(call: Call): null {
  const id = textParameter(call, "id")!;
  underJobsLock(() => {
    if (!call.cluster.backupJobs[id]) failParameter({ id: `No such job '${id}'` });
  });
  delete call.cluster.backupJobs[id];
  delete call.cluster.backupJobTimes?.[id];
  call.world.touch();
  return null;
}

/** The next turn of a new or changed job is counted from now. */
function changed(call: Call, id: string): void {
  call.cluster.backupJobTimes = { ...call.cluster.backupJobTimes, [id]: call.world.clock.nowMs() };
  call.world.touch();
}
