/** A vzdump worker: one guest after the other, one worker per node at a time. */
import { type Call, type GuestState, type StorageState, type TaskContext, TaskInterrupted } from "../kernel";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { requireProtectedSlot } from "../volumes/protection";
import { pruneMarks } from "../volumes/prune";
import { formatRetention, keepsEverything, parseRetention, type Retention, retentionLimit } from "../volumes/retention";
import { formatArchiveSize } from "../volumes/sizes";
import { getBackend, getStorage, getUsableStorage } from "../volumes/storages";
import { freeVolume, listVolumes } from "../volumes/volumes";
import { logTime } from "./archive";
import { findGuest, requireUnlocked } from "./lookup";
import { makeArchive } from "./vzdump-archive";

export interface BackupJob {
  vmids: number[];
  storage?: string;
  /** Everything was selected: guests without VM.Backup are left out instead of failing the job. */
  all: boolean;
  mode: "snapshot" | "suspend" | "stop";
  compress?: string;
  limitKibibytes?: number;
  notesTemplate?: string;
  protected: boolean;
  remove: boolean;
  retention?: string;
  stopWaitMinutes: number;
  ionice: number;
  conflictingDirectory: boolean;
  commandLine: string;
}

const info = (task: TaskContext, line: string) => task.log(`INFO: ${line}`);

export async function runBackupJob(call: Call, place: Place, job: BackupJob, task: TaskContext): Promise<void> {
  if (job.conflictingDirectory) fail("cannot use options 'storage' and 'dumpdir' at the same time");
  const storage = activate(place, job.storage ?? "local", job.storage !== undefined);
  let waited = false;
  const onWait = () => {
    waited = true;
    info(task, "trying to get global lock - waiting...");
  };
  await place.world.withNodeLock(place.cluster, place.node, "vzdump", onWait, async () => {
    if (waited) info(task, "got global lock");
    info(task, `starting new backup job: ${job.commandLine}`);
    const vmids = job.vmids.filter((vmid) => mayBackUp(call, vmid, job.all));
    let failures = 0;
    for (const vmid of vmids) {
      const done = await backUpGuest(call, place, { job, storage, vmid }, task);
      if (!done) failures += 1;
    }
    info(task, failures > 0 ? "Backup job finished with errors" : "Backup job finished successfully");
    if (failures > 0) fail("job errors");
  });
}

function activate(place: Place, id: string, named: boolean): StorageState {
  try {
    const storage = getUsableStorage(place, id);
    if (!storage.content.includes("backup")) fail(`storage '${id}' does not support backups`);
    getBackend(place, storage);
    return storage;
  } catch (error) {
    const message = errorMessage(error);
    const unknown = named && place.cluster.storages[id] === undefined ? ` could not get storage information for '${id}': ${message}` : "";
    return fail(`could not activate storage '${id}': ${message}${unknown}`);
  }
}

/** This right is checked here only, not when the job is ordered. */
function mayBackUp(call: Call, vmid: number, all: boolean): boolean {
  if (call.hasPrivilege(`/vms/${vmid}`, "VM.Backup")) return true;
  if (!all) call.requirePrivilege(`/vms/${vmid}`, ["VM.Backup"]);
  return false;
}

export interface GuestBackup {
  job: BackupJob;
  storage: StorageState;
  vmid: number;
}

/** False when this guest's backup failed; an interrupted worker ends here. */
async function backUpGuest(call: Call, place: Place, backup: GuestBackup, task: TaskContext): Promise<boolean> {
  const { vmid } = backup;
  const { clock } = place.world;
  const startedMs = clock.nowMs();
  try {
    const guest = findGuest(place, vmid) ?? fail(`unable to find VM '${vmid}'`);
    const keep = requireRoom(call, place, backup);
    info(task, `Starting Backup of VM ${vmid} (qemu)`);
    info(task, `Backup started at ${logTime(startedMs)}`);
    info(task, `status = ${guest.running ? "running" : "stopped"}`);
    await lockGuest(place, guest);
    await undoLock(place, guest, task, () => produce(call, place, backup, guest, keep, task));
  } catch (error) {
    if (task.killed) throw error;
    task.log(`ERROR: Backup of VM ${vmid} failed - ${errorMessage(error)}`);
    info(task, `Failed at ${logTime(clock.nowMs())}`);
    if (!(error instanceof TaskInterrupted)) return false;
    task.log(`ERROR: Backup job failed - ${errorMessage(error)}`);
    throw error;
  }
  const elapsed = new Date(clock.nowMs() - startedMs).toISOString().slice(11, 19);
  info(task, `Finished Backup of VM ${vmid} (${elapsed})`);
  info(task, `Backup finished at ${logTime(clock.nowMs())}`);
  return true;
}

