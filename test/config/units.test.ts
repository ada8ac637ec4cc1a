import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  formatBandwidth,
  formatDuration,
  formatPercent,
  formatSize,
  parseBandwidthBitsPerSecond,
  parseDurationMs,
  parseLatencyMs,
  parsePercent,
  parseSizeBytes,
  UnitError,
} from "../../src/config";

function refusal(action: () => unknown): UnitError {
  try {
    action();
  } catch (error) {
    if (error instanceof UnitError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("sizes", () => {
  test.each([
    ["8GB", 8_000_000_000],
    ["8GiB", 8_589_934_592],
    ["8 GiB", 8_589_934_592],
    ["2TB", 2_000_000_000_000],
    ["2TiB", 2_199_023_255_552],
    ["512MB", 512_000_000],
    ["1.5KiB", 1536],
    ["0.1TB", 100_000_000_000],
    ["1kB", 1000],
    ["1KB", 1000],
    ["0B", 0],
    ["9007199254740991B", Number.MAX_SAFE_INTEGER],
  ])("%s is %i bytes", (text, sizeBytes) => {
    expect(parseSizeBytes(text)).toBe(sizeBytes);
  });

  test.each<[string | number, RegExp, RegExp?]>([
    ["-8GB", /negative/],
    [-8, /negative/],
    ["8", /no unit/, /8GiB.*8GB/],
    [8, /no unit/],
    ["8G", /ambiguous/, /8GiB.*8GB/],
    ["8g", /ambiguous/, /8GiB.*8GB/],
    ["8gb", /not a unit/, /Did you mean 8GB\?/],
    ["1.5gib", /not a unit/, /Did you mean 1\.5GiB\?/],
    ["8XB", /not a unit/, /Known units/],
    ["lots", /not a size/],
    ["", /not a size/],
    ["8e3KB", /not a unit/],
    ["1.0001KB", /whole number of bytes/],
    ["9007199254740992B", /too large/],
    ["9PiB", /too large/],
    ["9".repeat(100), /too long/],
    [Number.NaN, /not a size/],
    [Number.POSITIVE_INFINITY, /not a size/],
    [1e300, /not a size/],
  ])("%s is refused", (value, message, suggestion) => {
    const error = refusal(() => parseSizeBytes(value));
    expect(error.message).toMatch(message);
    if (suggestion) expect(error.suggestion).toMatch(suggestion);
  });

  test.each([
    [8_589_934_592, "8GiB"],
    [8_000_000_000, "8GB"],
    [1536, "1536B"],
    [0, "0B"],
    [1_099_511_627_776, "1TiB"],
  ])("%i bytes are written %s", (sizeBytes, text) => {
    expect(formatSize(sizeBytes)).toBe(text);
  });

  it("reads back what it writes", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (sizeBytes) => parseSizeBytes(formatSize(sizeBytes)) === sizeBytes));
    fc.assert(
      fc.property(fc.nat({ max: 4095 }), fc.constantFrom("KB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"), (count, unit) => {
        const sizeBytes = parseSizeBytes(`${count}${unit}`);
        return parseSizeBytes(formatSize(sizeBytes)) === sizeBytes;
      }),
    );
  });

  it("refuses to write what is no size", () => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 60]) expect(() => formatSize(value)).toThrow(RangeError);
  });

  it("keeps decimal and binary units apart", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1000 }), (count) => parseSizeBytes(`${count}GB`) < parseSizeBytes(`${count}GiB`)));
  });
});

