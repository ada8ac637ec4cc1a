/** One guest's backup: from the process that reads the disks to the finished archive. */
import type { BackendState, GuestState, TaskContext } from "../kernel";
import type { Blocks, VolumeState } from "../state";
import { backendFreeBytes } from "../usage";
import { blockCount, contentBlocks, copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { formatVolid, parseVolname, volumePath } from "../volumes/names";
import { formatBytes, formatDiskSize } from "../volumes/sizes";
import { getBackend, resourcesOf } from "../volumes/storages";
import { type FoundVolume, getVolume } from "../volumes/volumes";
import { archiveOverheadBytes, archiveTime, compressionOf, isDatastore } from "./archive";
import { formatSection } from "./config-text";
import { type Config, type Drive, drivesOf, isDisk, isUnusedKey, volidOf } from "./drive";
import { isAgentEnabled, isAgentReady, requireBridges, requireVolumes } from "./power";
import { guestRuns, processStarted, processStopped } from "./runtime";
import { uuid } from "./lookup";
import type { GuestBackup } from "./vzdump-job";

interface SourceDisk {
  drive: Drive;
  found: FoundVolume;
  /** Content at the moment the backup began. */
  blocks: Blocks;
  /** Blocks to read: only the dirty ones when a bitmap of the last backup is valid. */
  readBlocks: number;
}

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

async function assemble(place: Place, backup: GuestBackup, guest: GuestState, { mode, wasRunning }: Circumstances, task: TaskContext): Promise<FoundVolume> {
  const { storage, job, vmid } = backup;
  const target = nameArchive(place, backup);
  const datastore = isDatastore(storage);
  const named = datastore ? target.key.replace(/^[^:]*:/, "") : target.path;
  info(task, `creating ${datastore ? "Proxmox Backup Server" : "vzdump"} archive '${named}'`);
  const startsProcess = !guest.running;
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
    const sources = openSources(place, guest, datastore && wasRunning && mode !== "stop", task);
    info(task, `started backup task '${uuid((digits) => place.world.randomHex(digits))}'`);
    if (wasRunning && mode === "stop") guestRuns(place, guest);
    if (wasRunning) info(task, "resuming VM again");
    const written = datastore ? await sendChunks(place, backup, sources, task) : await writeFile(place, backup, sources, task);
    if (startsProcess && !wasRunning) endProcess(place, guest, task);
    const archive: NonNullable<VolumeState["archive"]> = {
      config: archiveConfig(guest.config, sources),
      disks: Object.fromEntries(sources.map((source) => [source.drive.key, diskOf(source)])),
      writtenBytes: written,
    };
    const sizeBytes = datastore ? sources.reduce((sum, { found }) => sum + found.volume.sizeBytes, 0) : written;
    register(place, backup, target, { archive, sizeBytes, datastore });
    return getVolume(place, target.volid);
  } catch (error) {
    if (task.killed) throw error;
    task.log(`ERROR: ${errorMessage(error)}`);
    info(task, "aborting backup job");
    dropBitmaps(place, guest, datastore);
    if (startsProcess && !wasRunning) abortProcess(place, guest, task);
    else if (wasRunning) info(task, "resuming VM again");
    throw error;
  }

  function register(at: Place, of: GuestBackup, named_: ArchiveName, made: { archive: NonNullable<VolumeState["archive"]>; sizeBytes: number; datastore: boolean }): void {
    getBackend(at, of.storage).volumes[named_.key] = {
      volname: named_.key,
      vmid,
      format: made.datastore ? "pbs-vm" : `vma${compressionOf(job.compress).suffix}`,
      sizeBytes: made.sizeBytes,
      content: "backup",
      createdAtMs: named_.createdAtMs,
      protected: false,
      blocks: {},
      archive: made.archive,
    };
    at.world.touch();
  }
}

