/**
 * Round-robin archives as Proxmox keeps them of every node and storage: for each resolution the last points, averages or maxima
 * of what was measured within it.
 */

/** Seconds between two points, and how many there are. */
const TIMEFRAMES: Record<string, { stepSeconds: number; count: number }> = {
  hour: { stepSeconds: 60, count: 70 },
  day: { stepSeconds: 1_800, count: 70 },
  week: { stepSeconds: 10_800, count: 70 },
  month: { stepSeconds: 43_200, count: 70 },
  year: { stepSeconds: 604_800, count: 70 },
  decade: { stepSeconds: 604_800, count: 600 },
};
export const timeframes = ["hour", "day", "week", "month", "year"];

/** Kept points by resolution; a decade's are those of a year, only more. */
const KEPT = new Map<number, number>();
for (const { stepSeconds, count } of Object.values(TIMEFRAMES)) KEPT.set(stepSeconds, Math.max(KEPT.get(stepSeconds) ?? 0, count));

interface Point {
  /** Start of the step, seconds since the epoch. */
  timeSeconds: number;
  samples: number;
  sums: number[];
  maxima: number[];
}

/** By resolution in seconds, oldest first. */
export type Archives = Record<string, Point[]>;

/** @param values always the same kind, in the same order */
export function recordSample(archives: Archives, atMs: number, values: readonly number[]): void {
  for (const [stepSeconds, count] of KEPT) {
    archives[stepSeconds] ??= [];
    const points = archives[stepSeconds];
    const timeSeconds = stepStart(atMs, stepSeconds);
    const last = points.at(-1);
    if (last?.timeSeconds === timeSeconds) {
      last.samples += 1;
      last.sums = last.sums.map((sum, index) => sum + values[index]!);
      last.maxima = last.maxima.map((most, index) => Math.max(most, values[index]!));
    } else {
      points.push({ timeSeconds, samples: 1, sums: [...values], maxima: [...values] });
      points.splice(0, points.length - count);
    }
  }
}

/** All steps of the timeframe; those without a sample are there with their time only. */
export function readPoints(
  archives: Archives | undefined,
  window: { nowMs: number; timeframe: string; combine: "AVERAGE" | "MAX" },
): { timeSeconds: number; values?: number[] }[] {
  const { stepSeconds, count } = TIMEFRAMES[window.timeframe]!;
  const kept = new Map(archives?.[stepSeconds]?.map((point) => [point.timeSeconds, point]));
  const lastSeconds = stepStart(window.nowMs, stepSeconds);
  return Array.from({ length: count }, (_, index) => {
    const timeSeconds = lastSeconds - (count - 1 - index) * stepSeconds;
    const point = kept.get(timeSeconds);
    if (!point) return { timeSeconds };
    return { timeSeconds, values: window.combine === "MAX" ? point.maxima : point.sums.map((sum) => sum / point.samples) };
  });
}

function stepStart(atMs: number, stepSeconds: number): number {
  return Math.floor(atMs / 1000 / stepSeconds) * stepSeconds;
}
