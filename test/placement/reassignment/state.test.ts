import { describe, expect, it } from "vitest";
import { checkProblem, FORBIDDEN, type ReassignmentProblem } from "../../../src/placement/reassignment/problem";
import { ReassignmentState } from "../../../src/placement/reassignment/state";
import { small } from "./problems";

describe("ReassignmentState", () => {
  it("costs what the definition says", () => {
    // Machine 0 holds 4 + 3 = 7, 3 above its safety of 4, at weight 10.
    expect(new ReassignmentState(small(), small().initial).cost).toBe(30);
  });

  it("knows what a move adds: load, process, service and machine move", () => {
    const state = new ReassignmentState(small(), small().initial);
    // Load 30 -> 0 at machine 0 and 0 -> 10 at machine 1 (2 + 3 = 5); 9 for the process, 2 for its service, 10 x 3 for the way.
    expect(state.shiftDelta(2, 1, FORBIDDEN)).toBe(-30 + 10 + 9 + 2 + 30);
  });

  it("forbids two of one service on a machine, overfull machines, lost spread and broken dependencies", () => {
    const deltaOf = (extra: Partial<ReassignmentProblem>, process: number, to: number) =>
      new ReassignmentState(small(extra), small().initial).shiftDelta(process, to, FORBIDDEN);
    expect(deltaOf({}, 0, 1)).toBe(FORBIDDEN);
    expect(deltaOf({ capacity: Float64Array.of(10, 10, 4, 10) }, 2, 1)).toBe(FORBIDDEN);
    const alone = { service: Int32Array.of(0, 1, 1), initial: Int32Array.of(0, 1, 0) };
    expect(deltaOf({ ...alone, spreadMin: Int32Array.of(0, 2) }, 1, 0)).toBe(FORBIDDEN);
    expect(deltaOf({ dependencies: [[1], []], service: Int32Array.of(0, 0, 1), spreadMin: Int32Array.of(0, 0) }, 2, 1)).toBe(FORBIDDEN);
  });

  it("counts what has left as still there for transient resources", () => {
    const tight = small({
      capacity: Float64Array.of(10, 7, 10, 7),
      service: Int32Array.of(0, 1, 2),
      services: 3,
      spreadMin: new Int32Array(3),
      dependencies: [[], [], []],
    });
    const state = new ReassignmentState(tight, tight.initial);
    state.move(0, 1);
    // Machine 0 is full of transient use (4 that left, 3 that stayed): nobody can come, but who left may come back.
    expect(state.shiftDelta(1, 0, FORBIDDEN)).toBe(FORBIDDEN);
    expect(state.shiftDelta(0, 0, FORBIDDEN)).not.toBe(FORBIDDEN);
  });

  it("lets two of one service change places, and knows that the service with most moves keeps its number", () => {
    const state = new ReassignmentState(small(), small().initial);
    // Machine 0: 2 + 3 = 5, load 10; machine 1: 4, none; before 30. Processes 7 + 8, the service 2 x 2, ways 10 x (3 + 5).
    const delta = state.swapDelta(0, 1, FORBIDDEN);
    expect(delta).toBe(10 - 30 + 15 + 4 + 80);
    state.move(0, 1);
    state.move(1, 0);
    expect(state.cost).toBe(30 + delta);
    expect(state.swapDelta(0, 1, FORBIDDEN)).toBe(-delta);
  });

  it("forbids a swap in which one service would count on the other's process that leaves", () => {
    const three = small({
      machines: 3,
      neighbourhood: Int32Array.of(0, 1, 0),
      location: Int32Array.of(0, 1, 2),
      capacity: new Float64Array(6).fill(10),
      safety: new Float64Array(6).fill(10),
      machineMoveCost: new Int32Array(9),
      service: Int32Array.of(0, 1, 1),
      dependencies: [[1], []],
      initial: Int32Array.of(0, 1, 2),
    });
    // Process 0 needs one of service 1 in its neighbourhood; in neighbourhood 1 there is only the one it would replace.
    expect(new ReassignmentState(three, three.initial).swapDelta(0, 1, FORBIDDEN)).toBe(FORBIDDEN);
  });

  it("refuses a problem whose arrays do not match", () => {
    expect(() => checkProblem(small({ initial: Int32Array.of(0, 1) }))).toThrow("initial has 2 entries, expected 3");
    expect(() => checkProblem(small({ initial: Int32Array.of(0, 1, 2) }))).toThrow("initial[2] is 2, expected 0 to 1");
    expect(() => checkProblem(small({ loadWeight: Float64Array.of(1) }))).toThrow("loadWeight has 1 entries, expected 2");
    const balances = [{ first: 0, second: 2, target: 1, weight: 1 }];
    expect(() => checkProblem(small({ balances }))).toThrow("balances[1] is 2, expected 0 to 1");
  });
});
