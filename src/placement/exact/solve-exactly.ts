import { placeMany } from "../many/place-many";
import type { Inventory, PlacementRequest } from "../model";
import { compareText } from "../order";
import { RepairCase } from "../repair/case";
import type { Assignment, RepairModel } from "../repair/model";
import { DEFAULT_DISPLACED, type RepairPlan, repairPlanOf } from "../repair/repair";
import { wholeScope } from "../repair/scope";
import { type Constraint, formatLp, type Term } from "./linear-model";
import { assignmentOf, exclusionOf, type RepairProgram, repairProgram } from "./repair-program";

/** Solves a mixed-integer program given as text in the CPLEX LP format. */
export type LinearSolver = (lp: string) => Promise<LinearSolution>;

export interface LinearSolution {
  /** `unfinished`: stopped by a limit before the optimum was proven. */
  status: "optimal" | "infeasible" | "unfinished";
  /** By variable; of an optimal solution. */
  values: Record<string, number>;
}

export interface ExactOptions {
  /** See `repairPlacement`. */
  makeRoom?: boolean;
  mostDisplaced?: number;
  /** Largest program that is given to the solver, in variables. Default 20,000. */
  mostVariables?: number;
}

/** The exact mode cannot answer; the message says why and what to do instead. */
export class ExactSolveError extends Error {
  override readonly name = "ExactSolveError";
  constructor(
    readonly code: "too-large" | "no-solution" | "unfinished",
    message: string,
  ) {
    super(message);
  }
}

const MOST_VARIABLES = 20_000;
/** Solutions that the filters refuse (the program does not know every rule) are excluded one by one, at most so many. */
const MOST_EXCLUSIONS = 50;

/**
 * The provably cheapest repair, by a solver that is passed in: the same question, costs and filters as `repairPlacement`, for
 * the federation as a whole. What nothing is wrong with stays as `placeMany` decides.
 *
 * @throws ExactSolveError when the federation is too large for it, or the solver stops early
 */
export async function solveExactly(
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  solver: LinearSolver,
  options: ExactOptions = {},
): Promise<RepairPlan> {
  const { makeRoom = false, mostDisplaced = DEFAULT_DISPLACED, mostVariables = MOST_VARIABLES } = options;
  const plan = placeMany(requests, inventory);
  const decisions = new Map(plan.decisions.map((decision) => [decision.key, decision]));
  const part = new RepairCase(wholeScope(requests, inventory), requests, decisions, inventory, makeRoom);
  const { model } = part;
  if (model === undefined) return repairPlanOf(plan.decisions, requests, inventory, [], true);
  const program = repairProgram(model, makeRoom ? mostDisplaced : 0);
  if (program.variables.length > mostVariables) {
    throw new ExactSolveError(
      "too-large",
      `The exact mode takes up to ${mostVariables} variables, this federation needs ${program.variables.length}: leave the exact mode out, or ask it about one pool.`,
    );
  }
  const assignment = await solve(program, model, solver, (candidate) => part.accepts(model, candidate));
  const better = part.decide(model, assignment);
  for (const decision of better.decisions) decisions.set(decision.key, decision);
  const final = plan.decisions.map(({ key }) => decisions.get(key)!);
  return repairPlanOf(final, requests, inventory, better.displaced.sort(compareText), true);
}

async function solve(
  program: RepairProgram,
  model: RepairModel,
  solver: LinearSolver,
  accepts: (assignment: Assignment) => boolean,
): Promise<Assignment> {
  const exclusions: Constraint[] = [];
  for (;;) {
    const assignment = assignmentOf(model, await solveStages(program, exclusions, solver));
    if (accepts(assignment)) return assignment;
    if (exclusions.length === MOST_EXCLUSIONS) {
      throw new ExactSolveError("no-solution", "The exact mode does not know all rules of this federation: leave it out.");
    }
    exclusions.push(exclusionOf(model, assignment));
  }
}

/** Each goal in turn, held to its best value while the next is minimized. */
async function solveStages(
  program: RepairProgram,
  exclusions: readonly Constraint[],
  solver: LinearSolver,
): Promise<Record<string, number>> {
  const constraints = [...program.constraints, ...exclusions];
  let values: Record<string, number> = {};
  for (const objective of program.stages) {
    const { status, values: found } = await solver(formatLp({ variables: program.variables, objective, constraints }));
    if (status !== "optimal") throw unsolved(status);
    values = found;
    constraints.push({ terms: objective, relation: "<=", bound: totalOf(objective, found) });
  }
  return values;
}

function unsolved(status: "infeasible" | "unfinished"): ExactSolveError {
  return status === "unfinished"
    ? new ExactSolveError(
        "unfinished",
        "The solver stopped before it had proven the best plan: give it more time, or leave the exact mode out.",
      )
    : new ExactSolveError("no-solution", "The exact mode finds no plan that its rules allow: leave it out to see what fits where.");
}

function totalOf(terms: readonly Term[], values: Readonly<Record<string, number>>): number {
  return terms.reduce((sum, { coefficient, variable }) => sum + coefficient * Math.round(values[variable] ?? 0), 0);
}
