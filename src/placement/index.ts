/** Deciding where guests go: pure functions on plain data, no I/O, no clock, no randomness. */

export { DEFAULT_CAPACITY_RULES } from "./capacity";
export { type ExplanationJson, explainJson, explainLine, explainText } from "./explain";
export { type Coordinates, clusterCoordinates, distanceKm, findCoordinates } from "./location";
export { explainDecision, type PlaceManyOptions, type PlacementPlan, placeMany } from "./many/place-many";
export type { Decision } from "./many/placement-run";
export type {
  CandidateReport,
  CapacityFractions,
  ClusterFacts,
  Explanation,
  GuestFacts,
  Inventory,
  LinkFacts,
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
} from "./model";
export { placeOne } from "./place-one";
export { describeRule } from "./rules";
export { type RuleProblem, validateRules } from "./validate-rules";
