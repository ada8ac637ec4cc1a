import type { ReassignmentProblem } from "./problem";

/** What it costs that processes are not where they were: per process, per way, and for the service with most of them away. */
export class MoveCosts {
  /** The cost of each process's own move and way, as it is now. */
  private readonly way: Float64Array;
  private readonly movedOfService: Int32Array;
  /** How many services have that many moved processes. */
  private readonly servicesWithMoved: Int32Array;
  private mostMoved = 0;

  /** What one more moved process of a service adds at most, or one less saves. */
  readonly serviceWeight: number;

  /** @param assignment the machine of each process, kept up to date by its owner */
  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly assignment: Int32Array,
  ) {
    const { processes, services, initial } = problem;
    this.serviceWeight = problem.weights.serviceMove;
    this.way = Float64Array.from(assignment, (machine, process) => this.wayCost(process, machine));
    this.movedOfService = new Int32Array(services);
    this.servicesWithMoved = new Int32Array(processes + 2);
    this.servicesWithMoved[0] = services;
    for (let process = 0; process < processes; process++) if (assignment[process] !== initial[process]) this.count(process, 1);
  }

  get total(): number {
    return this.way.reduce((sum, value) => sum + value, 0) + this.problem.weights.serviceMove * this.mostMoved;
  }

  /** How the cost of the process itself and its way would change. */
  wayDelta(process: number, to: number): number {
    return this.wayCost(process, to) - this.way[process]!;
  }

  /** How the largest number of moved processes of a service would change when the process went there, weighted. */
  serviceDelta(process: number, to: number): number {
    const change = this.movedChange(process, to);
    if (change === 0) return 0;
    const moved = this.movedOfService[this.problem.service[process]!]!;
    if (change > 0) return moved < this.mostMoved ? 0 : this.problem.weights.serviceMove;
    return moved < this.mostMoved || this.servicesWithMoved[moved]! > 1 ? 0 : -this.problem.weights.serviceMove;
  }

  /** The same for two processes on different machines that change places. */
  serviceDeltaOfSwap(first: number, second: number): number {
    const { weights, service } = this.problem;
    const firstChange = this.movedChange(first, this.assignment[second]!);
    const secondChange = this.movedChange(second, this.assignment[first]!);
    if (firstChange === 0 && secondChange === 0) return 0;
    const before = this.mostMoved;
    // Counted and uncounted again: rare (only moves from and to home get here) and free of special cases.
    this.addMoved(service[first]!, firstChange);
    this.addMoved(service[second]!, secondChange);
    const after = this.mostMoved;
    this.addMoved(service[second]!, -secondChange);
    this.addMoved(service[first]!, -firstChange);
    return weights.serviceMove * (after - before);
  }

  /** Books that the process goes there; called before the assignment changes. */
  note(process: number, to: number): void {
    this.count(process, this.movedChange(process, to));
    this.way[process] = this.wayCost(process, to);
  }

  private count(process: number, change: number): void {
    this.addMoved(this.problem.service[process]!, change);
  }

  private addMoved(service: number, change: number): void {
    if (change === 0) return;
    const before = this.movedOfService[service]!;
    const after = before + change;
    this.movedOfService[service] = after;
    this.servicesWithMoved[before]! -= 1;
    this.servicesWithMoved[after]! += 1;
    if (after > this.mostMoved) this.mostMoved = after;
    else if (before === this.mostMoved && this.servicesWithMoved[before] === 0) this.mostMoved = after;
  }

  private wayCost(process: number, at: number): number {
    const { weights, machineMoveCost, machines, processMoveCost, initial } = this.problem;
    const home = initial[process]!;
    const way = weights.machineMove * machineMoveCost[home * machines + at]!;
    return at === home ? way : way + weights.processMove * processMoveCost[process]!;
  }

  private movedChange(process: number, to: number): number {
    const home = this.problem.initial[process]!;
    return (to === home ? 0 : 1) - (this.assignment[process] === home ? 0 : 1);
  }
}
