import { expect, it } from "vitest";
import { type Archives, readPoints, recordSample } from "../../src/simulator/round-robin";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 0, 31);

it("keeps for each resolution the averages and maxima of its steps, and no more points than Proxmox", () => {
  const archives: Archives = {};
  for (let atMs = NOW_MS - 40 * DAY_MS; atMs < NOW_MS; atMs += DAY_MS / 24) recordSample(archives, atMs, [(atMs / DAY_MS) % 1, 5]);
  const month = readPoints(archives, { nowMs: NOW_MS - 1, timeframe: "month", combine: "AVERAGE" });
  expect(month).toHaveLength(70);
  expect(month[1]!.timeSeconds - month[0]!.timeSeconds).toBe(43_200);
  expect(month.at(-1)!.values![0]).toBeCloseTo(0.5 + 5.5 / 24);
  const most = readPoints(archives, { nowMs: NOW_MS - 1, timeframe: "month", combine: "MAX" });
  expect(most.at(-1)!.values![0]).toBeCloseTo(23 / 24);
  for (const points of Object.values(archives)) expect(points.length).toBeLessThanOrEqual(600);
});

it("shows steps without a sample with their time only", () => {
  const archives: Archives = {};
  recordSample(archives, NOW_MS - 10 * 60_000, [1]);
  recordSample(archives, NOW_MS, [3]);
  const points = readPoints(archives, { nowMs: NOW_MS, timeframe: "hour", combine: "AVERAGE" });
  expect(points.filter(({ values }) => values)).toEqual([
    { timeSeconds: NOW_MS / 1000 - 600, values: [1] },
    { timeSeconds: NOW_MS / 1000, values: [3] },
  ]);
  expect(readPoints(undefined, { nowMs: NOW_MS, timeframe: "day", combine: "MAX" }).every(({ values }) => values === undefined)).toBe(true);
});
