/**
 * Tolerant reading of answers. Proxmox is written in Perl: numbers come as strings and back, booleans as 0,
 * 1, "1", or not at all, and new versions add fields and kinds of rows.
 */

export type Row = Record<string, unknown>;

export function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects of a list; anything else in it, or instead of it, is left out. */
export function rowsOf(value: unknown): Row[] {
  return Array.isArray(value) ? value.filter(isRow) : [];
}

/** Text of a scalar; `undefined` for null, objects and lists. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return undefined;
}

/** Text, unless it is empty. */
export function nonEmptyOf(value: unknown): string | undefined {
  const text = textOf(value);
  return text === "" ? undefined : text;
}

export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** True for 1, "1" and true. */
export function booleanOf(value: unknown): boolean {
  return value === true || value === 1 || value === "1";
}

/** Items of a comma separated text (`content`, `nodes`). */
export function itemsOf(value: unknown): string[] {
  return (textOf(value) ?? "").split(",").filter((item) => item !== "");
}

/** The same object without its undefined members: rows are compared and printed. */
export function compact<T extends object>(row: T): T {
  // A loop, because a cluster's answer has thousands of rows: three times as fast as going by way of entries.
  const kept: Partial<T> = {};
  for (const key of Object.keys(row) as (keyof T)[]) if (row[key] !== undefined) kept[key] = row[key];
  return kept as T;
}
