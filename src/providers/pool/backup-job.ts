/** The scheduled backups of a pool: one Proxmox backup job on every member cluster, told from others by id and comment. */
import { createHash } from "node:crypto";
import { type BackupStore, storesOfMember, storesOfPolicy } from "../../config";
import { describeNeed, missingPrivileges } from "../../migration";
import {
  type BackupJob,
  createBackupJob,
  deleteBackupJob,
  listBackupJobs,
  type Permissions,
  type ProxmoxApi,
  updateBackupJob,
} from "../../proxmox";
import { UserError } from "../session";
import type { PoolDefinition } from "./spec";

type Replication = NonNullable<PoolDefinition["replication"]>;

/** @param mark of the pool: two stacks or federations never share a job */
export function jobIdOf(mark: string): string {
  return `fed-${createHash("sha256").update(mark).digest("hex").slice(0, 16)}`;
}

/** The job as one cluster shall have it. Pure. */
export function jobOf(pool: string, replication: Replication, mark: string, store: BackupStore, cluster: string): BackupJob {
  const keep = Object.entries(replication.keep ?? {}).flatMap(([unit, count]) => (count === undefined ? [] : [`keep-${unit}=${count}`]));
  return {
    id: jobIdOf(mark),
    schedule: replication.schedule,
    storage: store.access[cluster]?.storage ?? "",
    pool,
    mode: "snapshot",
    comment: mark,
    enabled: true,
    ...(keep.length === 0 ? {} : { prune: keep.sort().join(",") }),
    // In a shared directory equal vmids of several clusters mix, and retention knows vmids only (live finding 9).
    remove: !isMixed(store),
    notesTemplate: "{{guestname}}",
  };
}

/** Whether archives of several clusters lie side by side, told apart by nothing but their vmid. Pure. */
export function isMixed(store: BackupStore): boolean {
  return store.type !== "pbs" && Object.keys(store.access).length > 1;
}

/** Why the policy cannot be set up, for the preview; `undefined` when it can. */
export function refuseReplication(definition: PoolDefinition, stores: readonly BackupStore[]): string | undefined {
  const { replication, clusters, name } = definition;
  if (!replication) return undefined;
  const named = [replication.store].flat();
  const unknown = named.filter((wanted) => !stores.some((store) => store.name === wanted));
  if (unknown.length > 0)
    return `replication of pool ${name} names store ${unknown.join(", ")}, which is not in backup_stores (known: ${stores.map((known) => known.name).join(", ") || "none"})`;
  const astray = clusters.filter((id) => storesOfMember(replication, stores, id).length !== 1);
  if (astray.length > 0)
    return `replication of pool ${name} uses store ${named.join(", ")}, and ${astray.join(", ")} does not reach exactly one of them: see backup_stores[].storages`;
  const mixed = storesOfPolicy(replication, stores).find(isMixed);
  if (replication.keep && mixed)
    return `replication of pool ${name} has keep, but store ${mixed.name} (${mixed.type}) holds backups of several clusters side by side: retention of one would remove another's backups of an equal vmid. Leave keep out and prune on the file server, or use a PBS with one namespace per cluster`;
  return undefined;
}

/** What the token lacks for the job on its cluster, in words. */
export function missingForJob(permissions: Permissions, pool: string, storage: string): string[] {
  return missingPrivileges(permissions, [
    { paths: ["/"], privilege: "Sys.Modify", why: "set up a backup job" },
    { paths: ["/"], privilege: "Sys.Audit", why: "see backup jobs" },
    { paths: [`/storage/${storage}`], privilege: "Datastore.Allocate", why: "use the storage in a backup job" },
    { paths: [`/pool/${pool}`], privilege: "VM.Backup", why: "back the pool up" },
  ]).map(describeNeed);
}

/** Creates the job, or makes it as declared. Safe to repeat. */
export async function ensureJob(api: ProxmoxApi, wanted: BackupJob): Promise<void> {
  const found = await findJob(api, wanted.id, wanted.comment ?? "");
  if (found && sameJob(found, wanted)) return;
  try {
    await (found ? updateBackupJob(api, wanted) : createBackupJob(api, wanted));
  } catch (error) {
    // A reply that was lost, or another run that was faster: the job is as wanted or it is not.
    const now = await findJob(api, wanted.id, wanted.comment ?? "");
    if (!now || !sameJob(now, wanted)) throw error;
  }
}

export async function isJobAsWanted(api: ProxmoxApi, wanted: BackupJob): Promise<boolean> {
  const found = await findJob(api, wanted.id, wanted.comment ?? "");
  return found !== undefined && sameJob(found, wanted);
}

export async function removeJob(api: ProxmoxApi, mark: string): Promise<void> {
  const id = jobIdOf(mark);
  if (!(await findJob(api, id, mark))) return;
  try {
    await deleteBackupJob(api, id);
  } catch (error) {
    if (await findJob(api, id, mark)) throw error;
  }
}

async function findJob(api: ProxmoxApi, id: string, mark: string): Promise<BackupJob | undefined> {
  const found = (await listBackupJobs(api)).find((job) => job.id === id);
  if (found && found.comment !== mark)
    throw new UserError(
      `Backup job ${id} on cluster ${api.clusterId} does not carry our mark (its comment: ${JSON.stringify(found.comment ?? "")}) and is not touched. Set its comment to "${mark}", or remove it there.`,
    );
  return found;
}

function sameJob(a: BackupJob, b: BackupJob): boolean {
  const keys = ["schedule", "storage", "pool", "mode", "enabled", "prune", "remove", "notesTemplate"] as const;
  return keys.every((key) => a[key] === b[key]);
}
