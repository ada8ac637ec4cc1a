/**
 * Figures come from YAML and from APIs: they may be missing, NaN, negative or absurd. Everything that computes
 * takes them through here once, so that a broken figure is worth nothing instead of poisoning a comparison.
 */

/** Largest figure the engine computes with. Finite, so that no difference of two figures becomes NaN. */
const LARGEST = 2 ** 60;

/** The value when it is a number of at least zero; `fallback` otherwise. Infinity becomes a large finite number. */
export function nonNegative(value: number | undefined, fallback = 0): number {
  if (value === undefined || Number.isNaN(value) || value < 0) return fallback;
  return Math.min(value, LARGEST);
}

/** {@link nonNegative}, rounded down to a whole number. */
export function wholeNonNegative(value: number | undefined, fallback = 0): number {
  return Math.floor(nonNegative(value, fallback));
}

/** A fraction as ten-thousandths: 0.15 is 1500. Whole, so that products of whole amounts stay whole. */
export function tenThousandths(fraction: number | undefined, fallback: number): number {
  return Math.round(nonNegative(fraction, fallback) * 10_000);
}

/** `amount * parts / 10000`, rounded down, exact for byte counts whose plain product would leave 2^53. */
export function shareDown(amount: number, parts: number): number {
  const whole = Math.floor(amount / 10_000);
  return whole * parts + Math.floor(((amount - whole * 10_000) * parts) / 10_000);
}

/** `amount * parts / 10000`, rounded up. */
export function shareUp(amount: number, parts: number): number {
  const whole = Math.floor(amount / 10_000);
  return whole * parts + Math.ceil(((amount - whole * 10_000) * parts) / 10_000);
}

/** `part / total` in thousandths, rounded up; 1000 and more where nothing is left. */
export function permilleUp(part: number, total: number): number {
  if (total <= 0) return part > 0 ? 1_000_000 : 1000;
  return Math.min(1_000_000, Math.ceil((part * 1000) / total));
}
