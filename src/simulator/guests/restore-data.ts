/** The data part of a restore: from the old guest's disks being freed to the new configuration being written. */
import type { Call, GuestState, StorageState, TaskContext } from "../kernel";
import { parseUpid } from "../upid";
import { backendFreeBytes } from "../usage";
import { blockCount, copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { volumePath } from "../volumes/names";
import { findBackend, getBackend, getUsableStorage, isUsable, resourcesOf } from "../volumes/storages";
import { imageFormat, traitsOf } from "../volumes/types";
import { allocateVolume, type FoundVolume, freeVolume, getVolume, listVolumes } from "../volumes/volumes";
import { type Archive, datastoreRestoreCommand, extractCommand, isDatastore } from "./archive";
import { type Config, drivesOf, isCloudInit, parseDrive, printDrive, volidOf } from "./drive";
import { addToPool } from "./lookup";
import { type RestoredDisk, rewriteConfig } from "./restored-config";
import { processStarted, processStopped } from "./runtime";
import { addUnused } from "./unused";

export interface RestoreRequest {
  vmid: number;
  archiveVolid: string;
  storage?: string;
  pool?: string;
  unique: boolean;
  live: boolean;
  start: boolean;
  limitKibibytes?: number;
  /** Options of the call, which win over the archive's. */
  overrides: Config;
}

export interface DataRestore {
  call: Call;
  place: Place;
  request: RestoreRequest;
  guest: GuestState;
  found: FoundVolume;
  task: TaskContext;
  /** Set once all bytes are there: a later failure is told apart in the log. */
  progress: { dataRestored: boolean };
}

interface Target {
  key: string;
  storage: StorageState;
  format: string;
}

export async function restoreData(restore: DataRestore): Promise<void> {
  const { found, task } = restore;
  const vma = !isDatastore(found.storage);
  const command = vma ? logVmaHeader(restore) : undefined;
  try {
    await moveData(restore);
  } catch (error) {
    if (command === undefined || task.killed) throw error;
    throw new Error(`command 'set -o pipefail && ${command}' failed: ${errorMessage(error)}`, { cause: error });
  }
}

function logVmaHeader({ request, found, task }: DataRestore): string {
  const limit = request.limitKibibytes;
  if (limit) task.log(`applying read rate limit: ${limit}`);
  const command = extractCommand(found, parseUpid(task.upid)?.pid ?? 0, limit);
  task.log(`restore vma archive: ${command}`);
  const { archive } = found.volume;
  if (!archive) return command;
  task.log(`CFG: size: ${Buffer.byteLength(archive.config)} name: qemu-server.conf`);
  Object.entries(archive.disks).forEach(([key, disk], index) => {
    task.log(`DEV: dev_id=${index + 1} size: ${disk.sizeBytes} devname: drive-${key}`);
  });
  task.log(`CTIME: ${new Date(found.volume.createdAtMs).toUTCString()}`);
  return command;
}

async function moveData(restore: DataRestore): Promise<void> {
  const { found, task, place, request, guest } = restore;
  const archive = found.volume.archive;
  if (!archive) {
    await task.pass(60_000);
    return fail("got timeout reading VMA header - corrupted?");
  }
  const targets = Object.keys(archive.disks).map((key) => targetOf(restore, archive, key));
  for (const storage of new Set(targets.map((target) => target.storage.storage))) {
    if (request.limitKibibytes) task.log(`rate limit for storage ${storage}: ${request.limitKibibytes} KiB/s`);
  }
  freeReplacedDisks(place, guest, Object.keys(archive.disks), task);
  // From here to the end the config is one line: no lock, no name, no tags.
  guest.config = { memory: "128" };
  guest.pending = {};
  guest.snapshots = {};
  place.world.touch();
  const disks: Record<string, RestoredDisk> = {};
  try {
    for (const target of targets) disks[target.key] = allocateTarget(restore, archive, target);
    if (request.live) await streamWhileRunning(restore, archive, disks);
    else await stream(restore, archive, disks);
  } catch (error) {
    if (!task.killed && !request.live) removeTemporary(restore, disks);
    throw error;
  }
  restore.progress.dataRestored = true;
  if (!request.live) writeConfig(restore, archive, disks);
  finish(restore);
}

/** The storage of the call, else the one the archive remembers; an unsupported format becomes the storage's default. */
function targetOf({ call, place, request }: DataRestore, archive: Archive, key: string): Target {
  const disk = archive.disks[key]!;
  const id = request.storage ?? (disk.storage === "" ? "local" : disk.storage);
  call.requirePrivilege(`/storage/${id}`, ["Datastore.AllocateSpace"]);
  const storage = getUsableStorage(place, id);
  getBackend(place, storage);
  return { key, storage, format: imageFormat(storage, disk.format) };
}

function allocateTarget({ place, request, task, found }: DataRestore, archive: Archive, target: Target): RestoredDisk {
  const { sizeBytes } = archive.disks[target.key]!;
  const volid = allocateVolume(place, { storage: target.storage.storage, vmid: request.vmid, sizeBytes, format: target.format }, task.log);
  task.log(`new volume ID is '${volid}'`);
  const made = getVolume(place, volid);
  const path = volumePath(made.storage, made.name);
  if (!isDatastore(found.storage))
    task.log(`map 'drive-${target.key}' to '${path}' (write zeros = ${traitsOf(made.storage).thin ? 0 : 1})`);
  return { volid, sizeBytes: made.volume.sizeBytes };
}

/** Frees the old guest's disks in the slots that the archive fills; others become unused at the rescan. */
function freeReplacedDisks(place: Place, guest: GuestState, keys: readonly string[], task: TaskContext): void {
  for (const drive of drivesOf(guest.config)) {
    const volid = volidOf(drive);
    if (volid === undefined || !keys.includes(drive.key)) continue;
    try {
      if (getVolume(place, volid).name.vmid === guest.vmid) freeVolume(place, volid, task.log);
    } catch (error) {
      task.log(`Could not remove volume ${volid}: ${errorMessage(error)}`);
    }
  }
}

/** Disk after disk; each holds its content only when all of it has arrived. */
async function stream(restore: DataRestore, archive: Archive, disks: Record<string, RestoredDisk>): Promise<void> {
  const { place, task, found } = restore;
  const totalBytes = Object.values(archive.disks).reduce((sum, disk) => sum + disk.sizeBytes, 0);
  let sparseBytes = 0;
  let readBefore = 0;
  let lastPercent = 0;
  const startedMs = place.world.clock.nowMs();
  for (const [key, restored] of Object.entries(disks)) {
    const disk = archive.disks[key]!;
    if (isDatastore(found.storage)) logDatastoreDisk(restore, key, restored);
    const dataBytes = blockCount(disk.blocks) * place.world.blockBytes;
    sparseBytes += Math.max(0, disk.sizeBytes - dataBytes);
    const report = (fraction: number) => {
      const readBytes = readBefore + Math.floor(disk.sizeBytes * fraction);
      const seconds = Math.floor((place.world.clock.nowMs() - startedMs) / 1000);
      for (let percent = lastPercent + 1; percent <= Math.floor((100 * readBytes) / totalBytes); percent += 1) {
        const bytes = Math.min(totalBytes, Math.ceil((totalBytes * percent) / 100 / 65_536) * 65_536);
        task.log(`progress ${percent}% (read ${bytes} bytes, duration ${seconds} sec)`);
        lastPercent = percent;
      }
    };
    await transferDisk(restore, archive, dataBytes, restored, (doneBytes) => report(dataBytes === 0 ? 0 : doneBytes / dataBytes));
    report(1);
    readBefore += disk.sizeBytes;
    getVolume(place, restored.volid).volume.blocks = copyBlocks(disk.blocks);
  }
  if (isDatastore(found.storage)) return;
  const sparsePercent = totalBytes === 0 ? 0 : Math.floor((100 * sparseBytes) / totalBytes);
  task.log(`total bytes read ${totalBytes}, sparse bytes ${sparseBytes} (${sparsePercent}%)`);
  if (sparsePercent < 100) task.log("space reduction due to 4K zero blocks 0%");
}

function logDatastoreDisk({ place, task, found }: DataRestore, key: string, disk: RestoredDisk): void {
  const made = getVolume(place, disk.volid);
  task.log(`restore proxmox backup image: ${datastoreRestoreCommand(found, key, volumePath(made.storage, made.name), made.volume.format)}`);
  task.log("download and verify backup index");
}

/** Compressed bytes leave the archive's place, plain ones arrive at the target's; a full target ends it halfway. */
async function transferDisk(
  { place, request, task, found }: DataRestore,
  archive: Archive,
  dataBytes: number,
  restored: RestoredDisk,
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  const target = getVolume(place, restored.volid);
  const freeBytes = target.volume.thin ? backendFreeBytes(target.backend, place.world.blockBytes) : Number.POSITIVE_INFINITY;
  const movableBytes = Math.min(dataBytes, freeBytes);
  const allBytes = Object.values(archive.disks).reduce((sum, disk) => sum + blockCount(disk.blocks) * place.world.blockBytes, 0);
  const packedShare = allBytes === 0 || isDatastore(found.storage) ? 1 : Math.min(1, archive.writtenBytes / allBytes);
  const limit = request.limitKibibytes ? request.limitKibibytes * 1024 : undefined;
  await Promise.all([
    task.transfer(Math.ceil(movableBytes * packedShare), resourcesOf(place, found.storage), limit),
    task.transfer(movableBytes, resourcesOf(place, target.storage), limit, onProgress),
  ]);
  if (movableBytes === dataBytes) return;
  task.log("vma: restore failed - blk_pwrite to  failed (-28)");
  fail(isDatastore(found.storage) ? "No space left on device" : "exit code 133");
}

/** The guest runs from the first moment; what it writes meanwhile wins over what arrives. */
async function streamWhileRunning(restore: DataRestore, archive: Archive, disks: Record<string, RestoredDisk>): Promise<void> {
  const { place, guest, task } = restore;
  writeConfig(restore, archive, disks);
  guest.config.lock = "create";
  task.log("Starting VM for live-restore");
  processStarted(place, guest, "running");
  try {
    for (const [key, restored] of Object.entries(disks)) {
      const { blocks } = archive.disks[key]!;
      await transferDisk(restore, archive, blockCount(blocks) * place.world.blockBytes, restored, () => {});
      const { volume } = getVolume(place, restored.volid);
      volume.blocks = { ...blocks, ...volume.blocks };
      task.log(`restore-drive-${key}: stream-job finished`);
    }
  } catch (error) {
    if (task.killed) throw error;
    task.log(`An error occurred during live-restore: ${errorMessage(error)}`);
    processStopped(place, guest);
    throw new Error("live-restore failed", { cause: error });
  }
  delete guest.config.lock;
}

function removeTemporary({ place, task }: DataRestore, disks: Record<string, RestoredDisk>): void {
  for (const { volid } of Object.values(disks)) {
    try {
      freeVolume(place, volid, task.log);
      task.log(`temporary volume '${volid}' successfully removed`);
    } catch (error) {
      task.log(`unable to cleanup '${volid}' - ${errorMessage(error)}`);
    }
  }
}

function writeConfig(restore: DataRestore, archive: Archive, disks: Record<string, RestoredDisk>): void {
  const { place, request, guest, task } = restore;
  const rewritten = rewriteConfig(archive.config, {
    era: place.cluster.era,
    world: place.world,
    vmid: request.vmid,
    unique: request.unique,
    disks,
    log: task.log,
  });
  guest.config = { ...withNewCloudInit(restore, rewritten), ...request.overrides };
  place.world.touch();
}

/** A cloud-init drive is not in the archive: it is made anew beside the first disk. */
function withNewCloudInit({ place, request, task }: DataRestore, config: Config): Config {
  const drive = drivesOf(config).find((candidate) => isCloudInit(candidate));
  const volid = drive === undefined ? undefined : volidOf(drive);
  if (!drive || volid === undefined) return config;
  const storage = getUsableStorage(place, request.storage ?? volid.split(":", 1)[0]!);
  const format = traitsOf(storage).naming === "file" ? "qcow2" : "raw";
  const allocation = {
    storage: storage.storage,
    vmid: request.vmid,
    sizeBytes: 4 * 1024 * 1024,
    format,
    stem: `vm-${request.vmid}-cloudinit`,
  };
  const key = traitsOf(storage).naming === "file" ? `${request.vmid}/${allocation.stem}.${format}` : allocation.stem;
  if (getBackend(place, storage).volumes[key]) freeVolume(place, `${storage.storage}:${key}`, task.log);
  const made = allocateVolume(place, allocation, task.log);
  return { ...config, [drive.key]: printDrive({ ...parseDrive(drive.key, config[drive.key]!), file: made }) };
}

/** Volumes of this number that nothing names become unused; only then does the guest join its pool. */
function finish({ place, request, guest, task }: DataRestore): void {
  task.log("rescan volumes...");
  const named = new Set(drivesOf(guest.config, { unused: true }).map(({ file }) => file));
  for (const storage of Object.values(place.cluster.storages)) {
    if (!isUsable(storage, place.node) || !storage.content.includes("images") || !findBackend(place, storage)) continue;
    for (const { volid, volume, name } of listVolumes(place, storage)) {
      if (volume.content !== "images" || name.vmid !== guest.vmid || named.has(volid) || /-(cloudinit|state)/.test(name.name)) continue;
      const key = addUnused(guest.config, volid);
      task.log(`VM ${guest.vmid} add unreferenced volume '${volid}' as '${key}' to config`);
    }
  }
  if (request.pool !== undefined) addToPool(place, request.vmid, request.pool);
  place.world.touch();
}
