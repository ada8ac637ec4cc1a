/** Sizes as Proxmox writes them: disk sizes (`32G`), task logs (`64.0 MiB`), archive sizes (`2KB`). */

const units = ["", "K", "M", "G", "T"] as const;

/** `size=` of a disk: the largest unit that divides; `0T` for nothing. */
export function formatDiskSize(sizeBytes: number): string {
  let value = sizeBytes;
  for (const unit of units) {
    if (unit === "T" || value % 1024 !== 0) return `${value}${unit}`;
    value /= 1024;
  }
  return String(sizeBytes);
}

/** Bytes of `512`, `4K`, `1.5G`; `undefined` when it is no size. */
export function parseDiskSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMGT])?$/.exec(text);
  if (!match) return undefined;
  return Math.floor(Number(match[1]) * 1024 ** units.indexOf((match[2] ?? "") as (typeof units)[number]));
}

/** `64.0 MiB`, `291.0 B`; two decimals on request. */
export function formatBytes(bytes: number, decimals = 1): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < names.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(decimals)} ${names[unit]}`;
}

/** `archive file size: 64MB`. */
export function formatArchiveSize(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  if (bytes < 1024 ** 2) return `${Math.floor(bytes / 1024)}KB`;
  return bytes < 1024 ** 3 ? `${Math.floor(bytes / 1024 ** 2)}MB` : `${(bytes / 1024 ** 3).toFixed(2)}GB`;
}
