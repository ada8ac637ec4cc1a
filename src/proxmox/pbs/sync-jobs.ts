import type { ApiParams, CallOptions, Upid } from "../api";
import type { Caller } from "../call";
import { segment } from "../encoding";
import { isProxmoxError, RefusedError } from "../errors";
import { booleanOf, compact, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "../rows";
import { isUpid } from "../upid";
import type { BackupServerApi, SyncJob, SyncJobState } from "./api";

const base = "/config/sync";
/** Keys that a job may lack: they are deleted when the wanted one does. */
const optionalKeys = [
  "ns",
  "remote",
  "remote-ns",
  "owner",
  "group-filter",
  "max-depth",
  "transfer-last",
  "remove-vanished",
  "rate-in",
  "rate-out",
  "schedule",
] as const;

export function syncJobCalls(call: Caller): BackupServerApi["syncJobs"] {
  const path = (id: string): string => `${base}/${segment(id)}`;

  async function findRow(id: string, options?: CallOptions): Promise<Row | undefined> {
    try {
      return await call.getRow(path(id), {}, options);
    } catch (error) {
      if (isProxmoxError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }

  async function create(job: SyncJob, comment: string, options?: CallOptions): Promise<void> {
    try {
      await call.change("POST", base, { id: job.id, ...paramsOf(job, comment) }, options);
    } catch (error) {
      // Done all the same, or by somebody who asked for the same at the same time.
      if (!isProxmoxError(error, "OUTCOME_UNKNOWN") && !isProxmoxError(error, "ALREADY_EXISTS")) throw error;
      const row = await findRow(job.id, options);
      if (row === undefined || textOf(row.comment) !== comment) throw error;
    }
  }

  function requireOurs(id: string, row: Row, mark: string): void {
    if ((textOf(row.comment) ?? "").startsWith(mark)) return;
    throw new RefusedError({
      summary: `Sync job ${id} is not ours: its comment does not begin with "${mark}"`,
      context: call.requester.context("PUT", path(id)),
      advice: "Rename or remove it on the backup server, or choose another id.",
    });
  }

  async function getState(id: string, options?: CallOptions): Promise<SyncJobState> {
    const row = rowsOf(await call.get("/admin/sync", { "sync-direction": "all" }, options)).find((candidate) => candidate.id === id);
    return compact({
      lastRunUpid: nonEmptyOf(row?.["last-run-upid"]),
      lastRunExitStatus: nonEmptyOf(row?.["last-run-state"]),
      lastRunEndSeconds: numberOf(row?.["last-run-endtime"]),
    });
  }

  return {
    list: async (options) =>
      rowsOf(await call.get(base, { "sync-direction": "all" }, options)).flatMap((row) => {
        const id = nonEmptyOf(row.id);
        return id === undefined ? [] : [jobOf(id, row)];
      }),
    find: async (id, options) => {
      const row = await findRow(id, options);
      return row && jobOf(id, row);
    },
    ensure: async (job, mark, options) => {
      const comment = [mark, job.comment].filter((part) => part).join(" ");
      const row = await findRow(job.id, options);
      if (row === undefined) return create(job, comment, options);
      requireOurs(job.id, row, mark);
      const wanted = paramsOf(job, comment);
      const superfluous = optionalKeys.filter((key) => row[key] !== undefined && wanted[key] === undefined);
      const changed = Object.entries(wanted).some(([key, value]) => value !== undefined && String(row[key]) !== String(value));
      if (!changed && superfluous.length === 0) return;
      // The direction of a job never changes.
      const { "sync-direction": _, ...changes } = wanted;
      await call.change("PUT", path(job.id), { ...changes, delete: superfluous.length > 0 ? superfluous : undefined }, options);
    },
    getState,
    run: async (id, options) => {
      const before = await getState(id, options);
      try {
        return await call.start("POST", `/admin/sync/${segment(id)}/run`, {}, options);
      } catch (error) {
        if (!isProxmoxError(error, "OUTCOME_UNKNOWN")) throw error;
        const started: Upid | undefined = (await getState(id, options)).lastRunUpid;
        if (!isUpid(started) || started === before.lastRunUpid) throw error;
        return started;
      }
    },
    delete: async (id, mark, options) => {
      const row = await findRow(id, options);
      if (row === undefined) return;
      requireOurs(id, row, mark);
      try {
        await call.change("DELETE", path(id), {}, options);
      } catch (error) {
        if (!isProxmoxError(error, "NOT_FOUND")) throw error;
      }
    },
  };
}

function paramsOf(job: SyncJob, comment: string): ApiParams {
  const push = job.direction === "push";
  const rate = job.limitBytesPerSecond === undefined ? undefined : `${Math.floor(job.limitBytesPerSecond)}B`;
  return {
    // Servers before 3.3 do not know the parameter; pulling is what they do.
    "sync-direction": push ? "push" : undefined,
    store: job.local.datastore,
    ns: job.local.namespace || undefined,
    remote: job.remote,
    "remote-store": job.far.datastore,
    "remote-ns": job.far.namespace || undefined,
    owner: job.owner,
    "group-filter": job.groupFilter && job.groupFilter.length > 0 ? job.groupFilter : undefined,
    "max-depth": job.maxDepth,
    "transfer-last": job.transferLast,
    "remove-vanished": job.removeVanished,
    "rate-in": push ? undefined : rate,
    "rate-out": push ? rate : undefined,
    schedule: job.schedule,
    comment,
  };
}

function jobOf(id: string, row: Row): SyncJob {
  const filter = row["group-filter"];
  const push = row["sync-direction"] === "push";
  return compact({
    id,
    direction: push ? ("push" as const) : ("pull" as const),
    local: { datastore: textOf(row.store) ?? "", namespace: textOf(row.ns) ?? "" },
    remote: nonEmptyOf(row.remote),
    far: { datastore: textOf(row["remote-store"]) ?? "", namespace: textOf(row["remote-ns"]) ?? "" },
    owner: nonEmptyOf(row.owner),
    groupFilter: Array.isArray(filter) ? filter.flatMap((item) => textOf(item) ?? []) : undefined,
    maxDepth: numberOf(row["max-depth"]),
    transferLast: numberOf(row["transfer-last"]),
    removeVanished: row["remove-vanished"] === undefined ? undefined : booleanOf(row["remove-vanished"]),
    limitBytesPerSecond: bytesOf(row[push ? "rate-out" : "rate-in"]),
    schedule: nonEmptyOf(row.schedule),
    comment: nonEmptyOf(row.comment),
  });
}

/** `10 MiB`, `1.5 GB`, `1048576`, `512B`. */
function bytesOf(value: unknown): number | undefined {
  const [, amount, unit = "", binary] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$/.exec(textOf(value) ?? "") ?? [];
  return amount === undefined ? undefined : Math.round(Number(amount) * (binary ? 1024 : 1000) ** " KMGT".indexOf(unit || " "));
}
