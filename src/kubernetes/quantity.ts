/**
 * Amounts of storage as Kubernetes writes them: `10Gi`, `1.5Ti`, `500M`, `1e9`, a bare number of bytes. What is no whole number
 * of bytes it writes in thousandths: `0.1Gi` comes back as `107374182400m`.
 */
import { FormatError } from "../proxmox";

const BINARY_UNITS = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL_UNITS = ["k", "M", "G", "T", "P", "E"];
const FRACTIONS: Record<string, number> = { m: 1e3, u: 1e6, n: 1e9 };

/**
 * Bytes, a fraction rounded up as Kubernetes does.
 * @throws FormatError
 */
export function parseStorageQuantity(text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[kMGTPE])|([mun])|[eE](\d+))?$/.exec(text);
  const divisor = match?.[3] === undefined ? 1 : FRACTIONS[match[3]]!;
  const bytes = match ? Math.ceil((Number(match[1]) * factorOf(match[2], match[4])) / divisor) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) throw new FormatError("Kubernetes quantity of storage", text, "write it like 10Gi");
  return bytes;
}

/** The largest binary unit that leaves a whole number: 10737418240 → `10Gi`. */
export function formatStorageQuantity(sizeBytes: number): string {
  for (let power = BINARY_UNITS.length; power > 0; power--)
    if (sizeBytes > 0 && sizeBytes % 1024 ** power === 0) return `${sizeBytes / 1024 ** power}${BINARY_UNITS[power - 1]}`;
  return String(sizeBytes);
}

function factorOf(unit: string | undefined, exponent: string | undefined): number {
  if (exponent !== undefined) return 10 ** Number(exponent);
  if (unit === undefined) return 1;
  return unit.endsWith("i") ? 1024 ** (BINARY_UNITS.indexOf(unit) + 1) : 1000 ** (DECIMAL_UNITS.indexOf(unit) + 1);
}
