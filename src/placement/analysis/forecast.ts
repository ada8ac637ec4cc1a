/** One reading of how much of something was in use. */
export interface Reading {
  atMs: number;
  used: number;
}

export interface Forecast {
  /** Growth per day, in the unit of the readings; negative when it shrinks. */
  perDay: number;
  /** Root mean square distance of the readings from the line: how far off the line has been so far. */
  typicalError: number;
  /** When the line meets the capacity; absent when it does not grow. In the past when it is exceeded already. */
  exhaustedAtMs?: number;
  /** The same for a line higher and lower by twice the typical error. */
  exhaustedBetweenMs?: { earliest: number; latest: number };
}

const DAY_MS = 86_400_000;

/**
 * A straight line through the readings by least squares. It knows no seasons and no steps: the error says how well a line
 * describes the past, not whether the future follows it. `undefined` with fewer than three usable readings, or all at one
 * moment.
 */
export function forecastExhaustion(history: readonly Reading[], capacity: number): Forecast | undefined {
  const readings = history.filter(({ atMs, used }) => Number.isFinite(atMs) && Number.isFinite(used));
  if (readings.length < 3 || !Number.isFinite(capacity)) return undefined;
  const meanAt = mean(readings.map(({ atMs }) => atMs));
  const meanUsed = mean(readings.map(({ used }) => used));
  const variance = mean(readings.map(({ atMs }) => (atMs - meanAt) ** 2));
  if (variance === 0) return undefined;
  const slope = mean(readings.map(({ atMs, used }) => (atMs - meanAt) * (used - meanUsed))) / variance;
  const typicalError = Math.sqrt(mean(readings.map(({ atMs, used }) => (used - meanUsed - slope * (atMs - meanAt)) ** 2)));
  const forecast: Forecast = { perDay: slope * DAY_MS, typicalError };
  if (slope <= 0) return forecast;
  const meets = (offset: number) => Math.round(meanAt + (capacity - offset - meanUsed) / slope);
  const exhaustedBetweenMs = { earliest: meets(2 * typicalError), latest: meets(-2 * typicalError) };
  return { ...forecast, exhaustedAtMs: meets(0), exhaustedBetweenMs };
}

/** Growth over a span of time by the line; negative when it shrinks. */
export function predictedGrowth({ perDay }: Forecast, spanMs: number): number {
  return (perDay * spanMs) / DAY_MS;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