interface ArchiveName {
  volid: string;
  key: string;
  path: string;
  createdAtMs: number;
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

/** Takes the disks as they are now: what the guest writes later is not in the archive. */
function openSources(place: Place, guest: GuestState, bitmaps: boolean, task: TaskContext): SourceDisk[] {
  const disks = drivesOf(guest.config).filter((drive) => isDisk(drive) && volidOf(drive) !== undefined && drive.options.backup !== "0");
  return disks.map((drive) => {
    const found = getVolume(place, drive.file);
    const { volume } = found;
    const allBlocks = blockCount(volume.blocks);
    const dirty = bitmaps ? volume.dirty : undefined;
    if (bitmaps) {
      const dirtyBytes = Math.min(volume.sizeBytes, Object.keys(dirty ?? {}).length * place.world.blockBytes);
      const state = dirty ? `OK (${formatBytes(dirtyBytes)} of ${formatBytes(volume.sizeBytes)} dirty)` : "created new";
      info(task, `${drive.key}: dirty-bitmap status: ${state}`);
      volume.dirty = {};
    }
    return { drive, found, blocks: copyBlocks(volume.blocks), readBlocks: dirty ? Object.keys(dirty).length : allBlocks };
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
  const hints = sources.map(({ drive, found }) => `#qmdump#map:${drive.key}:drive-${drive.key}:${drive.file.split(":", 1)[0]}:${found.volume.format}:\n`);
  return formatSection(kept) + hints.join("");
}

/** Reads everything that holds data and writes it compressed. Returns the archive's length. */
async function writeFile(place: Place, { storage, job }: GuestBackup, sources: readonly SourceDisk[], task: TaskContext): Promise<number> {
  const { factor } = compressionOf(job.compress);
  const dataBytes = sumBlocks(sources) * place.world.blockBytes;
  const sizeBytes = archiveOverheadBytes + Math.ceil(dataBytes * factor);
  const backend = getBackend(place, storage);
  const freeBytes = backendFreeBytes(backend, place.world.blockBytes);
  const share = sizeBytes <= freeBytes ? 1 : freeBytes / sizeBytes;
  const progress = new Progress(place, sources, task);
  await move(place, task, {
    read: Math.floor(dataBytes * share),
    write: Math.floor(sizeBytes * share),
    sources,
    target: resourcesOf(place, storage),
    limitKibibytes: job.limitKibibytes,
    onProgress: (fraction) => progress.report(fraction * share),
  });
  if (share < 1) {
    progress.finish(share);
    fail("vma_queue_write: write error - No space left on device");
  }
  progress.finish(1);
  progress.summarize(dataBytes);
  return sizeBytes;
}

/** Sends only chunks that the datastore does not have. Returns the bytes that travelled. */
async function sendChunks(place: Place, { storage, job }: GuestBackup, sources: readonly SourceDisk[], task: TaskContext): Promise<number> {
  const backend = getBackend(place, storage);
  const { blockBytes } = place.world;
  const news = newChunks(backend, sources);
  const readBytes = sources.reduce((sum, source) => sum + source.readBlocks, 0) * blockBytes;
  const sentBytes = news.length * blockBytes;
  if (sentBytes > backendFreeBytes(backend, blockBytes)) {
    fail("backup write data failed: command error: write_data upload error: pipelined request failed: No space left on device");
  }
  const progress = new Progress(place, sources, task);
  await move(place, task, {
    read: readBytes,
    write: sentBytes,
    sources,
    target: resourcesOf(place, storage),
    limitKibibytes: job.limitKibibytes,
    onProgress: (fraction) => progress.report(fraction),
  });
  for (const contentId of news) backend.chunks[contentId] = true;
  progress.finish(1);
  const totalBytes = progress.totalBytes;
  if (sentBytes < totalBytes) {
    const percent = totalBytes === 0 ? 0 : Math.floor((100 * (totalBytes - sentBytes)) / totalBytes);
    info(task, `backup was done incrementally, reused ${formatBytes(totalBytes - sentBytes, 2)} (${percent}%)`);
  }
  progress.transferred(sentBytes);
  return sentBytes;
}

function newChunks(backend: BackendState, sources: readonly SourceDisk[]): string[] {
  const ids = sources.flatMap(({ blocks }) => contentBlocks({ blocks }).map(({ contentId }) => contentId));
  return [...new Set(ids)].filter((contentId) => !backend.chunks[contentId]);
}

function sumBlocks(sources: readonly SourceDisk[]): number {
  return sources.reduce((sum, { blocks }) => sum + blockCount(blocks), 0);
}

interface Move {
  read: number;
  write: number;
  sources: readonly SourceDisk[];
  target: string[];
  limitKibibytes?: number;
  onProgress(fraction: number): void;
}

/** Reading and writing go on side by side, each at its own speed; the slower one decides. */
async function move(place: Place, task: TaskContext, { read, write, sources, target, limitKibibytes, onProgress }: Move): Promise<void> {
  const limit = limitKibibytes ? limitKibibytes * 1024 : undefined;
  const from = [...new Set(sources.flatMap(({ found }) => resourcesOf(place, found.storage)))];
  await Promise.all([
    task.transfer(read, from, limit, (doneBytes) => onProgress(read === 0 ? 1 : doneBytes / read)),
    task.transfer(write, target, limit),
    // QEMU and the archive's index need their time however little there is to move.
    task.pass(1_000),
  ]);
}

/** The percent lines of a backup's log. */
class Progress {
  readonly totalBytes: number;
  private readonly startedMs: number;
  private lastPercent = 0;

  constructor(
    private readonly place: Place,
    private readonly sources: readonly SourceDisk[],
    private readonly task: TaskContext,
  ) {
    this.totalBytes = sources.reduce((sum, { found }) => sum + found.volume.sizeBytes, 0);
    this.startedMs = place.world.clock.nowMs();
  }

  /** A line for every tenth of the way. */
  report(fraction: number): void {
    const percent = Math.floor(100 * fraction);
    if (percent < this.lastPercent + 10 || percent >= 100) return;
    this.line(fraction);
  }

  finish(fraction: number): void {
    this.line(fraction);
  }

  summarize(dataBytes: number): void {
    const zeroBytes = this.totalBytes - dataBytes;
    if (zeroBytes > 0) {
      info(this.task, `backup is sparse: ${formatBytes(zeroBytes, 2)} (${Math.floor((100 * zeroBytes) / this.totalBytes)}%) total zero data`);
    }
    this.transferred(this.totalBytes);
  }

  transferred(bytes: number): void {
    const seconds = this.seconds();
    const speed = seconds < 1 ? "" : ` (${formatBytes(bytes / seconds)}/s)`;
    info(this.task, `transferred ${formatBytes(bytes, 2)} in ${seconds < 1 ? "<1" : seconds} seconds${speed}`);
  }

  private line(fraction: number): void {
    this.lastPercent = Math.floor(100 * fraction);
    const seconds = Math.max(1, this.seconds());
    const readBytes = this.totalBytes * fraction;
    const share = this.totalBytes === 0 ? 0 : (sumBlocks(this.sources) * this.place.world.blockBytes) / this.totalBytes;
    const written = `${formatBytes((readBytes * share) / seconds)}/s`;
    info(
      this.task,
      `${String(this.lastPercent).padStart(3)}% (${formatBytes(readBytes)} of ${formatBytes(this.totalBytes)}) in ${this.seconds()}s, read: ${formatBytes(readBytes / seconds)}/s, write: ${written}`,
    );
  }

  private seconds(): number {
    return Math.floor((this.place.world.clock.nowMs() - this.startedMs) / 1000);
  }
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

/** A bitmap of a backup that did not finish means nothing. */
function dropBitmaps(place: Place, guest: GuestState, datastore: boolean): void {
  if (!datastore) return;
  for (const drive of drivesOf(guest.config)) {
    const volid = volidOf(drive);
    if (volid !== undefined && isDisk(drive) && drive.options.backup !== "0") delete getVolume(place, volid).volume.dirty;
  }
}
