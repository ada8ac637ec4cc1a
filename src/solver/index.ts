/** Solvers from packages, for what placement takes as a function. */
export { type HighsOptions, loadHighs, SolverMissingError } from "./highs";
