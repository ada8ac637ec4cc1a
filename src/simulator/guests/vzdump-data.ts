/** Moving a backup's bytes: to an archive file, or as chunks to a datastore. */
import type { TaskContext } from "../kernel";
import type { Blocks } from "../state";
import { backendFreeBytes } from "../usage";
import { blockCount } from "../volumes/blocks";
import { fail, type Place } from "../volumes/calls";
import { getBackend, resourcesOf } from "../volumes/storages";
import type { FoundVolume } from "../volumes/volumes";
import { archiveOverheadBytes, compressionOf } from "./archive";
import type { Drive } from "./drive";
import { moveBytes } from "./stream";
import type { DatastoreBackup } from "./vzdump-bitmap";
import type { GuestBackup } from "./vzdump-job";
import { BackupProgress } from "./vzdump-progress";

export interface SourceDisk {
  drive: Drive;
  found: FoundVolume;
  /** Content at the moment the backup began. */
  blocks: Blocks;
}

/** Reads everything that holds data and writes it compressed. Returns the archive's length. */
export async function writeFile(
  place: Place,
  { storage, job }: GuestBackup,
  sources: readonly SourceDisk[],
  task: TaskContext,
): Promise<number> {
  const { factor } = compressionOf(job.compress);
  const dataBytes = sources.reduce((sum, { blocks }) => sum + blockCount(blocks), 0) * place.world.blockBytes;
  const diskBytes = diskBytesOf(sources);
  const sizeBytes = archiveOverheadBytes(diskBytes, job.compress) + Math.ceil(dataBytes * factor);
  const backend = getBackend(place, storage);
  const freeBytes = backendFreeBytes(backend, place.world.blockBytes);
  const share = sizeBytes <= freeBytes ? 1 : freeBytes / sizeBytes;
  const writtenShare = diskBytes === 0 ? 0 : dataBytes / diskBytes;
  const progress = new BackupProgress(place, task, { totalBytes: diskBytes, writtenShare });
  await move(place, task, {
    readBytes: Math.floor(dataBytes * share),
    writeBytes: Math.floor(sizeBytes * share),
    sources,
    target: resourcesOf(place, storage),
    limitKibibytes: job.limitKibibytes,
    onProgress: (fraction) => progress.report(fraction * share),
  });
  progress.finish(share);
  if (share < 1) fail("vma_queue_write: write error - No space left on device");
  progress.sparse(diskBytes - dataBytes);
  progress.transferred();
  return sizeBytes;
}

/** Reads what the bitmaps ask for and sends the chunks that the group's last backup does not have. Returns the bytes that travelled. */
export async function sendChunks(
  place: Place,
  { storage, job }: GuestBackup,
  sources: readonly SourceDisk[],
  backup: DatastoreBackup,
  task: TaskContext,
): Promise<number> {
  const backend = getBackend(place, storage);
  const { blockBytes } = place.world;
  const sentBytes = backup.newChunks.length * blockBytes;
  const unstored = backup.newChunks.filter((chunk) => !backend.chunks[chunk]);
  if (unstored.length * blockBytes > backendFreeBytes(backend, blockBytes)) {
    fail("backup write data failed: command error: write_data upload error: pipelined request failed: No space left on device");
  }
  const { targetBytes, readBytes } = backup;
  const writtenShare = targetBytes === 0 ? 0 : Math.min(1, sentBytes / targetBytes);
  const progress = new BackupProgress(place, task, { totalBytes: targetBytes, writtenShare });
  await move(place, task, {
    readBytes,
    writeBytes: sentBytes,
    sources,
    target: resourcesOf(place, storage),
    limitKibibytes: job.limitKibibytes,
    onProgress: (fraction) => progress.report(fraction),
  });
  for (const chunk of unstored) backend.chunks[chunk] = true;
  const diskBytes = diskBytesOf(sources);
  progress.finish(1);
  progress.sparse(Math.max(0, targetBytes - readBytes));
  progress.reused(diskBytes - sentBytes, diskBytes);
  progress.transferred();
  return sentBytes;
}

function diskBytesOf(sources: readonly SourceDisk[]): number {
  return sources.reduce((sum, { found }) => sum + found.volume.sizeBytes, 0);
}

interface Move {
  readBytes: number;
  writeBytes: number;
  sources: readonly SourceDisk[];
  target: string[];
  limitKibibytes?: number;
  onProgress(fraction: number): void;
}

async function move(place: Place, task: TaskContext, { readBytes, writeBytes, sources, target, ...rest }: Move): Promise<void> {
  const from = [...new Set(sources.flatMap(({ found }) => resourcesOf(place, found.storage)))];
  await Promise.all([
    moveBytes(task, {
      read: { bytes: readBytes, through: from },
      write: { bytes: writeBytes, through: target },
      limitBytesPerSecond: rest.limitKibibytes ? rest.limitKibibytes * 1024 : undefined,
      onProgress: rest.onProgress,
    }),
    // QEMU and the archive's index need their time however little there is to move.
    task.pass(1_000),
  ]);
}
