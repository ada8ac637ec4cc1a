import { formatQuantity, parseQuantity, type Scale } from "./quantity";

const FORMAT_UNITS = ["Tbps", "Gbps", "Mbps", "kbps", "bps"];

const BANDWIDTH: Scale = {
  noun: "bandwidth",
  base: "bits per second",
  example: "500Mbps, 1Gbit/s or 125MB/s",
  factors: new Map([
    ...["", "k", "M", "G", "T"].flatMap((prefix, index): [string, bigint][] => {
      const bits = 1000n ** BigInt(index);
      return [
        [`${prefix}bps`, bits],
        [`${prefix}bit/s`, bits],
        [`${prefix}B/s`, bits * 8n],
      ];
    }),
    ["Kbps", 1000n],
    ["Kbit/s", 1000n],
    ["KB/s", 8000n],
    ...["Ki", "Mi", "Gi", "Ti"].flatMap((prefix, index): [string, bigint][] => {
      const bits = 1024n ** BigInt(index + 1);
      return [
        [`${prefix}bit/s`, bits],
        [`${prefix}B/s`, bits * 8n],
      ];
    }),
  ]),
  ambiguous: new Map(
    ["k", "K", "M", "G", "T"].flatMap((prefix): [string, string][] => [
      [`${prefix}Bps`, `Write #${prefix}B/s for bytes or #${prefix}bps for bits.`],
      [prefix, `Write #${prefix}bps for bits or #${prefix}B/s for bytes.`],
    ]),
  ),
};

/**
 * Bits per second, exactly: `10Gbps`, `500Mbps`, `1Gbit/s`, `125MB/s` (bytes), `100MiB/s` (binary bytes).
 * Line rates are decimal: 1 Gbps is 10⁹ bits per second.
 * @throws UnitError
 */
export function parseBandwidthBitsPerSecond(value: string | number): number {
  return parseQuantity(value, BANDWIDTH);
}

/** Exact text in the largest decimal unit that leaves a whole number: 500000000 → `500Mbps`. */
export function formatBandwidth(bitsPerSecond: number): string {
  return formatQuantity(bitsPerSecond, BANDWIDTH, FORMAT_UNITS);
}
