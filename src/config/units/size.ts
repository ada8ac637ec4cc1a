import { formatQuantity, parseQuantity, type Scale } from "./quantity";

const DECIMAL = ["KB", "MB", "GB", "TB", "PB"];
const BINARY = ["KiB", "MiB", "GiB", "TiB", "PiB"];

const SIZE: Scale = {
  noun: "size",
  base: "bytes",
  example: "8GiB (binary, as Proxmox counts) or 8GB (decimal)",
  factors: new Map([
    ["B", 1n],
    ["kB", 1000n],
    ...DECIMAL.map((unit, index): [string, bigint] => [unit, 1000n ** BigInt(index + 1)]),
    ...BINARY.map((unit, index): [string, bigint] => [unit, 1024n ** BigInt(index + 1)]),
  ]),
  // Proxmox's own property strings say 32G for 32 GiB; disk vendors mean 32 GB by it.
  ambiguous: new Map(
    [..."KMGTP"].flatMap((letter) =>
      [letter, letter.toLowerCase()].map((unit): [string, string] => [
        unit,
        `Write #${letter}iB (binary, as Proxmox counts) or #${letter}B (decimal).`,
      ]),
    ),
  ),
};

const FORMAT_UNITS = [
  ...BINARY.map((unit, index) => [unit, DECIMAL[index]!])
    .reverse()
    .flat(),
  "B",
];

/**
 * Size in bytes, exactly. `KB MB GB TB PB` are powers of 1000, `KiB MiB GiB TiB PiB` powers of 1024,
 * `B` is a byte; a bare number is refused.
 * @throws UnitError
 */
export function parseSizeBytes(value: string | number): number {
  return parseQuantity(value, SIZE);
}

/** Exact text of a size, in the largest unit that leaves a whole number: 8589934592 → `8GiB`, 8000000000 → `8GB`. */
export function formatSize(sizeBytes: number): string {
  return formatQuantity(sizeBytes, SIZE, FORMAT_UNITS);
}
