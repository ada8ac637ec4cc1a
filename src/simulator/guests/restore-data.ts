/** The data part of a restore: from the old guest's disks being freed to the new configuration being written. */
import type { Call, GuestState, StorageState, TaskContext } from "../kernel";
import { parseUpid } from "../upid";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { volumePath } from "../volumes/names";
import { findBackend, getBackend, getUsableStorage, isUsable } from "../volumes/storages";
import { imageFormat, traitsOf } from "../volumes/types";
import { allocateVolume, type FoundVolume, freeVolume, getVolume, listVolumes } from "../volumes/volumes";
import { type Archive, extractCommand, indexCommand, isDatastore } from "./archive";
import { type Config, drivesOf, isCloudInit, parseDrive, printDrive, volidOf } from "./drive";
import { keyProblem } from "./encryption";
import { addToPool, isTemplate } from "./lookup";
import { preloadDisks, streamDisks, streamWhileRunning } from "./restore-stream";
import { type RestoredDisk, rewriteConfig } from "./restored-config";
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
  requireKey(restore, archive);
  const targets = Object.keys(archive.disks).map((key) => targetOf(restore, archive, key));
  const datastore = isDatastore(found.storage);
  if (request.limitKibibytes && !datastore) {
    for (const id of new Set(targets.map((target) => target.storage.storage)))
      task.log(`rate limit for storage ${id}: ${request.limitKibibytes} KiB/s`);
  }
  freeReplacedDisks(place, guest, Object.keys(archive.disks), task);
  // From here to the end the config is this: no name, no tags; and a lock only when it comes from a datastore.
  guest.config = { memory: "128", ...(datastore ? { lock: "create" } : {}) };
  guest.pending = {};
  guest.snapshots = {};
  place.world.touch();
  const disks: Record<string, RestoredDisk> = {};
  try {
    for (const target of targets) disks[target.key] = allocateTarget(restore, archive, target);
    if (request.live) await preloadDisks(restore, archive, disks);
    else await streamDisks(restore, archive, disks);
  } catch (error) {
    if (!task.killed) removeTemporary(restore, disks);
    throw error;
  }
  if (request.live) return startLive(restore, archive, disks);
  restore.progress.dataRestored = true;
  writeConfig(restore, archive, disks);
  finish(restore);
}

/** The config is complete before the guest starts, and locked until its data are there. A failure leaves it stopped on half a disk. */
async function startLive(restore: DataRestore, archive: Archive, disks: Record<string, RestoredDisk>): Promise<void> {
  const { guest } = restore;
  writeConfig(restore, archive, disks);
  guest.config.lock = "create";
  finish(restore);
  if (isTemplate(guest)) fail("cannot do live-restore for template");
  await streamWhileRunning(restore, archive, disks);
  delete guest.config.lock;
  restore.progress.dataRestored = true;
}

/** The first thing that the backup client fetches needs the key: nothing has been touched yet. */
function requireKey({ found, task }: DataRestore, archive: Archive): void {
  const problem = keyProblem(found.storage, archive);
  if (problem === undefined) return;
  task.log(`Error: ${problem}`);
  fail(`command '${indexCommand(found, parseUpid(task.upid)?.pid ?? 0)}' failed: exit code 255`);
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
