import { describe, expect, it, vi } from "vitest";
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

  it("says what to do when the package cannot be loaded", async () => {
    vi.doMock("highs", () => {
      throw new Error("there is no such package");
    });
    try {
      await expect(loadHighs()).rejects.toMatchObject({ code: "solver-missing", message: expect.stringContaining("npm install highs") });
    } finally {
      vi.doUnmock("highs");
    }
  });
});
