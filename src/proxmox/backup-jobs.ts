/** Backup jobs of a cluster (`/cluster/backup`). Reading needs Sys.Audit on `/`, writing Sys.Modify on `/`. */
import type { ApiParams, CallOptions, ProxmoxApi } from "./api";
import { segment } from "./encoding";
import { booleanOf, compact, isRow, nonEmptyOf, rowsOf, textOf } from "./rows";

export interface BackupJob {
  id: string;
  /** Calendar event. */
  schedule: string;
  storage?: string;
  /** Backs up all guests of this pool. */
  pool?: string;
  mode?: string;
  comment?: string;
  enabled: boolean;
  /** `keep-last=3,keep-daily=7`, sorted; absent: the storage's own retention. */
  prune?: string;
  /** False: nothing is pruned, whatever the storage's retention. */
  remove: boolean;
  notesTemplate?: string;
}

export async function listBackupJobs(api: ProxmoxApi, o?: CallOptions): Promise<BackupJob[]> {
  return rowsOf(await api.request("GET", "/cluster/backup", {}, o)).map((row) =>
    compact<BackupJob>({
      id: textOf(row.id) ?? "",
      schedule: textOf(row.schedule) ?? "",
      storage: nonEmptyOf(row.storage),
      pool: nonEmptyOf(row.pool),
      mode: nonEmptyOf(row.mode),
      comment: nonEmptyOf(row.comment),
      // Absent means the default, which is yes for both.
      enabled: row.enabled === undefined || booleanOf(row.enabled),
      prune: pruneOf(row["prune-backups"]),
      remove: row.remove === undefined || booleanOf(row.remove),
      notesTemplate: nonEmptyOf(row["notes-template"]),
    }),
  );
}

/** 9.x answers with an object, what was written is text. */
function pruneOf(value: unknown): string | undefined {
  const pairs = isRow(value)
    ? Object.entries(value).map(([key, count]) => `${key}=${textOf(count)}`)
    : (nonEmptyOf(value)?.split(",") ?? []);
  return pairs.length === 0 ? undefined : pairs.sort().join(",");
}

export async function createBackupJob(api: ProxmoxApi, job: BackupJob, o?: CallOptions): Promise<void> {
  await api.request("POST", "/cluster/backup", { id: job.id, ...paramsOf(job) }, o);
}

/** Sets every property: what the job lacks is taken away. */
export async function updateBackupJob(api: ProxmoxApi, job: BackupJob, o?: CallOptions): Promise<void> {
  const remove = job.prune === undefined ? { delete: "prune-backups" } : {};
  await api.request("PUT", `/cluster/backup/${segment(job.id)}`, { ...paramsOf(job), ...remove }, o);
}

export async function deleteBackupJob(api: ProxmoxApi, id: string, o?: CallOptions): Promise<void> {
  await api.request("DELETE", `/cluster/backup/${segment(id)}`, {}, o);
}

function paramsOf(job: BackupJob): ApiParams {
  return {
    schedule: job.schedule,
    storage: job.storage,
    pool: job.pool,
    mode: job.mode,
    comment: job.comment,
    enabled: job.enabled ? 1 : 0,
    remove: job.remove ? 1 : 0,
    "prune-backups": job.prune,
    "notes-template": job.notesTemplate,
  };
}
