import { expect, test } from "vitest";
import { counted, percentOf, roundedSpan, table } from "../../src/cli/words";
import { roundedAmount, roundedSize } from "../../src/config";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1.5 * 1024 ** 3, "1.5 GiB"],
  [64 * 1024 ** 3, "64 GiB"],
  [4e12, "3.6 TiB"],
  [2 ** 60, "1024 PiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(roundedSize(bytes)).toBe(text);
});

test.each([
  [-3, "0 s"],
  [59, "59 s"],
  [60, "1 min"],
  [7_199, "1 h"],
  [200_000, "2 d"],
])("%d seconds are %s", (seconds, text) => {
  expect(roundedSpan(seconds)).toBe(text);
});

test("amounts have one decimal below ten", () => {
  expect([roundedAmount(374.4), roundedAmount(3.84), roundedAmount(2)]).toEqual(["374", "3.8", "2"]);
});

test("a share of nothing is no number", () => {
  expect([percentOf(1, 4), percentOf(0, 0)]).toEqual(["25 %", "–"]);
});

test("one thing is singular", () => {
  expect([counted(1, "node"), counted(0, "node"), counted(2, "node")]).toEqual(["1 node", "0 nodes", "2 nodes"]);
});

test("columns are as wide as their widest cell, and lines end without blanks", () => {
  expect(table([["cores", "1", ""], ["memory", "22", "x"], ["a"]])).toEqual(["cores   1", "memory  22  x", "a"]);
});
