/** The bytes of a restore: archive after archive format, each with the lines its tool prints. */
import { backendFreeBytes } from "../usage";
import { blockCount, copyBlocks } from "../volumes/blocks";
import { errorMessage, fail } from "../volumes/calls";
import { volumePath } from "../volumes/names";
import { formatBytes } from "../volumes/sizes";
import { resourcesOf } from "../volumes/storages";
import { getVolume } from "../volumes/volumes";
import { type Archive, datastoreRestoreCommand, isDatastore } from "./archive";
import type { DataRestore } from "./restore-data";
import type { RestoredDisk } from "./restored-config";
import { guestRuns, processStarted, processStopped } from "./runtime";
import { moveBytes } from "./stream";

type Disks = Record<string, RestoredDisk>;

/** Disk after disk; each holds its content only when all of it has arrived. */
export function streamDisks(restore: DataRestore, archive: Archive, disks: Disks): Promise<void> {
  return isDatastore(restore.found.storage) ? streamChunks(restore, archive, disks) : streamFile(restore, archive, disks);
}

/** One pass through the file: its percentages are of all disks together. */
async function streamFile(restore: DataRestore, archive: Archive, disks: Disks): Promise<void> {
  const { place, task } = restore;
  const totalBytes = Object.values(archive.disks).reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const progress = new PercentLines(restore, totalBytes, (bytes, seconds) => `read ${bytes} bytes, duration ${seconds} sec`);
  let sparseBytes = 0;
  let readBefore = 0;
  for (const [key, restored] of Object.entries(disks)) {
    const disk = archive.disks[key]!;
    const dataBytes = blockCount(disk.blocks) * place.world.blockBytes;
    sparseBytes += Math.max(0, disk.sizeBytes - dataBytes);
    const report = (fraction: number) => progress.report(readBefore + Math.floor(disk.sizeBytes * fraction));
    await transferDisk(restore, archive, key, restored, report);
    report(1);
    readBefore += disk.sizeBytes;
  }
  const sparsePercent = totalBytes === 0 ? 0 : Math.floor((100 * sparseBytes) / totalBytes);
  task.log(`total bytes read ${totalBytes}, sparse bytes ${sparseBytes} (${sparsePercent}%)`);
  if (sparsePercent < 100) task.log("space reduction due to 4K zero blocks 0%");
}

/** One run of the client per disk. */
async function streamChunks(restore: DataRestore, archive: Archive, disks: Disks): Promise<void> {
  for (const key of Object.keys(disks).sort()) await fetchImage(restore, archive, key, disks[key]!);
}

async function fetchImage(restore: DataRestore, archive: Archive, key: string, restored: RestoredDisk): Promise<void> {
  const { place, task, found } = restore;
  const { sizeBytes, blocks } = archive.disks[key]!;
  const made = getVolume(place, restored.volid);
  const path = volumePath(made.storage, made.name);
  const zeroBytes = Math.max(0, sizeBytes - blockCount(blocks) * place.world.blockBytes);
  const startedMs = place.world.clock.nowMs();
  task.log(`restore proxmox backup image: ${datastoreRestoreCommand(found, key, path, made.volume.format)}`);
  task.log(`connecting to repository '${repositoryOf(restore)}'`);
  task.log(`open block backend for target '${path}'`);
  task.log(`starting to restore snapshot '${found.name.name}'`);
  task.log("download and verify backup index");
  const progress = new PercentLines(restore, sizeBytes, (bytes, seconds) => {
    const zeroes = Math.floor((zeroBytes * bytes) / sizeBytes);
    return `read ${bytes} bytes, zeroes = ${Math.floor((100 * zeroes) / bytes)}% (${zeroes} bytes), duration ${seconds} sec`;
  });
  await transferDisk(restore, archive, key, restored, (fraction) => progress.report(Math.floor(sizeBytes * fraction)));
  progress.report(sizeBytes);
  const seconds = (place.world.clock.nowMs() - startedMs) / 1000;
  const speed = (sizeBytes / 1e6 / Math.max(seconds, 0.01)).toFixed(2);
  task.log(`restore image complete (bytes=${sizeBytes}, duration=${seconds.toFixed(2)}s, speed=${speed}MB/s)`);
}

/** Disks without which no process starts: they come before it. */
const preloaded = new Set(["efidisk0", "tpmstate0"]);

