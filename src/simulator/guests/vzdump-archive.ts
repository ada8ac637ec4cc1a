/** One guest's backup: from the process that reads the disks to the finished archive. */
import type { GuestState, StorageState, TaskContext } from "../kernel";
import { findBackupServerOf } from "../pbs/layout";
import type { VolumeState } from "../state";
import { copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { formatVolid, parseVolname, volumePath } from "../volumes/names";
import { formatDiskSize } from "../volumes/sizes";
import { getBackend } from "../volumes/storages";
import { type FoundVolume, getVolume } from "../volumes/volumes";
import { archiveTime, compressionOf, isDatastore, snapshotFiles } from "./archive";
import { formatSection } from "./config-text";
import { type Config, drivesOf, isDisk, isUnusedKey, volidOf } from "./drive";
import { uuid } from "./lookup";
import { isAgentEnabled, isAgentReady, requireBridges, requireVolumes } from "./power";
import { guestRuns, processStarted, processStopped } from "./runtime";
import { planDatastoreBackup, rememberBackup } from "./vzdump-bitmap";
import { type SourceDisk, sendChunks, writeFile } from "./vzdump-data";
import type { GuestBackup } from "./vzdump-job";

const info = (task: TaskContext, line: string) => task.log(`INFO: ${line}`);

/** Makes the archive and registers it on the storage; an aborted one leaves no trace. */
export async function makeArchive(place: Place, backup: GuestBackup, guest: GuestState, task: TaskContext): Promise<FoundVolume> {
  const { job } = backup;
  const wasRunning = guest.running;
  const mode = wasRunning ? job.mode : "stop";
  if (wasRunning && mode === "snapshot") describeDisks(place, guest, task);
  info(task, `backup mode: ${mode}`);
  if (job.limitKibibytes) info(task, `bandwidth limit: ${job.limitKibibytes} KiB/s`);
  if (job.ionice !== 0) info(task, `ionice priority: ${job.ionice}`);
  if (!(wasRunning && mode === "snapshot")) describeDisks(place, guest, task);
  if (wasRunning && mode === "stop") await stopForBackup(place, guest, job.stopWaitMinutes, task);
  const suspended = wasRunning && mode === "suspend" && guest.qmpStatus === "running";
  if (suspended) {
    info(task, "suspending guest");
    guest.qmpStatus = "paused";
  }
  try {
    return await assemble(place, backup, guest, { mode, wasRunning }, task);
  } finally {
    if (suspended && !task.killed) {
      info(task, "resume vm");
      if (guest.running && guest.qmpStatus === "paused") guest.qmpStatus = "running";
    }
  }
}

function describeDisks(place: Place, guest: GuestState, task: TaskContext): void {
  if (guest.config.name !== undefined) info(task, `VM Name: ${guest.config.name}`);
  for (const drive of drivesOf(guest.config)) {
    const volid = volidOf(drive);
    if (volid === undefined || !isDisk(drive)) continue;
    if (drive.options.backup === "0") info(task, `exclude disk '${drive.key}' '${volid}' (backup=no)`);
    else info(task, `include disk '${drive.key}' '${volid}'${sizeText(place, volid)}`);
  }
  for (const [key, value] of Object.entries(guest.config)) {
    if (isUnusedKey(key)) info(task, `skip unused drive '${value}' (not included into backup)`);
  }
  if (Object.keys(guest.snapshots).length > 0) info(task, "snapshots found (not included into backup)");
  if (Object.keys(guest.pending).length > 0) info(task, "pending configuration changes found (not included into backup)");
}

function sizeText(place: Place, volid: string): string {
  return ` ${formatDiskSize(getVolume(place, volid).volume.sizeBytes)}`;
}

async function stopForBackup(place: Place, guest: GuestState, stopWaitMinutes: number, task: TaskContext): Promise<void> {
  info(task, "stopping virtual guest");
  const timeoutMs = stopWaitMinutes * 60_000;
  const shutdownMs = 3_000;
  if (guest.unresponsive || guest.qmpStatus !== "running" || timeoutMs < shutdownMs) {
    await task.pass(timeoutMs);
    info(task, "VM quit/powerdown failed - got timeout");
    fail(`command 'qm shutdown ${guest.vmid} --skiplock --keepActive --timeout ${stopWaitMinutes * 60}' failed: exit code 255`);
  }
  await task.pass(shutdownMs);
  processStopped(place, guest);
}

interface Circumstances {
  mode: string;
  wasRunning: boolean;
}

async function assemble(
  place: Place,
  backup: GuestBackup,
  guest: GuestState,
  { mode, wasRunning }: Circumstances,
  task: TaskContext,
): Promise<FoundVolume> {
  const { storage } = backup;
  const target = nameArchive(place, backup);
  const datastore = isDatastore(storage);
  const named = datastore ? target.key.replace(/^[^:]*:/, "") : target.path;
  info(task, `creating ${datastore ? "Proxmox Backup Server" : "vzdump"} archive '${named}'`);
  const { keyFingerprint } = storage;
  if (datastore && keyFingerprint !== undefined) info(task, "enabling encryption");
  const startsProcess = !guest.running;
  let sources: SourceDisk[] = [];
  try {
    if (startsProcess) {
      info(task, "starting kvm to execute backup task");
      requireVolumes(place, guest);
      requireBridges(place, guest);
      await task.pass(1_000);
      processStarted(place, guest, "prelaunch");
    } else if (!isAgentEnabled(guest.config.agent)) {
      info(task, "skipping guest filesystem freeze - disabled in VM options");
    } else if (isAgentReady(place, guest)) {
      info(task, "issuing guest-agent 'fs-freeze' command");
      info(task, "issuing guest-agent 'fs-thaw' command");
    } else {
      info(task, "skipping guest-agent 'fs-freeze', agent configured but not running?");
    }
    if (place.cluster.era === "9.2") info(task, "starting backup via QMP command");
    if (datastore) requireNamespace(place, storage);
    sources = openSources(place, guest);
    info(task, `started backup task '${uuid((digits) => place.world.randomHex(digits))}'`);
    if (wasRunning && mode === "stop") guestRuns(place, guest);
    if (wasRunning) info(task, "resuming VM again");
    const written = datastore
      ? await sendChunks(place, backup, sources, planDatastoreBackup(place, backup, guest, sources, task, keyFingerprint), task)
      : await writeFile(place, backup, sources, task);
    if (datastore) rememberBackup(guest, sources, keyFingerprint);
    if (startsProcess && !wasRunning) endProcess(place, guest, task);
    const archive: NonNullable<VolumeState["archive"]> = {
      config: archiveConfig(guest.config, sources),
      disks: Object.fromEntries(sources.map((source) => [source.drive.key, diskOf(source)])),
      writtenBytes: written,
      ...(datastore ? { keyFingerprint } : {}),
    };
    const sizeBytes = datastore ? snapshotFiles(archive).reduce((sum, file) => sum + file.sizeBytes, 0) : written;
    registerArchive(place, backup, target, { archive, sizeBytes, datastore });
    return getVolume(place, target.volid);
  } catch (error) {
    if (task.killed) throw error;
    task.log(`ERROR: ${errorMessage(error)}`);
    info(task, "aborting backup job");
    // A bitmap of a backup that did not finish means nothing.
    if (datastore) for (const { found } of sources) delete found.volume.dirty;
    if (startsProcess && !wasRunning) abortProcess(place, guest, task);
    else if (!guest.running) restartGuest(place, guest, task);
    else if (wasRunning) info(task, "resuming VM again");
    throw error;
  }
}

interface ArchiveName {
  volid: string;
  key: string;
  path: string;
  createdAtMs: number;
}

function registerArchive(
  place: Place,
  { storage, vmid, job }: GuestBackup,
  name: ArchiveName,
  made: { archive: NonNullable<VolumeState["archive"]>; sizeBytes: number; datastore: boolean },
): void {
  getBackend(place, storage).volumes[name.key] = {
    volname: name.key,
    vmid,
    format: made.datastore ? "pbs-vm" : `vma${compressionOf(job.compress).suffix}`,
    sizeBytes: made.sizeBytes,
    content: "backup",
    createdAtMs: name.createdAtMs,
    protected: false,
    blocks: {},
    archive: made.archive,
  };
  place.world.touch();
}

/** Named after this second; a second archive within it fails as a taken name does. */
function nameArchive(place: Place, { storage, vmid, job }: GuestBackup): ArchiveName {
  const nowMs = Math.floor(place.world.clock.nowMs() / 1000) * 1000;
  const volname = isDatastore(storage)
    ? `backup/vm/${vmid}/${new Date(nowMs).toISOString().slice(0, 19)}Z`
    : `backup/vzdump-qemu-${vmid}-${archiveTime(nowMs)}.vma${compressionOf(job.compress).suffix}`;
  const name = parseVolname(storage, volname);
  if (getBackend(place, storage).volumes[name.key]) fail(`unable to create '${volumePath(storage, name)}' - file exists`);
  return { volid: formatVolid(storage.storage, volname), key: name.key, path: volumePath(storage, name), createdAtMs: nowMs };
}

/** A server does not make namespaces for backups. */
function requireNamespace(place: Place, storage: StorageState): void {
  const { namespace = "" } = storage.options;
  const found = findBackupServerOf(place.world.state, getBackend(place, storage).id);
  if (namespace !== "" && found && !found.datastore.namespaces.includes(namespace))
    fail("backup connect failed: command error: namespace not found");
}

/** Takes the disks as they are now: what the guest writes later is not in the archive. */
function openSources(place: Place, guest: GuestState): SourceDisk[] {
  const disks = drivesOf(guest.config).filter((drive) => isDisk(drive) && volidOf(drive) !== undefined && drive.options.backup !== "0");
  return disks.map((drive) => {
    const found = getVolume(place, drive.file);
    return { drive, found, blocks: copyBlocks(found.volume.blocks) };
  });
}

const diskOf = ({ drive, found, blocks }: SourceDisk) => ({
  blocks,
  sizeBytes: found.volume.sizeBytes,
  format: found.volume.format,
  storage: drive.file.split(":", 1)[0]!,
});

/** The config without lock, parent and unused disks, with a hint per disk for the restore. */
function archiveConfig(config: Config, sources: readonly SourceDisk[]): string {
  const kept = Object.fromEntries(Object.entries(config).filter(([key]) => key !== "lock" && key !== "parent" && !isUnusedKey(key)));
  const hints = sources.map(
    ({ drive, found }) => `#qmdump#map:${drive.key}:drive-${drive.key}:${drive.file.split(":", 1)[0]}:${found.volume.format}:\n`,
  );
  return formatSection(kept) + hints.join("");
}

/** The process that was started for the backup ends with it, unless somebody has started the guest meanwhile. */
function endProcess(place: Place, guest: GuestState, task: TaskContext): void {
  if (!guest.running) return;
  if (guest.qmpStatus !== "prelaunch") {
    info(task, `kvm status changed after backup ('${guest.qmpStatus}') - keep VM running`);
    return;
  }
  info(task, "stopping kvm after backup task");
  processStopped(place, guest);
}

function abortProcess(place: Place, guest: GuestState, task: TaskContext): void {
  if (guest.running) {
    endProcess(place, guest, task);
    return;
  }
  task.log(`ERROR: VM ${guest.vmid} not running`);
  task.log(`VM ${guest.vmid} not running`);
}

/** A guest that was stopped for its backup comes back also when the backup failed. */
function restartGuest(place: Place, guest: GuestState, task: TaskContext): void {
  info(task, "restarting vm");
  try {
    requireVolumes(place, guest);
    requireBridges(place, guest);
    processStarted(place, guest, "running");
  } catch (error) {
    task.log(`ERROR: ${errorMessage(error)}`);
  }
}
