/** Amounts as people read them; exact figures, no locale. */

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `1.5 GiB`; one decimal, rounded down where it is not whole. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BINARY_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Math.floor(value * 10) / 10} ${BINARY_UNITS[unit]}`;
}

/** Thousandths of a core as cores: `2`, `0.5`. */
export function formatCores(milli: number): string {
  return `${milli / 1000}`;
}

/** `1 node`, `3 nodes`. */
export function count(amount: number, singular: string, plural = `${singular}s`): string {
  return `${amount} ${amount === 1 ? singular : plural}`;
}

/** `a, b and c`; at most `most` of them by name. */
export function listWords(items: readonly string[], most = 6): string {
  if (items.length > most) return `${items.slice(0, most).join(", ")} and ${items.length - most} more`;
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}
