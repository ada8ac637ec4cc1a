/** Progress of a transfer as Proxmox logs it, in words for the display. Pure: the clock is an argument. */
import { roundedDuration, roundedSize } from "../config";

const UNITS: Record<string, number> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** vzdump: `INFO:  12% (1.2 GiB of 10.0 GiB) in 5s, read: 245.8 MiB/s, write: 240.2 MiB/s`; restore: `progress 12% (read 515899392 bytes, …)`; mirror: `transferred 1.2 GiB of 10.0 GiB (12.00%)`. */
export function parseProgress(line: string): { percent: number; bytes?: number; totalBytes?: number } | undefined {
  const percent = /(?:^|\s|\()(\d{1,3})(?:\.\d+)?%/.exec(line)?.[1];
  if (percent === undefined || Number(percent) > 100) return undefined;
  const sizes = /(?:\(|transferred )(\d+(?:\.\d+)?) ([KMGT]?i?B) of (\d+(?:\.\d+)?) ([KMGT]?i?B)/.exec(line);
  if (sizes) return { percent: Number(percent), bytes: toBytes(sizes[1]!, sizes[2]!), totalBytes: toBytes(sizes[3]!, sizes[4]!) };
  const read = /\(read (\d+) bytes/.exec(line)?.[1];
  return read === undefined ? { percent: Number(percent) } : { percent: Number(percent), bytes: Number(read) };
}

function toBytes(amount: string, unit: string): number {
  return Math.round(Number(amount) * (UNITS[unit] ?? 1));
}

/** One line per whole percent: stage, percent, rate, time left. */
export class TransferProgress {
  private startMs: number | undefined;
  private first = 0;
  private last = -1;

  constructor(
    private readonly stage: string,
    private readonly nowMs: () => number,
  ) {}

  /** What to show after these log lines; `undefined` when nothing is new. */
  read(lines: readonly string[]): string | undefined {
    const found = lines.map(parseProgress).filter((progress) => progress !== undefined);
    const latest = found.at(-1);
    if (!latest || latest.percent <= this.last) return undefined;
    this.last = latest.percent;
    if (this.startMs === undefined) {
      // The first line tells where it stands, not how fast it goes.
      this.startMs = this.nowMs();
      this.first = latest.percent;
      return `${this.stage}: ${latest.percent} %`;
    }
    const elapsedMs = this.nowMs() - this.startMs;
    const done = latest.percent - this.first;
    const parts = [`${this.stage}: ${latest.percent} %`];
    if (elapsedMs >= 1000 && latest.bytes !== undefined)
      parts.push(`${roundedSize((latest.bytes * (done / latest.percent) * 1000) / elapsedMs)}/s`);
    if (elapsedMs >= 1000 && latest.percent < 100) parts.push(`about ${roundedDuration((elapsedMs * (100 - latest.percent)) / done)} left`);
    return parts.join(", ");
  }
}
