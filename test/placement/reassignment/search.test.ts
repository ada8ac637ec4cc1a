import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check } from "../../../bench/placement/roadef-checker.cjs";
import { formatAssignment, parseAssignment, parseModel } from "../../../bench/placement/roadef-format.cjs";
import { checkProblem, type ReassignmentProblem } from "../../../src/placement/reassignment/problem";
import { search } from "../../../src/placement/reassignment/search";
import { FORBIDDEN, ReassignmentState } from "../../../src/placement/reassignment/state";

/** Two machines in two places, three processes of two services; the second resource is transient. */
function small(extra: Partial<ReassignmentProblem> = {}): ReassignmentProblem {
  return {
    resources: 2,
    transient: Uint8Array.of(0, 1),
    loadWeight: Float64Array.of(10, 1),
    machines: 2,
    neighbourhood: Int32Array.of(0, 1),
    location: Int32Array.of(0, 1),
    capacity: Float64Array.of(10, 10, 10, 10),
    safety: Float64Array.of(4, 10, 4, 10),
    machineMoveCost: Float64Array.of(0, 3, 5, 0),
    services: 2,
    spreadMin: Int32Array.of(0, 0),
    dependencies: [[], []],
    processes: 3,
    service: Int32Array.of(0, 0, 1),
    requirement: Float64Array.of(4, 4, 2, 2, 3, 3),
    processMoveCost: Float64Array.of(7, 8, 9),
    balances: [],
    weights: { processMove: 1, serviceMove: 2, machineMove: 10 },
    initial: Int32Array.of(0, 1, 0),
    ...extra,
  };
}

const bySteps = (most: number) => ({ seed: 3, progress: (steps: number) => steps / most });

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
      machineMoveCost: new Float64Array(9),
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
  });
});

/** Random problems whose initial assignment obeys every rule by construction: capacities and demands follow from it. */
const arbitraryProblem = fc
  .record({
    machines: fc.integer({ min: 2, max: 6 }),
    resources: fc.integer({ min: 1, max: 3 }),
    seed: fc.integer({ min: 1, max: 1e9 }),
    processes: fc.integer({ min: 1, max: 24 }),
    slack: fc.integer({ min: 1, max: 30 }),
  })
  .map(({ machines, resources, seed, processes, slack }) => {
    let state = seed;
    const below = (end: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 4294967296) * end);
    };
    const initial = Int32Array.from({ length: processes }, () => below(machines));
    // A new service whenever the one at hand has a process on that machine already.
    const services: Set<number>[] = [];
    const service = Int32Array.from(initial, (machine) => {
      const own = services.findIndex((taken) => !taken.has(machine) && below(3) > 0);
      const index = own < 0 ? services.push(new Set()) - 1 : own;
      services[index]?.add(machine);
      return index;
    });
    const requirement = Float64Array.from({ length: processes * resources }, () => below(20));
    const capacity = new Float64Array(machines * resources).map(() => below(slack));
    initial.forEach((machine, process) => {
      for (let resource = 0; resource < resources; resource++) {
        capacity[machine * resources + resource] =
          (capacity[machine * resources + resource] ?? 0) + (requirement[process * resources + resource] ?? 0);
      }
    });
    const neighbourhood = Int32Array.from({ length: machines }, () => below(2));
    const location = Int32Array.from({ length: machines }, () => below(3));
    const regions = services.map((hosts) => new Set([...hosts].map((machine) => neighbourhood[machine])));
    const dependencies = services.map((_, own) =>
      services.flatMap((__, other) =>
        other !== own && below(4) === 0 && [...(regions[own] ?? [])].every((region) => regions[other]?.has(region)) ? [other] : [],
      ),
    );
    return {
      resources,
      transient: Uint8Array.from({ length: resources }, () => below(2)),
      loadWeight: Float64Array.from({ length: resources }, () => below(10)),
      machines,
      neighbourhood,
      location,
      capacity,
      safety: capacity.map((amount) => Math.floor(amount / 2)),
      machineMoveCost: Float64Array.from({ length: machines * machines }, (_, index) => (index % (machines + 1) === 0 ? 0 : below(5))),
      services: services.length,
      spreadMin: Int32Array.from(services, (hosts) => below(1 + new Set([...hosts].map((machine) => location[machine])).size)),
      dependencies,
      processes,
      service,
      requirement,
      processMoveCost: Float64Array.from({ length: processes }, () => below(10)),
      balances: resources > 1 ? [{ first: 0, second: 1, target: 2, weight: below(5) }] : [],
      weights: { processMove: 1, serviceMove: 10, machineMove: 3 },
      initial,
    } satisfies ReassignmentProblem;
  });

