/** Copying a disk's content from one volume to another. */
import { backendFreeBytes } from "../usage";
import { blockCount, copyBlocks } from "../volumes/blocks";
import type { Place } from "../volumes/calls";
import { formatBytes } from "../volumes/sizes";
import { resourcesOf } from "../volumes/storages";
import { type FoundVolume, getVolume } from "../volumes/volumes";
import type { Work } from "./work";

export interface Copy {
  source: FoundVolume;
  targetVolid: string;
  /** Where the target volume is, when not on the source's node. */
  targetPlace?: Place;
  limitBytesPerSecond?: number;
  /** In front of each progress line: `mirror-scsi0: `. */
  prefix?: string;
  /** Error text when the target is full. */
  fullError: string;
}

/** Reads every block that holds something, writes it to the target; progress goes to the log. */
export async function copyDisk(work: Work, place: Place, copy: Copy): Promise<void> {
  const targetPlace = copy.targetPlace ?? place;
  const target = getVolume(targetPlace, copy.targetVolid);
  const { volume: source } = copy.source;
  const dataBytes = blockCount(source.blocks) * place.world.blockBytes;
  const freeBytes = target.volume.thin ? backendFreeBytes(target.backend, place.world.blockBytes) : Number.POSITIVE_INFINITY;
  const size = formatBytes(source.sizeBytes);
  const report = (fraction: number) => {
    const percent = (100 * fraction).toFixed(2);
    work.log(`${copy.prefix ?? ""}transferred ${formatBytes(source.sizeBytes * fraction)} of ${size} (${percent}%)`);
  };
  report(0);
  const through = [...resourcesOf(place, copy.source.storage), ...resourcesOf(targetPlace, target.storage)];
  const movableBytes = Math.min(dataBytes, freeBytes);
  await work.transfer(movableBytes, through, copy.limitBytesPerSecond, (doneBytes) => {
    if (doneBytes < dataBytes) report(doneBytes / dataBytes);
  });
  if (movableBytes < dataBytes) throw new Error(copy.fullError);
  report(1);
  target.volume.blocks = copyBlocks(source.blocks);
  place.world.touch();
}
