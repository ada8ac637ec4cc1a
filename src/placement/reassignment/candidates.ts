import type { ReassignmentProblem } from "./problem";
import type { SeededRandom } from "./random";

/** Above this many pairs of process and machine the lists are not made: they would cost more time and memory than they save. */
const MOST_PAIRS = 16_000_000;

/**
 * The machines on which each process could ever be, its own included: where it fits if everybody who is free to leave left.
 * What is at home on a machine never frees transient resources there, so for large processes these are often only a few.
 */
export class Candidates {
  private readonly starts: Int32Array | undefined;
  private readonly machinesOf: Uint16Array = new Uint16Array(0);

  constructor(private readonly problem: ReassignmentProblem) {
    const { processes, machines } = problem;
    if (!problem.transient.includes(1) || processes * machines > MOST_PAIRS || machines > 65_535) return;
    const starts = new Int32Array(processes + 1);
    const found = new Uint16Array(processes * machines);
    const homeUse = transientHomeUse(problem);
    let length = 0;
    for (let process = 0; process < processes; process++) {
      starts[process] = length;
      for (let machine = 0; machine < machines; machine++) {
        if (couldHost(problem, homeUse, machine, process)) found[length++] = machine;
      }
    }
    starts[processes] = length;
    this.starts = starts;
    this.machinesOf = found.slice(0, length);
  }

  /** Any machine the process could be on; any at all where there are no lists. */
  pick(process: number, random: SeededRandom): number {
    if (this.starts === undefined) return random.below(this.problem.machines);
    const start = this.starts[process]!;
    return this.machinesOf[start + random.below(this.starts[process + 1]! - start)]!;
  }
}

function transientHomeUse({ machines, resources, processes, transient, initial, requirement }: ReassignmentProblem): Float64Array {
  const use = new Float64Array(machines * resources);
  for (let process = 0; process < processes; process++) {
    for (let resource = 0; resource < resources; resource++) {
      if (transient[resource] === 1) use[initial[process]! * resources + resource]! += requirement[process * resources + resource]!;
    }
  }
  return use;
}

function couldHost(problem: ReassignmentProblem, homeUse: Float64Array, machine: number, process: number): boolean {
  const { resources, capacity, requirement, initial } = problem;
  if (initial[process] === machine) return true;
  for (let resource = 0; resource < resources; resource++) {
    const index = machine * resources + resource;
    if (homeUse[index]! + requirement[process * resources + resource]! > capacity[index]!) return false;
  }
  return true;
}