/** The guest runs from the first moment; what it writes meanwhile wins over what arrives. The caller has written the config. */
export async function streamWhileRunning(restore: DataRestore, archive: Archive, disks: Disks): Promise<void> {
  const { place, guest, task, found } = restore;
  const streamed = Object.keys(disks)
    .filter((key) => !preloaded.has(key))
    .sort();
  task.log("starting VM for live-restore");
  task.log(`repository: '${repositoryOf(restore)}', snapshot: '${found.name.name}'`);
  for (const key of streamed) task.log(`restoring 'drive-${key}' to '${disks[key]!.volid}'`);
  try {
    await task.pass(1_000);
    processStarted(place, guest, "prelaunch");
    guestRuns(place, guest);
    await Promise.all(streamed.map((key) => streamBehindGuest(restore, archive, key, disks[key]!)));
    task.log("restore-drive jobs finished successfully, removing all tracking block devices to disconnect from Proxmox Backup Server");
  } catch (error) {
    if (task.killed) throw error;
    task.log(`An error occurred during live-restore: ${errorMessage(error)}`);
    processStopped(place, guest);
    throw new Error("live-restore failed", { cause: error });
  }
}

export async function preloadDisks(restore: DataRestore, archive: Archive, disks: Disks): Promise<void> {
  for (const key of Object.keys(disks).sort()) if (preloaded.has(key)) await fetchImage(restore, archive, key, disks[key]!);
}

async function streamBehindGuest(restore: DataRestore, archive: Archive, key: string, restored: RestoredDisk): Promise<void> {
  const { place, task } = restore;
  const { sizeBytes } = archive.disks[key]!;
  const startedMs = place.world.clock.nowMs();
  const report = (fraction: number) => {
    const seconds = Math.floor((place.world.clock.nowMs() - startedMs) / 1000);
    const amount = `${formatBytes(sizeBytes * fraction)} of ${formatBytes(sizeBytes)} (${(100 * fraction).toFixed(2)}%)`;
    task.log(`restore-drive-${key}: transferred ${amount} in ${seconds}s`);
  };
  report(0);
  await transferDisk(restore, archive, key, restored, report);
  report(1);
  task.log(`restore-drive-${key}: stream-job finished`);
}

/** Compressed bytes leave the archive's place, plain ones arrive at the target's; a full target ends it halfway. */
async function transferDisk(
  { place, request, task, found }: DataRestore,
  archive: Archive,
  key: string,
  restored: RestoredDisk,
  onProgress: (fraction: number) => void,
): Promise<void> {
  const target = getVolume(place, restored.volid);
  const { blocks } = archive.disks[key]!;
  const dataBytes = blockCount(blocks) * place.world.blockBytes;
  const freeBytes = target.volume.thin ? backendFreeBytes(target.backend, place.world.blockBytes) : Number.POSITIVE_INFINITY;
  const movableBytes = Math.min(dataBytes, freeBytes);
  const datastore = isDatastore(found.storage);
  const allBytes = Object.values(archive.disks).reduce((sum, disk) => sum + blockCount(disk.blocks) * place.world.blockBytes, 0);
  const packedShare = allBytes === 0 || datastore ? 1 : Math.min(1, archive.writtenBytes / allBytes);
  // The client for datastores knows no limit: `bwlimit` is for archive files.
  const limit = request.limitKibibytes && !datastore ? request.limitKibibytes * 1024 : undefined;
  await moveBytes(task, {
    read: { bytes: Math.ceil(movableBytes * packedShare), through: resourcesOf(place, found.storage) },
    write: { bytes: movableBytes, through: resourcesOf(place, target.storage) },
    limitBytesPerSecond: limit,
    onProgress: (fraction) => {
      if (fraction * movableBytes < dataBytes) onProgress((fraction * movableBytes) / dataBytes);
    },
  });
  if (movableBytes < dataBytes) {
    if (!datastore) task.log("vma: restore failed - blk_pwrite to  failed (-28)");
    fail(datastore ? "restore failed: No space left on device (os error 28)" : "exit code 133");
  }
  // What a guest has written since it runs on this disk is newer than the backup.
  target.volume.blocks = { ...copyBlocks(blocks), ...target.volume.blocks };
}

function repositoryOf({ found: { storage } }: DataRestore): string {
  const { username = "root@pam", server = "localhost", datastore = "" } = storage.options;
  return `${username}@${server}:${datastore}`;
}

/** `progress 7% (…)`: one line per percent. */
class PercentLines {
  private lastPercent = 0;
  private readonly startedMs: number;

  constructor(
    private readonly restore: DataRestore,
    private readonly totalBytes: number,
    private readonly detail: (bytes: number, seconds: number) => string,
  ) {
    this.startedMs = restore.place.world.clock.nowMs();
  }

  report(readBytes: number): void {
    const { place, task } = this.restore;
    const seconds = Math.floor((place.world.clock.nowMs() - this.startedMs) / 1000);
    for (let percent = this.lastPercent + 1; percent <= Math.floor((100 * readBytes) / this.totalBytes); percent += 1) {
      const bytes = Math.min(this.totalBytes, Math.ceil((this.totalBytes * percent) / 100 / 65_536) * 65_536);
      task.log(`progress ${percent}% (${this.detail(bytes, seconds)})`);
      this.lastPercent = percent;
    }
  }
}