describe("bandwidths", () => {
  test.each([
    ["10Gbps", 10_000_000_000],
    ["500Mbps", 500_000_000],
    ["1Gbit/s", 1_000_000_000],
    ["125MB/s", 1_000_000_000],
    ["1MiB/s", 8_388_608],
    ["1Mibit/s", 1_048_576],
    ["64kbps", 64_000],
    ["64Kbps", 64_000],
    ["0.5Mbps", 500_000],
    ["1bps", 1],
  ])("%s is %i bits per second", (text, bitsPerSecond) => {
    expect(parseBandwidthBitsPerSecond(text)).toBe(bitsPerSecond);
  });

  test.each<[string | number, RegExp, RegExp?]>([
    ["500", /no unit/],
    ["500mbps", /not a unit/, /500Mbps/],
    ["500MBps", /ambiguous/, /500MB\/s for bytes or 500Mbps for bits/],
    ["10G", /ambiguous/, /10Gbps/],
    ["-1Mbps", /negative/],
    ["fast", /not a bandwidth/],
  ])("%s is refused", (value, message, suggestion) => {
    const error = refusal(() => parseBandwidthBitsPerSecond(value));
    expect(error.message).toMatch(message);
    if (suggestion) expect(error.suggestion).toMatch(suggestion);
  });

  it("reads back what it writes", () => {
    expect(formatBandwidth(500_000_000)).toBe("500Mbps");
    fc.assert(fc.property(fc.maxSafeNat(), (bits) => parseBandwidthBitsPerSecond(formatBandwidth(bits)) === bits));
  });
});

describe("durations", () => {
  test.each([
    ["25ms", 25],
    ["30s", 30_000],
    ["5m", 300_000],
    ["5min", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["1.5h", 5_400_000],
  ])("%s is %i ms", (text, durationMs) => {
    expect(parseDurationMs(text)).toBe(durationMs);
  });

  it("takes a bare number only with a unit from the caller", () => {
    expect(parseDurationMs(300, { bareUnit: "s" })).toBe(300_000);
    expect(parseDurationMs("2.5", { bareUnit: "s" })).toBe(2500);
    expect(parseDurationMs("2m", { bareUnit: "s" })).toBe(120_000);
    expect(refusal(() => parseDurationMs(300)).message).toMatch(/no unit/);
  });

  test.each(["-1s", "1 fortnight", "0.5ms", "soon"])("%s is refused", (text) => {
    expect(refusal(() => parseDurationMs(text))).toBeInstanceOf(UnitError);
  });

  it("reads back what it writes", () => {
    expect(formatDuration(90_000)).toBe("90s");
    fc.assert(fc.property(fc.maxSafeNat(), (durationMs) => parseDurationMs(formatDuration(durationMs)) === durationMs));
  });

  test.each([
    ["25ms", 25],
    ["0.4ms", 0.4],
    ["400us", 0.4],
    ["1s", 1000],
  ])("a latency of %s is %d ms", (text, latencyMs) => {
    expect(parseLatencyMs(text)).toBe(latencyMs);
  });

  it("refuses a latency without unit", () => {
    expect(refusal(() => parseLatencyMs(25)).message).toMatch(/no unit/);
  });
});

describe("shares", () => {
  test.each<[string | number, number]>([
    ["10%", 0.1],
    ["0.7%", 0.007],
    ["12.5 %", 0.125],
    ["100%", 1],
    [0.15, 0.15],
    ["0.15", 0.15],
    [0, 0],
  ])("%s is %d", (value, fraction) => {
    expect(parsePercent(value)).toBe(fraction);
  });

  test.each<[string | number, RegExp]>([
    [10, /ambiguous/],
    [1, /ambiguous/],
    ["10", /ambiguous/],
    [-0.1, /negative/],
    ["-10%", /negative/],
    [Number.NaN, /not a share/],
    ["ten", /not a share/],
  ])("%s is refused", (value, message) => {
    expect(refusal(() => parsePercent(value)).message).toMatch(message);
  });

  it("reads back what it writes", () => {
    expect(formatPercent(0.125)).toBe("12.5%");
    expect(formatPercent(1)).toBe("100%");
    fc.assert(fc.property(fc.nat({ max: 99_999 }), (n) => parsePercent(formatPercent(n / 100_000)) === n / 100_000));
  });
});
