/** Figures for people: short, not exact. The other functions of this folder print exact ones. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `1.5 TiB`, `64 GiB`, `0 B`; one decimal below ten. */
export function roundedSize(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${roundedAmount(bytes / 1024 ** power)} ${UNITS[power]}`;
}

/** At most one decimal, none from ten up. */
export function roundedAmount(amount: number): string {
  return amount < 10 ? String(Math.round(amount * 10) / 10) : String(Math.round(amount));
}

/** `45s`, `12m`, `3h 20m`, `2d 4h`: whole minutes from two minutes on, since an estimate that named seconds would pretend. */
export function roundedDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`;
  return hours % 24 === 0 ? `${hours / 24}d` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
