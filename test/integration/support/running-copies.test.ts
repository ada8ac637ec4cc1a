import { expect, it } from "vitest";
import type { SimulatorEvent } from "../../../src/simulator";
import { countStarts, findDoubleRuns } from "./running-copies";

const log = (...events: [kind: string, cluster: string, vmid: number, name?: string][]): SimulatorEvent[] =>
  events.map(([kind, cluster, vmid, name], index) => ({
    sequence: index + 1,
    atMs: 0,
    kind,
    detail: { cluster, vmid, ...(name ? { name } : {}) },
  }));

it("finds a copy that is started while the other one runs, and only that", () => {
  const moved = log(["started", "a", 100, "web"], ["stopped", "a", 100], ["started", "b", 100, "web"], ["started", "a", 101, "other"]);
  expect(findDoubleRuns(moved)).toEqual([]);
  const twice = log(["started", "a", 100, "web"], ["started", "b", 105, "web"], ["stopped", "a", 100]);
  expect(findDoubleRuns(twice)).toEqual(["web was started as b/105 (event 2) while it ran as a/100"]);
  const back = log(["started", "b", 105, "web"], ["guest-stopped", "b", 105], ["started", "a", 100, "web"], ["started", "b", 105, "web"]);
  expect(findDoubleRuns(back)).toEqual(["web was started as b/105 (event 4) while it ran as a/100"]);
});

it("counts the starts of each guest", () => {
  expect(countStarts(log(["started", "a", 1, "web"], ["stopped", "a", 1], ["started", "b", 1, "web"]))).toEqual({ web: 2 });
});
