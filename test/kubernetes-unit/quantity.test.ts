import fc from "fast-check";
import { expect, it } from "vitest";
import { formatStorageQuantity, parseStorageQuantity } from "../../src/kubernetes";

it.each([
  ["10Gi", 10 * 1024 ** 3],
  ["1.5Ti", 1.5 * 1024 ** 4],
  ["500M", 500_000_000],
  ["512Mi", 512 * 1024 ** 2],
  ["1e9", 1_000_000_000],
  ["2E3", 2000],
  ["1k", 1000],
  ["0.0001k", 1],
  [".5Ki", 512],
  ["4096", 4096],
  // As the API server writes 0.1Gi.
  ["107374182400m", 107_374_183],
  ["1m", 1],
  ["2500000u", 3],
])("%s is %d bytes", (text, bytes) => {
  expect(parseStorageQuantity(text)).toBe(bytes);
});

it.each(["", "Gi", "10GiB", "10 Gi", "-1Gi", "1KB", "1mi", "9E", "0x10"])("%j is refused", (text) => {
  expect(() => parseStorageQuantity(text)).toThrow(/write it like 10Gi/);
});

it("is written as it is read", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 3 }), (number, power) => {
      const bytes = number * 1024 ** power;
      fc.pre(Number.isSafeInteger(bytes));
      expect(parseStorageQuantity(formatStorageQuantity(bytes))).toBe(bytes);
    }),
  );
  expect(formatStorageQuantity(10 * 1024 ** 3)).toBe("10Gi");
  expect(formatStorageQuantity(1000)).toBe("1000");
});
