/**
 * What of the disks a backup to a datastore reads, and which chunks travel. Two things save work, independently:
 * a dirty bitmap, which the QEMU process keeps, saves reading; the chunks of the group's newest backup, which the
 * client downloads the index of, save sending. Chunks of other groups travel again; the server then stores them once.
 */
import type { GuestState, TaskContext } from "../kernel";
import type { BackedUpDrive, VolumeState } from "../state";
import { contentBlocks, diskChecksum } from "../volumes/blocks";
import type { Place } from "../volumes/calls";
import { formatBytes } from "../volumes/sizes";
import { listVolumes } from "../volumes/volumes";
import type { Archive } from "./archive";
import { chunkOf } from "./encryption";
import { isTemplate } from "./lookup";
import type { SourceDisk } from "./vzdump-data";
import type { GuestBackup } from "./vzdump-job";

export interface DatastoreBackup {
  /** Dirty bytes by the bitmaps, whole disks where none counts: 100 % of the backup's progress. */
  targetBytes: number;
  /** Read from the disks: the part of the target that is no hole. */
  readBytes: number;
  /** Chunk ids that have to travel, each once. */
  newChunks: string[];
}

type BitmapAction = "new" | "used" | "invalid" | "missing-recreated";

interface DrivePlan {
  source: SourceDisk;
  action: BitmapAction;
  /** Blocks by the bitmap; absent: all. */
  dirty?: number[];
}

/** Decides per drive, writes the log's lines about it and begins new bitmaps. A template has none. */
export function planDatastoreBackup(
  place: Place,
  { storage, vmid }: GuestBackup,
  guest: GuestState,
  sources: readonly SourceDisk[],
  task: TaskContext,
  keyFingerprint: string | undefined,
): DatastoreBackup {
  const info = (line: string) => task.log(`INFO: ${line}`);
  const previous = newestOfGroup(place, storage.storage, vmid);
  const template = isTemplate(guest);
  const byDrive = [...sources].sort((a, b) => (a.drive.key < b.drive.key ? -1 : 1));
  const plans = byDrive.map((source) => planDrive(source, guest.backupMemory?.[source.drive.key], { previous, keyFingerprint, template }));
  if (!template) for (const plan of plans) info(`${plan.source.drive.key}: dirty-bitmap status: ${describe(place, plan)}`);
  const targetBytes = plans.reduce((sum, plan) => sum + dirtyBytes(place, plan), 0);
  const diskBytes = plans.reduce((sum, { source }) => sum + source.found.volume.sizeBytes, 0);
  if (targetBytes < diskBytes) {
    info(`using fast incremental mode (dirty-bitmap), ${formatBytes(targetBytes)} dirty of ${formatBytes(diskBytes)} total`);
  }
  if (!template) beginBitmaps(guest, sources);
  const read = plans.flatMap(blocksToRead);
  const known = new Set(previous && usesKey(previous, keyFingerprint) ? chunksOf(previous) : []);
  const chunks = new Set(read.map((contentId) => chunkOf(contentId, keyFingerprint)));
  return {
    targetBytes,
    readBytes: read.length * place.world.blockBytes,
    newChunks: [...chunks].filter((chunk) => !known.has(chunk)),
  };
}

/** What the guest writes from here on belongs to the next backup; until this one has succeeded, the bitmaps count for nothing. */
function beginBitmaps(guest: GuestState, sources: readonly SourceDisk[]): void {
  for (const { drive, found } of sources) {
    found.volume.dirty = {};
    delete guest.backupMemory?.[drive.key];
  }
}

/** After a success: what the process compares the datastore with next time. */
export function rememberBackup(guest: GuestState, sources: readonly SourceDisk[], keyFingerprint: string | undefined): void {
  const memory: Record<string, BackedUpDrive> = { ...guest.backupMemory };
  for (const { drive, found, blocks } of sources) {
    memory[drive.key] = { checksum: diskChecksum(blocks), sizeBytes: found.volume.sizeBytes, keyFingerprint };
  }
  guest.backupMemory = memory;
}

interface Circumstances {
  previous: Archive | undefined;
  keyFingerprint: string | undefined;
  template: boolean;
}

/** A bitmap counts when the group's newest backup is the one it was begun with: same datastore, content, size and key. */
function planDrive(
  source: SourceDisk,
  memory: BackedUpDrive | undefined,
  { previous, keyFingerprint, template }: Circumstances,
): DrivePlan {
  if (template) return { source, action: "new" };
  const { volume } = source.found;
  const before = previous?.disks[source.drive.key];
  const continues =
    memory !== undefined &&
    before !== undefined &&
    memory.keyFingerprint === keyFingerprint &&
    previous?.keyFingerprint === keyFingerprint &&
    memory.sizeBytes === volume.sizeBytes &&
    before.sizeBytes === volume.sizeBytes &&
    memory.checksum === diskChecksum(before.blocks);
  const bitmap = volume.dirty;
  if (bitmap === undefined) return { source, action: continues ? "missing-recreated" : "new" };
  return continues ? { source, action: "used", dirty: Object.keys(bitmap).map(Number) } : { source, action: "invalid" };
}

function describe(place: Place, plan: DrivePlan): string {
  if (plan.action === "new") return "created new";
  if (plan.action === "invalid") return "existing bitmap was invalid and has been cleared";
  if (plan.action === "missing-recreated")
    return place.cluster.era === "8.4" ? "created new" : "expected bitmap was missing and has been recreated";
  const dirty = dirtyBytes(place, plan);
  return dirty === 0 ? "OK (drive clean)" : `OK (${formatBytes(dirty)} of ${formatBytes(plan.source.found.volume.sizeBytes)} dirty)`;
}

function dirtyBytes(place: Place, { source, dirty }: DrivePlan): number {
  const { sizeBytes } = source.found.volume;
  return dirty === undefined ? sizeBytes : Math.min(sizeBytes, dirty.length * place.world.blockBytes);
}

/** Content ids of the blocks that are read and are no holes. */
function blocksToRead({ source, dirty }: DrivePlan): string[] {
  if (dirty === undefined) return contentBlocks(source).map(({ contentId }) => contentId);
  return dirty.flatMap((index) => source.blocks[index] ?? []);
}

/** The newest backup of the guest's group in the storage's namespace. */
function newestOfGroup(place: Place, storageId: string, vmid: number): Archive | undefined {
  const storage = place.cluster.storages[storageId];
  if (!storage) return undefined;
  const own = listVolumes(place, storage).filter(({ volume }) => volume.vmid === vmid && volume.archive !== undefined);
  return own.reduce<VolumeState | undefined>(
    (newest, { volume }) => (newest && newest.createdAtMs >= volume.createdAtMs ? newest : volume),
    undefined,
  )?.archive;
}

function usesKey(archive: Archive, keyFingerprint: string | undefined): boolean {
  return archive.keyFingerprint === keyFingerprint;
}

function chunksOf(archive: Archive): string[] {
  return Object.values(archive.disks).flatMap(({ blocks }) => Object.values(blocks).map((id) => chunkOf(id, archive.keyFingerprint)));
}
