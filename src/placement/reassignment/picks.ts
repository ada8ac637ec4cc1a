import { Candidates } from "./candidates";
import type { ReassignmentProblem } from "./problem";
import type { SeededRandom } from "./random";
import type { ReassignmentState } from "./state";

/** Machines compared when a costly one is looked for. */
const COMPARED = 4;

/** Which process to try next, and where: at random, but more often where something can be won. */
export class Picks {
  private readonly candidates: Candidates;

  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly state: ReassignmentState,
    readonly random: SeededRandom,
  ) {
    this.candidates = new Candidates(problem);
  }

  /** Half of the time any process, half of the time one on a machine that costs much. */
  process(): number {
    return (this.random.bits() & 1) === 0 ? this.random.below(this.problem.processes) : this.costlyProcess();
  }

  /** A process on a machine that costs much. */
  costlyProcess(): number {
    const host = this.state.hosted[this.costlyMachine()]!;
    return host.length === 0 ? this.random.below(this.problem.processes) : host[this.random.below(host.length)]!;
  }

  /** Any process that is away from home, -1 if none is. */
  away(): number {
    const { away } = this.state;
    return away.size === 0 ? -1 : away.at(this.random.below(away.size));
  }

  /** Any process on the machine, -1 if there is none. */
  on(machine: number): number {
    const host = this.state.hosted[machine]!;
    return host.length === 0 ? -1 : host[this.random.below(host.length)]!;
  }

  /** Any other process of the same service, -1 if there is none. */
  sibling(process: number): number {
    const members = this.state.services.members[this.problem.service[process]!]!;
    const other = members[this.random.below(members.length)]!;
    return other === process ? -1 : other;
  }

  /** A machine where the process could be. */
  target(process: number): number {
    return this.candidates.pick(process, this.random);
  }

  costlyMachine(): number {
    const { cost } = this.state.machines;
    let machine = this.random.below(this.problem.machines);
    for (let tried = 1; tried < COMPARED; tried++) {
      const other = this.random.below(this.problem.machines);
      if (cost[other]! > cost[machine]!) machine = other;
    }
    return machine;
  }
}
