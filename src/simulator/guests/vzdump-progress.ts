/** The percent lines and the sums in a backup's log. */
import type { TaskContext } from "../kernel";
import type { Place } from "../volumes/calls";
import { formatBytes } from "../volumes/sizes";

export class BackupProgress {
  private readonly startedMs: number;
  private lastPercent = 0;

  /** `totalBytes`: what is gone through, blocks of zeros included; `writtenShare`: how much of it is written. */
  constructor(
    private readonly place: Place,
    private readonly task: TaskContext,
    private readonly amounts: { totalBytes: number; writtenShare: number },
  ) {
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

  sparse(zeroBytes: number): void {
    const { totalBytes } = this.amounts;
    if (zeroBytes > 0) this.info(`backup is sparse: ${formatBytes(zeroBytes, 2)} (${percentOf(zeroBytes, totalBytes)}%) total zero data`);
  }

  reused(bytes: number, diskBytes: number): void {
    if (bytes > 0) this.info(`backup was done incrementally, reused ${formatBytes(bytes, 2)} (${percentOf(bytes, diskBytes)}%)`);
  }

  transferred(): void {
    const { totalBytes } = this.amounts;
    if (totalBytes === 0) return;
    const seconds = this.seconds();
    const speed = seconds < 1 ? "" : ` (${formatBytes(totalBytes / seconds)}/s)`;
    this.info(`transferred ${formatBytes(totalBytes, 2)} in ${seconds < 1 ? "<1" : seconds} seconds${speed}`);
  }

  private line(fraction: number): void {
    this.lastPercent = Math.floor(100 * fraction);
    const { totalBytes, writtenShare } = this.amounts;
    const seconds = Math.max(1, this.seconds());
    const doneBytes = totalBytes * fraction;
    const rate = (bytes: number) => (bytes > 0 ? `${formatBytes(bytes / seconds)}/s` : "0 B/s");
    const amount = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
    const percent = String(this.lastPercent).padStart(3);
    this.info(`${percent}% (${amount}) in ${this.seconds()}s, read: ${rate(doneBytes)}, write: ${rate(doneBytes * writtenShare)}`);
  }

  private seconds(): number {
    return Math.floor((this.place.world.clock.nowMs() - this.startedMs) / 1000);
  }

  private info(line: string): void {
    this.task.log(`INFO: ${line}`);
  }
}

function percentOf(bytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 0 : Math.floor((100 * bytes) / totalBytes);
}
