import { count, formatBytes } from "./amounts";
import type { StorageFacts } from "./model";

const DAY_MS = 86_400_000;

/** `, 12 GiB of it predicted for 30 days from now (full on 2026-04-01, give or take 2 GiB)`; empty without a prediction. */
export function storageForecastWords({ forecast }: StorageFacts): string {
  if (forecast === undefined) return "";
  const { growthBytes, horizonMs, fullAtMs, typicalErrorBytes } = forecast;
  const full = fullAtMs === undefined ? "" : `full on ${dayOf(fullAtMs)}, `;
  return `, with growth by ${formatBytes(growthBytes)} predicted for ${spanWords(horizonMs)} from now (${full}give or take ${formatBytes(typicalErrorBytes)})`;
}

/** Days where they are whole, otherwise hours. */
export function spanWords(spanMs: number): string {
  if (spanMs % DAY_MS === 0) return count(spanMs / DAY_MS, "day");
  return count(Math.round(spanMs / 3_600_000), "hour");
}

function dayOf(instantMs: number): string {
  const date = new Date(instantMs);
  return Number.isNaN(date.getTime()) ? "a day beyond the calendar" : date.toISOString().slice(0, 10);
}
