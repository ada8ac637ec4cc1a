/** What is on a disk: numbered blocks with content ids. Two disks are equal when their checksums are. */
import { createHash } from "node:crypto";
import type { Blocks } from "../state";

/** Content id of a block full of zeros; writing it makes a hole. */
export const zeroBlock = "0000000000000000";

export interface DiskContent {
  blocks: Blocks;
  /** Blocks written since the last backup to a datastore; absent = no dirty bitmap. */
  dirty?: Record<number, true>;
}

/**
 * Writes one content id per block index, as a running guest does, and marks the blocks dirty.
 * @throws RangeError when the lists differ in length.
 */
export function writeBlocks(disk: DiskContent, indexes: readonly number[], contentIds: readonly string[]): void {
  if (indexes.length !== contentIds.length) throw new RangeError(`${indexes.length} blocks but ${contentIds.length} content ids`);
  indexes.forEach((index, position) => {
    const contentId = contentIds[position]!;
    if (contentId === zeroBlock) delete disk.blocks[index];
    else disk.blocks[index] = contentId;
    if (disk.dirty) disk.dirty[index] = true;
  });
}

/** Blocks that hold something, in order. */
export function contentBlocks(disk: DiskContent): { index: number; contentId: string }[] {
  return Object.entries(disk.blocks)
    .map(([index, contentId]) => ({ index: Number(index), contentId }))
    .sort((a, b) => a.index - b.index);
}

/** sha256 over the sorted `index:contentId` lines; holes do not count. */
export function diskChecksum(blocks: Blocks): string {
  const hash = createHash("sha256");
  for (const { index, contentId } of contentBlocks({ blocks })) hash.update(`${index}:${contentId}\n`);
  return hash.digest("hex");
}

export function copyBlocks(blocks: Blocks): Blocks {
  return { ...blocks };
}

export function blockCount(blocks: Blocks): number {
  return Object.keys(blocks).length;
}
