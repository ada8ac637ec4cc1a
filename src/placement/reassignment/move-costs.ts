import type { ReassignmentProblem } from "./problem";

/** What it costs that processes are not where they were: per process, per way, and for the service with most of them away. */
export class MoveCosts {
  private readonly movedOfService: Int32Array;
  /** How many services have that many moved processes. */
  private readonly servicesWithMoved: Int32Array;
  private mostMoved = 0;
  private moveCost = 0;

  /** @param assignment the machine of each process, kept up to date by its owner */
  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly assignment: Int32Array,
  ) {
    this.movedOfService = new Int32Array(problem.services);
    this.servicesWithMoved = new Int32Array(problem.processes + 2);
    this.servicesWithMoved[0] = problem.services;
  }

  get total(): number {
    return this.moveCost + this.problem.weights.serviceMove * this.mostMoved;
  }

  /** How the cost of the process itself and its way would change. */
  moveDelta(process: number, from: number, to: number): number {
    const { weights, machineMoveCost, machines, processMoveCost } = this.problem;
    const home = this.problem.initial[process]!;
    let delta = weights.machineMove * (machineMoveCost[home * machines + to]! - machineMoveCost[home * machines + from]!);
    if (from === home) delta += weights.processMove * processMoveCost[process]!;
    else if (to === home) delta -= weights.processMove * processMoveCost[process]!;
    return delta;
  }

  /** How the largest number of moved processes of a service would change, weighted; `second` may be nobody. */
  serviceMoveDelta(first: number, firstTo: number, second: number, secondTo: number): number {
    const { weights, service, processes } = this.problem;
    const firstChange = this.movedChange(first, firstTo);
    const secondChange = second === processes ? 0 : this.movedChange(second, secondTo);
    if (firstChange === 0 && secondChange === 0) return 0;
    if (second !== processes && service[first] === service[second])
      return this.siblingsMoveDelta(service[first]!, firstChange + secondChange);
    const firstMoved = this.movedOfService[service[first]!]!;
    const secondMoved = second === processes ? 0 : this.movedOfService[service[second]!]!;
    let most = this.mostMoved;
    if (firstChange < 0 || secondChange < 0) {
      // The maximum falls only when the last service that has it gives one up.
      const givenUp = (firstChange < 0 && firstMoved === most ? 1 : 0) + (secondChange < 0 && secondMoved === most ? 1 : 0);
      if (givenUp > 0 && this.servicesWithMoved[most] === givenUp) most -= 1;
    }
    most = Math.max(most, firstMoved + firstChange, second === processes ? 0 : secondMoved + secondChange);
    return weights.serviceMove * (most - this.mostMoved);
  }

  private siblingsMoveDelta(service: number, change: number): number {
    const moved = this.movedOfService[service]!;
    const isAloneWithMost = moved === this.mostMoved && this.servicesWithMoved[moved] === 1;
    // Who alone has the most takes the maximum along, down to that of the next.
    const rest = isAloneWithMost ? this.nextMost(moved) : this.mostMoved;
    return this.problem.weights.serviceMove * (Math.max(rest, moved + change) - this.mostMoved);
  }

  /** The most moved processes of any service that has fewer than that. */
  private nextMost(most: number): number {
    let next = most - 1;
    while (next > 0 && this.servicesWithMoved[next] === 0) next -= 1;
    return Math.max(0, next);
  }

  private movedChange(process: number, to: number): number {
    const home = this.problem.initial[process]!;
    const from = this.assignment[process]!;
    return (to === home ? 0 : 1) - (from === home ? 0 : 1);
  }

  /** Books (or unbooks) that the process is away from home. */
  note(process: number, home: number, to: number, sign: 1 | -1 = 1): void {
    const { weights, machineMoveCost, machines, processMoveCost, service } = this.problem;
    this.moveCost +=
      sign * (weights.processMove * processMoveCost[process]! + weights.machineMove * machineMoveCost[home * machines + to]!);
    const own = service[process]!;
    const before = this.movedOfService[own]!;
    const after = before + sign;
    this.movedOfService[own] = after;
    this.servicesWithMoved[before]! -= 1;
    this.servicesWithMoved[after]! += 1;
    if (after > this.mostMoved) this.mostMoved = after;
    else if (before === this.mostMoved && this.servicesWithMoved[before] === 0) this.mostMoved = after;
  }
}
