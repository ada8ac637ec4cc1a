/**
 * Exact reading of "number unit": the arithmetic is BigInt from the decimal digits on, so `0.1TB` is
 * 100,000,000,000 bytes and not the nearest double.
 */

/** A text that is no quantity of the wanted kind. `suggestion` says what to write instead. */
export class UnitError extends Error {
  readonly code = "INVALID_UNIT";

  constructor(
    message: string,
    readonly suggestion?: string,
  ) {
    super(message);
    this.name = "UnitError";
  }
}

export interface Scale {
  /** What is measured, for messages: `size`, `bandwidth`, `duration`. */
  noun: string;
  /** What a result counts, for messages: `bytes`. */
  base: string;
  /** Unit → how many base units it is. Case matters: `Mbps` and `MB/s` differ by eight. */
  factors: ReadonlyMap<string, bigint>;
  /** Shown when nothing closer can be suggested. */
  example: string;
  /** Spellings that are refused because they are ambiguous → what to write instead. */
  ambiguous?: ReadonlyMap<string, string>;
}

/** Longer texts are no quantities, and BigInt is slow on very long digits. */
const MAX_TEXT_LENGTH = 64;

/**
 * Reads `text` as a whole, non-negative number of base units.
 * @param bareUnit unit of a number written without one; absent: a unit is required.
 * @throws UnitError
 */
export function parseQuantity(value: string | number, scale: Scale, bareUnit?: string): number {
  const text = typeof value === "number" ? decimalText(value, scale) : value.trim();
  if (text.length > MAX_TEXT_LENGTH) throw new UnitError(`is too long for a ${scale.noun}`, `Write for example ${scale.example}.`);
  const match = /^(-?)(\d+)(?:\.(\d+))?\s*(\S*)$/.exec(text);
  if (!match) throw new UnitError(`"${text}" is not a ${scale.noun}`, `Write a number and a unit, for example ${scale.example}.`);
  const [, sign, whole = "", fraction = "", writtenUnit = ""] = match;
  if (sign) throw new UnitError(`"${text}" is negative`, `A ${scale.noun} starts at 0.`);
  const number = fraction ? `${whole}.${fraction}` : whole;
  const factor = factorOf(writtenUnit || bareUnit, number, text, scale);
  const scaled = BigInt(whole + fraction) * factor;
  const divisor = 10n ** BigInt(fraction.length);
  if (scaled % divisor !== 0n) throw new UnitError(`"${text}" is not a whole number of ${scale.base}`);
  const result = scaled / divisor;
  if (result > BigInt(Number.MAX_SAFE_INTEGER))
    throw new UnitError(`"${text}" is too large`, `The most is ${Number.MAX_SAFE_INTEGER} ${scale.base}.`);
  return Number(result);
}

/**
 * The shortest exact text: the largest unit of `units` (largest first) that divides the value.
 * `parseQuantity(formatQuantity(n))` is `n`.
 */
export function formatQuantity(value: number, scale: Scale, units: readonly string[]): string {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a whole number of ${scale.base} from 0 up`);
  const smallest = units.at(-1)!;
  if (value === 0) return `0${smallest}`;
  const exact = BigInt(value);
  const unit = units.find((candidate) => exact % scale.factors.get(candidate)! === 0n) ?? smallest;
  return `${exact / scale.factors.get(unit)!}${unit}`;
}

function decimalText(value: number, scale: Scale): string {
  const text = String(value);
  // NaN, Infinity and exponents: no digits of a quantity anybody meant.
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new UnitError(`${text} is not a ${scale.noun}`, `Write for example ${scale.example}.`);
  return text;
}

function factorOf(unit: string | undefined, number: string, text: string, scale: Scale): bigint {
  if (!unit) throw new UnitError(`"${text}" has no unit`, `Write for example ${scale.example}.`);
  const factor = scale.factors.get(unit);
  if (factor !== undefined) return factor;
  const unambiguous = scale.ambiguous?.get(unit);
  if (unambiguous) throw new UnitError(`"${text}" is ambiguous`, unambiguous.replaceAll("#", number));
  const sameLetters = [...scale.factors.keys()].find((known) => known.toLowerCase() === unit.toLowerCase());
  throw new UnitError(
    `"${unit}" is not a unit of ${scale.noun}`,
    sameLetters ? `Did you mean ${number}${sameLetters}?` : `Known units: ${[...scale.factors.keys()].join(", ")}.`,
  );
}
