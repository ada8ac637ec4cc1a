import { FormatError } from "./errors";

const unitBytes: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** Bytes of a size as Proxmox writes it in drives: `32G`, `0.5G`, `512K`, `1073741825`. Throws {@link FormatError}. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:iB)?$/.exec(text);
  // "5iB" has no unit for the suffix to belong to.
  if (match === null || (match[2] === "" && text.endsWith("iB"))) {
    throw new FormatError("size", text, "a number with K, M, G or T (powers of 1024) is needed");
  }
  return Number(match[1]) * unitBytes[match[2]!]!;
}

/** As Proxmox prints it: the biggest unit that divides it exactly, plain bytes where none does. */
export function formatSize(bytes: number): string {
  let value = Math.trunc(bytes);
  for (const unit of ["", "K", "M", "G"]) {
    if (value % 1024 !== 0) return `${value}${unit}`;
    value /= 1024;
  }
  return `${value}T`;
}