/** Limits of the target storage; returns the retention that applies afterwards. */
function requireRoom(call: Call, place: Place, { job, storage, vmid }: GuestBackup): Retention {
  const backend = getBackend(place, storage);
  if (job.protected) requireProtectedSlot(call, storage, backend, vmid);
  const keep = parseRetention(job.retention ?? storage.options["prune-backups"]);
  if (job.protected || job.remove || keepsEverything(keep)) return keep;
  const limit = retentionLimit(keep);
  const count = listVolumes(place, storage).filter(
    ({ volume }) => volume.content === "backup" && volume.vmid === vmid && !volume.protected,
  ).length;
  if (count >= limit) {
    fail(
      `There is a max backup limit of ${limit} enforced by the target storage or the vzdump parameters. Either increase the limit or delete old backups.`,
    );
  }
  return keep;
}

/** `lock: backup` for as long as the backup runs; only a killed worker leaves it behind. */
function lockGuest(place: Place, guest: GuestState): Promise<void> {
  return place.world.withGuestLock(place.cluster, guest.vmid, () => {
    requireUnlocked(guest);
    guest.config.lock = "backup";
    place.world.touch();
  });
}

async function undoLock(place: Place, guest: GuestState, task: TaskContext, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    if (!task.killed && guest.config.lock === "backup") delete guest.config.lock;
    place.world.touch();
  }
}

async function produce(
  call: Call,
  place: Place,
  backup: GuestBackup,
  guest: GuestState,
  keep: Retention,
  task: TaskContext,
): Promise<void> {
  const { job, storage, vmid } = backup;
  const made = await makeArchive(place, backup, guest, task);
  if (storage.type !== "pbs") info(task, `archive file size: ${formatArchiveSize(made.volume.sizeBytes)}`);
  if (job.notesTemplate !== undefined) {
    info(task, "adding notes to backup");
    made.volume.notes = expandNotes(call, job.notesTemplate, guest);
  }
  if (job.protected) {
    info(task, "marking backup as protected");
    made.volume.protected = true;
  }
  place.world.event("backed-up", { cluster: place.cluster.id, node: place.node, vmid, volid: made.volid });
  if (job.remove && !job.protected && !keepsEverything(keep)) prune(place, storage, keep, vmid, task);
}

function expandNotes(call: Call, template: string, guest: GuestState): string {
  const values: Record<string, string> = {
    cluster: call.cluster.clusterName ?? "standalone node",
    guestname: guest.config.name ?? `VM ${guest.vmid}`,
    node: guest.node,
    vmid: String(guest.vmid),
  };
  return template
    .replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? "")
    .replaceAll("\\n", "\n")
    .replaceAll("\\\\", "\\");
}

/** Retention goes by the guest's number: archives of another cluster's guest with the same number go too. */
function prune(place: Place, storage: StorageState, keep: Retention, vmid: number, task: TaskContext): void {
  info(task, `prune older backups with retention: ${formatRetention(keep)}`);
  const doomed = pruneMarks(place, getStorage(place.cluster, storage.storage), keep, vmid).filter((entry) => entry.mark === "remove");
  for (const { volid } of doomed) {
    info(task, `removing backup '${volid}'`);
    freeVolume(place, volid, (line) => task.log(line));
  }
  info(task, `pruned ${doomed.length} backup(s)${doomed.length > 0 ? " not covered by keep-retention policy" : ""}`);
}
