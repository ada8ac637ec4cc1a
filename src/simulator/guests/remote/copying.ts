/** Moving the contents of volumes to another cluster: whole volumes at rest, and a running guest's disks and memory. */
import type { TaskContext } from "../../kernel";
import { linksBetween } from "../../network";
import type { Blocks } from "../../state";
import { backendFreeBytes } from "../../usage";
import { blockCount, copyBlocks } from "../../volumes/blocks";
import type { Place } from "../../volumes/calls";
import { formatBytes } from "../../volumes/sizes";
import { resourcesOf } from "../../volumes/storages";
import { type FoundVolume, getVolume } from "../../volumes/volumes";
import type { StreamFormat } from "./stream-formats";
import type { MigrationTunnel } from "./tunnel";

export interface Channel {
  place: Place;
  tunnel: MigrationTunnel;
  task: TaskContext;
  limitBytesPerSecond?: number;
}

/** Everything the bytes of a volume pass on their way. */
function pathOf({ place, tunnel }: Channel, from: FoundVolume | undefined, targetVolid: string | undefined): string[] {
  const links = linksBetween(place.world.state, place.cluster.id, tunnel.clusterId);
  const source = from === undefined ? [] : resourcesOf(place, from.storage);
  const target = targetVolid === undefined ? [] : resourcesOf(tunnel.targetPlace, getVolume(tunnel.targetPlace, targetVolid).storage);
  return [...source, ...links, ...target];
}

async function send(channel: Channel, bytes: number, through: string[], onProgress?: (doneBytes: number) => void): Promise<void> {
  const { task, tunnel, limitBytesPerSecond } = channel;
  await task.transfer(bytes, through, limitBytesPerSecond, onProgress, "copy", tunnel.broken);
}

/** Bytes that fit on the target before it is full. */
function roomFor({ place, tunnel }: Channel, targetVolid: string): number {
  const target = getVolume(tunnel.targetPlace, targetVolid);
  return target.volume.thin ? backendFreeBytes(target.backend, place.world.blockBytes) : Number.POSITIVE_INFINITY;
}

/**
 * A volume that nobody writes to. Raw bytes travel all, holes included; QCOW2 files and ZFS streams hold
 * only what was written.
 */
export async function copyAtRest(channel: Channel, from: FoundVolume, targetVolid: string, stream: StreamFormat): Promise<void> {
  const { place, tunnel, task } = channel;
  const blocks = copyBlocks(from.volume.blocks);
  const dataBytes = blockCount(blocks) * place.world.blockBytes;
  const bytes = stream === "raw+size" ? Math.max(from.volume.sizeBytes, dataBytes) : dataBytes;
  const through = pathOf(channel, from, targetVolid);
  const room = roomFor(channel, targetVolid);
  if (dataBytes > room) {
    await send(channel, Math.min(bytes, room), through);
    task.log("disk-import: dd: error writing: No space left on device");
    throw new Error("disk import failed - see log above");
  }
  await send(channel, bytes, through);
  tunnel.write(targetVolid, blocks);
}

/** A disk of a running guest: first all of it, then again and again what the guest wrote meanwhile. */
export class Mirror {
  private sent: Blocks = {};

  constructor(
    private readonly channel: Channel,
    readonly driveKey: string,
    private readonly from: FoundVolume,
    private readonly targetVolid: string,
  ) {}

  /** Resolves when the target is as the source was a moment ago. */
  async copyAll(): Promise<void> {
    const { task } = this.channel;
    const size = formatBytes(this.from.volume.sizeBytes);
    const report = (fraction: number, end = "") => {
      const done = formatBytes(this.from.volume.sizeBytes * fraction);
      task.log(`mirror-${this.driveKey}: transferred ${done} of ${size} (${(100 * fraction).toFixed(2)}%)${end}`);
    };
    task.log(`drive mirror is starting for drive-${this.driveKey}`);
    await this.catchUp(report);
    report(1, ", ready");
  }

  /** Sends what differs. `report` is told the share that is done. */
  async catchUp(report?: (fraction: number) => void): Promise<void> {
    for (;;) {
      const now = copyBlocks(this.from.volume.blocks);
      const changed = changedBlocks(this.sent, now);
      if (changed === 0) break;
      const { blockBytes } = this.channel.place.world;
      const bytes = changed * blockBytes;
      // Overwriting takes no room.
      const room = roomFor(this.channel, this.targetVolid) + blockBytes * (changed - addedBlocks(this.sent, now));
      const through = pathOf(this.channel, this.from, this.targetVolid);
      await send(this.channel, Math.min(bytes, room), through, (doneBytes) => {
        if (doneBytes < bytes) report?.(doneBytes / bytes);
      });
      if (bytes > room) throw new Error(`block job (mirror) error: ${this.driveKey}: 'mirror' has been cancelled`);
      this.sent = now;
      this.channel.tunnel.write(this.targetVolid, copyBlocks(now));
    }
  }

  /** In active mode every write of the guest goes to both sides: the last ones cost no time of their own. */
  finish(): void {
    this.sent = copyBlocks(this.from.volume.blocks);
    this.channel.tunnel.write(this.targetVolid, copyBlocks(this.sent));
  }
}

function changedBlocks(before: Blocks, after: Blocks): number {
  const written = Object.entries(after).filter(([index, contentId]) => before[Number(index)] !== contentId).length;
  const cleared = Object.keys(before).filter((index) => after[Number(index)] === undefined).length;
  return written + cleared;
}

function addedBlocks(before: Blocks, after: Blocks): number {
  return Object.keys(after).filter((index) => before[Number(index)] === undefined).length;
}

/** The memory of a running guest. */
export async function sendMemory(channel: Channel, bytes: number): Promise<void> {
  const { task } = channel;
  const total = formatBytes(bytes);
  await send(channel, bytes, pathOf(channel, undefined, undefined), (doneBytes) => {
    if (doneBytes < bytes) task.log(`migration active, transferred ${formatBytes(doneBytes)} of ${total} VM-state`);
  });
}
