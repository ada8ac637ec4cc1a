import type { Highs } from "highs";
import type { LinearSolver } from "../placement";

/** `highs` is an optional package; without it there is no exact mode, and everything else works. */
export class SolverMissingError extends Error {
  override readonly name = "SolverMissingError";
  readonly code = "solver-missing";
}

/** Limits of one run of the solver. */
export interface HighsOptions {
  /** Default 60. */
  timeLimitSeconds?: number;
}

/**
 * The HiGHS solver (WebAssembly, in this process: it blocks while it computes) for `solveExactly`.
 *
 * @throws SolverMissingError when the package `highs` is not installed
 */
export async function loadHighs({ timeLimitSeconds = 60 }: HighsOptions = {}): Promise<LinearSolver> {
  const load = await importHighs();
  const highs = await load();
  return async (lp) => {
    // The default gap would end the search at a plan that is only almost the best.
    const options = { mip_rel_gap: 0, mip_abs_gap: 0.5, time_limit: timeLimitSeconds, output_flag: false };
    const first = highs.solve(lp, options);
    // The presolve of HiGHS 1.15 calls some programs infeasible that are not; without it they are solved.
    const solution = first.Status === "Infeasible" ? highs.solve(lp, { ...options, presolve: "off" }) : first;
    if (solution.Status === "Infeasible") return { status: "infeasible", values: {} };
    if (solution.Status !== "Optimal") return { status: "unfinished", values: {} };
    return { status: "optimal", values: primalValues(solution) };
  };
}

function primalValues({ Columns: columns }: { Columns: object }): Record<string, number> {
  const entries: [string, { Primal?: number }][] = Object.entries(columns);
  return Object.fromEntries(entries.map(([name, { Primal: value }]) => [name, value ?? 0]));
}

async function importHighs(): Promise<() => Promise<Highs>> {
  try {
    // What an import gets is the loader itself; the declared types are those of the CommonJS build.
    const loader: unknown = (await import("highs")).default;
    return loader as () => Promise<Highs>;
  } catch (error) {
    throw new SolverMissingError(
      "The exact mode needs the package highs, which cannot be loaded. Install it (npm install highs) or leave the exact mode out.",
      { cause: error },
    );
  }
}
