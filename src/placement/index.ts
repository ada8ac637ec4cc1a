/** Deciding where guests go: pure functions on plain data, no I/O, no clock, no randomness. */

export { type Conflict, findConflict } from "./analysis/conflict";
export { type ClusterFailover, checkClusterFailover, checkNodeFailover, type NodeFailover } from "./analysis/failover";
export { type Forecast, forecastExhaustion, type Reading } from "./analysis/forecast";
export { type ForecastOptions, forecastInventory, type UtilisationHistory } from "./analysis/forecast-inventory";
export { type Change, type Fullness, type WhatIf, whatIf, withChange } from "./analysis/what-if";
export {
  cpuCapacityMilli,
  DEFAULT_CAPACITY_RULES,
  memoryCapacityMiB,
  pressurePermille,
  storageAvailableBytes,
} from "./capacity";
export {
  type ExactOptions,
  ExactSolveError,
  type LinearSolution,
  type LinearSolver,
  solveExactly,
} from "./exact/solve-exactly";
export { type ExplanationJson, explainJson, explainLine, explainText } from "./explain";
export type { ImproveBudget } from "./improve/budget";
export { type Improvement, type ImprovementMove, type ImproveOptions, improvePlacement } from "./improve/improve";
export { type Coordinates, clusterCoordinates, distanceKm, findCoordinates } from "./location";
export type { DecisionFigures } from "./many/explain-run";
export {
  type ExplainedPlan,
  explainDecision,
  type PlaceManyOptions,
  type PlacementPlan,
  placeMany,
  placeManyExplained,
} from "./many/place-many";
export type { Decision } from "./many/placement-run";
export { PlanExplainer } from "./many/plan-explainer";
export { PlacementSession } from "./many/session";
export type {
  CandidateReport,
  CapacityFractions,
  ClusterFacts,
  Company,
  Explanation,
  GuestFacts,
  Inventory,
  LinkFacts,
  Loss,
  NodeFacts,
  Placement,
  PlacementRequest,
  PlacementResult,
  PoolPolicy,
  Promised,
  Required3,
  Rule,
  Shortfall,
  StorageFacts,
  SurvivalDemand,
  TimeWindow,
} from "./model";
export {
  type BlockedMove,
  type MoveRates,
  type MoveSchedule,
  type MoveSequence,
  type MoveStep,
  type ScheduledStep,
  type SequenceLimits,
  scheduleMoves,
  sequenceMoves,
} from "./moves/sequence";
export { placeOne } from "./place-one";
export { type RepairOptions, type RepairPlan, repairPlacement } from "./repair/repair";
export { describeRule } from "./rules";
export { activeAt } from "./time";
export { type RuleProblem, validateRules } from "./validate-rules";
