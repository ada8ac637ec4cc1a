/** Moving a backup's bytes: to an archive file, or as chunks to a datastore; with the log of its progress. */
import type { BackendState, TaskContext } from "../kernel";
import type { Blocks } from "../state";
import { backendFreeBytes } from "../usage";
import { blockCount, contentBlocks } from "../volumes/blocks";
import { fail, type Place } from "../volumes/calls";
import { formatBytes } from "../volumes/sizes";
import { getBackend, resourcesOf } from "../volumes/storages";
import type { FoundVolume } from "../volumes/volumes";
import { archiveOverheadBytes, compressionOf } from "./archive";
import type { Drive } from "./drive";
import type { GuestBackup } from "./vzdump-job";

export interface SourceDisk {
  drive: Drive;
  found: FoundVolume;
  /** Content at the moment the backup began. */
  blocks: Blocks;
  /** Blocks to read: only the dirty ones when a bitmap of the last backup is valid. */
  readBlocks: number;
}

const info = (task: TaskContext, line: string) => task.log(`INFO: ${line}`);

/** Reads everything that holds data and writes it compressed. Returns the archive's length. */
export async function writeFile(
  place: Place,
  { storage, job }: GuestBackup,
  sources: readonly SourceDisk[],
  task: TaskContext,
): Promise<number> {
  const { factor } = compressionOf(job.compress);
  const dataBytes = sumBlocks(sources) * place.world.blockBytes;
  const diskBytes = sources.reduce((sum, { found }) => sum + found.volume.sizeBytes, 0);
  const sizeBytes = archiveOverheadBytes(diskBytes, job.compress) + Math.ceil(dataBytes * factor);
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
export async function sendChunks(
  place: Place,
  { storage, job }: GuestBackup,
  sources: readonly SourceDisk[],
  task: TaskContext,
): Promise<number> {
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
      info(
        this.task,
        `backup is sparse: ${formatBytes(zeroBytes, 2)} (${Math.floor((100 * zeroBytes) / this.totalBytes)}%) total zero data`,
      );
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
