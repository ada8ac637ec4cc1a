import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check } from "../../../bench/placement/roadef-checker.cjs";
import type { MoveKind } from "../../../src/placement/reassignment/move-kind";
import { Eject } from "../../../src/placement/reassignment/moves/eject";
import { Follow } from "../../../src/placement/reassignment/moves/follow";
import { ReturnHome } from "../../../src/placement/reassignment/moves/return-home";
import { Shift } from "../../../src/placement/reassignment/moves/shift";
import { Swap } from "../../../src/placement/reassignment/moves/swap";
import { Picks } from "../../../src/placement/reassignment/picks";
import type { ReassignmentProblem } from "../../../src/placement/reassignment/problem";
import { SeededRandom } from "../../../src/placement/reassignment/random";
import { ReassignmentState } from "../../../src/placement/reassignment/state";
import { arbitraryProblem, small } from "./problems";

type CreateKind = (problem: ReassignmentProblem, state: ReassignmentState, picks: Picks) => MoveKind;

const kinds: [string, CreateKind][] = [
  ["shift", (_, state, picks) => new Shift(state, picks)],
  ["swap", (_, state, picks) => new Swap(state, picks)],
  ["return home", (problem, state, picks) => new ReturnHome(problem, state, picks)],
  ["eject", (problem, state, picks) => new Eject(problem, state, picks)],
  ["follow", (problem, state, picks) => new Follow(problem, state, picks)],
];

function start(problem: ReassignmentProblem, seed: number) {
  const random = new SeededRandom(seed);
  const state = new ReassignmentState(problem, problem.initial);
  return { random, state, picks: new Picks(problem, state, random) };
}

describe.each(kinds)("%s", (_, create) => {
  it("keeps every hard rule, adds what it says and no more than allowed, after every single change", () => {
    let changes = 0;
    fc.assert(
      fc.property(arbitraryProblem, fc.integer({ min: 1, max: 1e6 }), (problem, seed) => {
        const { random, state, picks } = start(problem, seed);
        // Shifts first: most kinds have nothing to do where everybody is at home.
        const shift = new Shift(state, picks);
        for (let tried = 0; tried < 10; tried++) shift.attempt(1e9);
        const kind = create(problem, state, picks);
        let { cost } = state;
        for (let tried = 0; tried < 30; tried++) {
          const limit = random.below(200) - 50;
          const before = Int32Array.from(state.assignment);
          const added = kind.attempt(limit);
          cost += added;
          const hasChanged = state.assignment.some((machine, process) => machine !== before[process]);
          if (hasChanged) {
            changes += 1;
            expect(added).toBeLessThanOrEqual(limit);
          } else expect(added).toBe(0);
          expect(state.cost).toBe(cost);
          expect(check(problem, problem.initial, state.assignment)).toEqual({ cost, broken: [] });
        }
      }),
      { numRuns: 60 },
    );
    expect(changes).toBeGreaterThan(0);
  });
});

describe("eject", () => {
  it("makes room that no single move and no swap could", () => {
    // Machine 0 costs 20: 6 where 4 are safe. Its process of 6 is welcome on machine 1 once both small ones went elsewhere.
    const problem = small({
      resources: 1,
      transient: Uint8Array.of(0),
      loadWeight: Float64Array.of(10),
      machines: 3,
      neighbourhood: Int32Array.of(0, 0, 0),
      location: Int32Array.of(0, 0, 0),
      capacity: Float64Array.of(8, 6, 4),
      safety: Float64Array.of(4, 6, 4),
      machineMoveCost: new Int32Array(9),
      services: 3,
      spreadMin: new Int32Array(3),
      dependencies: [[], [], []],
      service: Int32Array.of(0, 1, 2),
      requirement: Float64Array.of(6, 2, 2),
      initial: Int32Array.of(0, 1, 1),
      processMoveCost: Float64Array.of(1, 1, 1),
    });
    const { state, picks } = start(problem, 7);
    const eject = new Eject(problem, state, picks);
    const added = Array.from({ length: 200 }, () => eject.attempt(0)).find((delta) => delta < 0);
    expect(added).toBe(-20 + 3 + 2);
    expect(state.assignment[0]).toBe(1);
    expect(new Set(state.assignment.slice(1))).not.toContain(1);
  });
});

describe("follow", () => {
  it("takes along what depends on the process", () => {
    // Service 1 needs service 0 in its neighbourhood: neither of the two processes may cross over alone.
    const problem = small({
      machines: 2,
      services: 2,
      service: Int32Array.of(0, 1),
      processes: 2,
      requirement: Float64Array.of(4, 4, 3, 3),
      processMoveCost: Float64Array.of(1, 1),
      machineMoveCost: new Int32Array(4),
      safety: Float64Array.of(0, 0, 10, 10),
      dependencies: [[], [0]],
      initial: Int32Array.of(0, 0),
    });
    const { state, picks } = start(problem, 7);
    const shift = new Shift(state, picks);
    for (let tried = 0; tried < 100; tried++) expect(shift.attempt(1e9)).toBe(0);
    const follow = new Follow(problem, state, picks);
    const added = Array.from({ length: 100 }, () => follow.attempt(0)).find((delta) => delta < 0);
    // Load 70 + 7 gone, two processes at 1, one moved process of a service at most at 2.
    expect(added).toBe(-77 + 2 + 2);
    expect([...state.assignment]).toEqual([1, 1]);
  });
});
