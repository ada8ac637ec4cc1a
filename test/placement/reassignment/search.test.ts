import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check } from "../../../bench/placement/roadef-checker.cjs";
import { parseAssignment, parseModel } from "../../../bench/placement/roadef-format.cjs";
import type { ReassignmentProblem } from "../../../src/placement/reassignment/problem";
import { search } from "../../../src/placement/reassignment/search";
import { arbitraryProblem, small } from "./problems";

const bySteps = (most: number) => ({ seed: 3, progress: (steps: number) => steps / most });

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
      { numRuns: 100 },
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
