import { formatQuantity, parseQuantity, type Scale } from "./quantity";

const DURATION: Scale = {
  noun: "duration",
  base: "milliseconds",
  example: "500ms, 30s, 5m or 2h",
  factors: new Map([
    ["ms", 1n],
    ["s", 1000n],
    ["m", 60_000n],
    ["min", 60_000n],
    ["h", 3_600_000n],
    ["d", 86_400_000n],
  ]),
};

/** Latencies inside one city are below a millisecond, so they are read in microseconds. */
const LATENCY: Scale = {
  noun: "latency",
  base: "microseconds",
  example: "25ms or 400us",
  factors: new Map([
    ["us", 1n],
    ["µs", 1n],
    ["ms", 1000n],
    ["s", 1_000_000n],
  ]),
};

export type DurationUnit = "ms" | "s" | "m" | "h" | "d";

/**
 * Duration in whole milliseconds: `25ms`, `30s`, `5m`, `2h`, `1d`.
 * @param options.bareUnit unit of a bare number; absent: a bare number is refused.
 * @throws UnitError
 */
export function parseDurationMs(value: string | number, options: { bareUnit?: DurationUnit } = {}): number {
  return parseQuantity(value, DURATION, options.bareUnit);
}

/** Exact text in the largest unit that leaves a whole number: 90000 → `90s`. */
export function formatDuration(durationMs: number): string {
  return formatQuantity(durationMs, DURATION, ["d", "h", "m", "s", "ms"]);
}

/**
 * Round-trip time in milliseconds, to the microsecond: `25ms`, `0.4ms`, `400us`.
 * @throws UnitError
 */
export function parseLatencyMs(value: string | number): number {
  return parseQuantity(value, LATENCY) / 1000;
}
