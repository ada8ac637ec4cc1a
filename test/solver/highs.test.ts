import { describe, expect, it } from "vitest";
import { loadHighs } from "../../src/solver";

describe("loadHighs", () => {
  it("gives a solver that finds the optimum of a program in the LP format", async () => {
    const solve = await loadHighs();
    const lp = "Minimize\n cost: 2 x + 3 y\nSubject To\n c0: 1 x + 1 y >= 1\nBinary\n x y\nEnd\n";
    expect(await solve(lp)).toEqual({ status: "optimal", values: { x: 1, y: 0 } });
  });

  it("tells a program without a solution from one that is solved", async () => {
    const solve = await loadHighs();
    const lp = "Minimize\n cost: 1 x\nSubject To\n c0: 1 x >= 2\nBinary\n x\nEnd\n";
    expect(await solve(lp)).toEqual({ status: "infeasible", values: {} });
  });

  it("says when it was stopped before it had the optimum", async () => {
    const solve = await loadHighs({ timeLimitSeconds: 0 });
    const lp = "Minimize\n cost: 2 x + 3 y\nSubject To\n c0: 3 x + 5 y >= 4\n c1: 5 x + 3 y >= 4\nBinary\n x y\nEnd\n";
    expect(["unfinished", "optimal"]).toContain((await solve(lp)).status);
  });
});
