import { UnitError } from "./quantity";

/**
 * A share as a fraction: `"10%"` and `0.1` are both 0.1. A bare number of 1 or more is refused, because 10
 * may mean 10 % or 1000 %.
 * @throws UnitError
 */
export function parsePercent(value: string | number): number {
  if (typeof value === "string") {
    const text = value.trim();
    const match = /^(\d{1,15}(?:\.\d{1,15})?)\s*%$/.exec(text);
    // The exponent keeps the digits exact: 0.7 / 100 would be 0.006999….
    if (match) return Number(`${match[1]}e-2`);
    if (/^\d{1,15}(\.\d{1,15})?$/.test(text)) return parsePercent(Number(text));
    if (text.startsWith("-")) throw new UnitError(`"${text}" is negative`, "A share starts at 0.");
    throw new UnitError(`"${text}" is not a share`, "Write a percentage such as 10% or a fraction such as 0.1.");
  }
  if (!Number.isFinite(value)) throw new UnitError(`${value} is not a share`, "Write a percentage such as 10% or a fraction such as 0.1.");
  if (value < 0) throw new UnitError(`${value} is negative`, "A share starts at 0.");
  if (value >= 1) throw new UnitError(`${value} as a share is ambiguous`, `Write ${value}% or a fraction below 1.`);
  return value;
}

/** The fraction as a percentage: 0.125 → `12.5%`. */
export function formatPercent(fraction: number): string {
  if (!Number.isFinite(fraction) || fraction < 0) throw new RangeError(`${fraction} is not a share`);
  const [digits = "0", exponent = "0"] = String(fraction).split("e");
  const [whole = "0", decimals = ""] = digits.split(".");
  // Shift the decimal point by two places in the text, again to stay exact.
  const shift = Number(exponent) + 2;
  const all = whole + decimals;
  const point = whole.length + shift;
  const padded = point <= 0 ? "0".repeat(1 - point) + all : all.padEnd(point, "0");
  const at = point <= 0 ? 1 : point;
  const integer = padded.slice(0, at).replace(/^0+(?=\d)/, "");
  const rest = padded.slice(at).replace(/0+$/, "");
  return `${integer}${rest ? `.${rest}` : ""}%`;
}
