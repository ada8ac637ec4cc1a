/** A scorer's value as whole points of a strategy: 0–1000 counted `weight` thousandths. Every score passes here. */
export function weightedPoints(value: number, weight: number): number {
  return Math.floor((clampPermille(value) * weight) / 1000);
}

/** A whole number of 0–1000; what is no number is worth nothing. */
export function clampPermille(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.floor(Math.min(1000, Math.max(0, value)));
}

/** Points that a cluster weight in percent adds to (or takes from) the strategy's points; 100 is neutral. */
export function clusterWeightPoints(base: number, percent: number): number {
  return Math.floor((base * (percent - 100)) / 100);
}