describe("search, for any problem", () => {
  it("ends with an assignment that an independent checker accepts, at the cost it says, never above the start", () => {
    fc.assert(
      fc.property(arbitraryProblem, (problem) => {
        const start = check(problem, problem.initial, problem.initial);
        expect(start.broken).toEqual([]);
        const result = search(problem, bySteps(3000));
        expect(check(problem, problem.initial, result.assignment)).toEqual({ cost: result.cost, broken: [] });
        expect(result.cost).toBeLessThanOrEqual(start.cost);
      }),
      { numRuns: 150 },
    );
  });

  it("gives the same result for the same seed and budget of steps", () => {
    fc.assert(
      fc.property(arbitraryProblem, (problem) => {
        expect(search(problem, bySteps(2000))).toEqual(search(problem, bySteps(2000)));
      }),
      { numRuns: 30 },
    );
  });
});

describe("the checker", () => {
  it("finds every kind of broken rule", () => {
    const broken = (extra: Partial<ReassignmentProblem>, ...assignment: number[]) =>
      check(small(extra), small().initial, Int32Array.from(assignment)).broken;
    expect(broken({}, 0, 1, 1)).toEqual([]);
    expect(broken({}, 0, 0, 1)).toEqual(["service 0 has two processes on one machine"]);
    expect(broken({ capacity: Float64Array.of(10, 10, 4, 10) }, 0, 1, 1)).toEqual(["machine 1 uses 5 of 4 of resource 0"]);
    expect(broken({ spreadMin: Int32Array.of(0, 2) }, 0, 1, 1)).toEqual(["service 1 is in 1 locations, 2 needed"]);
    expect(broken({ dependencies: [[1], []] }, 0, 1, 1)).toEqual(["service 0 misses 1 in neighbourhood 0"]);
  });
});

const instances = resolve(__dirname, "../../../../shared/bench/roadef2012");

describe.skipIf(!existsSync(instances))("the ROADEF/EURO 2012 instances (skipped: ../shared/bench/roadef2012 is absent)", () => {
  const read = (name: string) => {
    const model = parseModel(readFileSync(`${instances}/model_${name}.txt`, "utf8"));
    return {
      ...model,
      initial: parseAssignment(readFileSync(`${instances}/assignment_${name}.txt`, "utf8"), model.processes, model.machines),
    };
  };
  const scores = existsSync(instances) ? readFileSync(`${instances}/scores.csv`, "utf8").trim().split("\n").slice(1) : [];

  it.each(
    scores.map((line) => line.split(",").map((field, index) => (index === 0 ? field : Number(field))) as [string, number, number, number]),
  )("%s starts at %i and ends between its bound of %i and that", (name, initialCost, lowerBound) => {
    const problem = read(name);
    expect(check(problem, problem.initial, problem.initial)).toEqual({ cost: initialCost, broken: [] });
    const result = search(problem, bySteps(5_000));
    expect(check(problem, problem.initial, result.assignment)).toEqual({ cost: result.cost, broken: [] });
    expect(result.cost).toBeGreaterThanOrEqual(lowerBound);
    expect(result.cost).toBeLessThanOrEqual(initialCost);
  });

  it("a1_1 ends within a thousandth of its optimum", () => {
    expect(search(read("a1_1"), bySteps(60_000)).cost).toBeLessThan(44_306_501 * 1.001);
  });
});

describe("the formats", () => {
  it("refuse what is too short, too long or no number, and print what they read", () => {
    expect(() => parseModel("2 0", "m")).toThrow("m: ends after 2 numbers");
    expect(() => parseAssignment("0 x", 2, 2, "a")).toThrow('a: number 2 is "x"');
    expect(() => parseAssignment("0 1 0", 2, 2, "a")).toThrow("a: 1 numbers too many");
    expect(() => parseAssignment("0 5", 2, 2, "a")).toThrow("a: process 1 is on machine 5, there are 2");
    expect(parseAssignment(formatAssignment(Int32Array.of(1, 0, 1)), 3, 2)).toEqual(Int32Array.of(1, 0, 1));
  });
});
