/** The value of a change that a hard rule forbids. */
export const FORBIDDEN = Number.POSITIVE_INFINITY;

/**
 * The machine-reassignment model: things on machines, several resources, hard rules, a weighted sum of costs. It covers
 * guests on nodes (the improvement of a plan) and the ROADEF/EURO 2012 challenge alike. Flat arrays, whole numbers.
 *
 * A two-dimensional array is stored row by row: `capacity[machine * resources + resource]`.
 */
export interface ReassignmentProblem {
  resources: number;
  /** 1 where a process that left still counts on its initial machine (what is being copied occupies both ends). */
  transient: Uint8Array;
  loadWeight: Float64Array;

  machines: number;
  neighbourhood: Int32Array;
  location: Int32Array;
  capacity: Float64Array;
  /** Use above it costs `loadWeight` per unit. */
  safety: Float64Array;
  /** `machineMoveCost[from * machines + to]` */
  machineMoveCost: Int32Array;

  services: number;
  /** Distinct locations that a service's processes must be spread over. */
  spreadMin: Int32Array;
  /** Per service: those it depends on. Each of its processes needs one of theirs in its neighbourhood. */
  dependencies: readonly (readonly number[])[];

  processes: number;
  /** Processes of one service never share a machine. */
  service: Int32Array;
  requirement: Float64Array;
  processMoveCost: Float64Array;

  balances: readonly { first: number; second: number; target: number; weight: number }[];
  weights: { processMove: number; serviceMove: number; machineMove: number };

  initial: Int32Array;
}

/** Throws a RangeError that names the first thing about the problem that makes no sense. */
export function checkProblem(problem: ReassignmentProblem): void {
  const { machines, resources, processes, services } = problem;
  const lengths: [string, number, number][] = [
    ["transient", problem.transient.length, resources],
    ["loadWeight", problem.loadWeight.length, resources],
    ["neighbourhood", problem.neighbourhood.length, machines],
    ["location", problem.location.length, machines],
    ["processMoveCost", problem.processMoveCost.length, processes],
    ["capacity", problem.capacity.length, machines * resources],
    ["safety", problem.safety.length, machines * resources],
    ["machineMoveCost", problem.machineMoveCost.length, machines * machines],
    ["requirement", problem.requirement.length, processes * resources],
    ["service", problem.service.length, processes],
    ["initial", problem.initial.length, processes],
    ["spreadMin", problem.spreadMin.length, services],
    ["dependencies", problem.dependencies.length, services],
  ];
  for (const [name, actual, expected] of lengths) {
    if (actual !== expected) throw new RangeError(`${name} has ${actual} entries, expected ${expected}`);
  }
  checkIndexes("initial", problem.initial, machines);
  checkIndexes("service", problem.service, services);
  checkIndexes(
    "balances",
    problem.balances.flatMap(({ first, second }) => [first, second]),
    resources,
  );
  for (const dependencies of problem.dependencies) checkIndexes("dependencies", dependencies, services);
}

function checkIndexes(name: string, indexes: ArrayLike<number>, end: number): void {
  for (let position = 0; position < indexes.length; position++) {
    const index = indexes[position]!;
    if (!(index >= 0 && index < end)) throw new RangeError(`${name}[${position}] is ${index}, expected 0 to ${end - 1}`);
  }
}
