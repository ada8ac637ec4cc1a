import { MoveCosts } from "./move-costs";
import type { ReassignmentProblem } from "./problem";
import { Regions } from "./regions";

/** The value of a change that a hard rule forbids. */
export const FORBIDDEN = Number.POSITIVE_INFINITY;

/**
 * An assignment with everything that makes a change's cost cheap to know: O(resources) for one process to another machine
 * or for two that swap places.
 */
export class ReassignmentState {
  readonly assignment: Int32Array;
  /** The processes on each machine, in no particular order. */
  readonly hosted: number[][];
  readonly machineCost: Float64Array;
  readonly regions: Regions;
  private readonly moves: MoveCosts;
  private readonly usage: Float64Array;
  /** Usage plus, for transient resources, what has left but still counts. */
  private readonly occupied: Float64Array;
  private readonly slot: Int32Array;
  /** Processes of a service on a machine: at most 1, and 2 for a moment while siblings change places. */
  private readonly present: Uint8Array;
  /** Processes moved since the last {@link copyChanges}; longer than the list means too many to tell. */
  private readonly touched: Int32Array;
  private touchedLength = 0;
  /** One row of zeros behind the last process: "nobody" as a process. */
  private readonly requirement: Float64Array;
  private readonly initial: Int32Array;

  constructor(
    readonly problem: ReassignmentProblem,
    start: Int32Array,
  ) {
    const { machines, resources, processes, services } = problem;
    this.assignment = Int32Array.from(start);
    this.hosted = Array.from({ length: machines }, () => []);
    this.machineCost = new Float64Array(machines);
    this.usage = new Float64Array(machines * resources);
    this.occupied = new Float64Array(machines * resources);
    this.slot = new Int32Array(processes);
    this.present = new Uint8Array(services * machines);
    this.regions = new Regions(problem, this.assignment);
    this.moves = new MoveCosts(problem, this.assignment);
    this.touched = new Int32Array(processes);
    this.requirement = new Float64Array((processes + 1) * resources);
    this.requirement.set(problem.requirement);
    this.initial = new Int32Array(processes + 1).fill(-1);
    this.initial.set(problem.initial);
    for (let process = 0; process < processes; process++) this.enter(process, this.assignment[process]!);
    for (let process = 0; process < processes; process++) {
      const home = problem.initial[process]!;
      if (home !== this.assignment[process]) {
        this.addTransient(home, process, 1);
        this.moves.note(process, home, this.assignment[process]!);
      }
    }
    for (let machine = 0; machine < machines; machine++) this.machineCost[machine] = this.costOf(machine, processes, processes);
  }

  get cost(): number {
    return this.machineCost.reduce((sum, value) => sum + value, 0) + this.moves.total;
  }

  /**
   * What moving the process there would add to the cost, or {@link FORBIDDEN}. As soon as the change is known to exceed
   * `limit` the answer may be any value above it.
   */
  shiftDelta(process: number, to: number, limit: number): number {
    const from = this.assignment[process]!;
    if (from === to) return FORBIDDEN;
    const service = this.problem.service[process]!;
    if (this.isPresent(service, to)) return FORBIDDEN;
    const moves = this.moves.moveDelta(process, from, to);
    const nobody = this.problem.processes;
    const arrival = this.exchangeDelta(to, nobody, process);
    if (arrival === FORBIDDEN || !this.regions.mayRelocate(service, from, to)) return FORBIDDEN;
    const soFar = moves + arrival + this.moves.serviceMoveDelta(process, to, nobody, 0);
    // Leaving can save no more than the machine costs now.
    if (soFar - this.machineCost[from]! > limit) return FORBIDDEN;
    return soFar + this.costOf(from, process, nobody) - this.machineCost[from]!;
  }

  /** The same for two processes on different machines that change places. */
  swapDelta(first: number, second: number, limit: number): number {
    const { problem } = this;
    const here = this.assignment[first]!;
    const there = this.assignment[second]!;
    const firstService = problem.service[first]!;
    const secondService = problem.service[second]!;
    if (here === there) return FORBIDDEN;
    // Two of one service may always change places as far as company, spread and dependencies go: nothing about these changes.
    const areSiblings = firstService === secondService;
    if (!areSiblings && (this.isPresent(firstService, there) || this.isPresent(secondService, here))) return FORBIDDEN;
    const moves =
      this.moves.moveDelta(first, here, there) +
      this.moves.moveDelta(second, there, here) +
      this.moves.serviceMoveDelta(first, there, second, here);
    const atThere = this.exchangeDelta(there, second, first);
    if (atThere === FORBIDDEN || moves + atThere - this.machineCost[here]! > limit) return FORBIDDEN;
    const atHere = this.exchangeDelta(here, first, second);
    if (atHere === FORBIDDEN) return FORBIDDEN;
    return areSiblings || this.regions.maySwap(firstService, secondService, here, there) ? moves + atThere + atHere : FORBIDDEN;
  }

  /** Brings a copy of the assignment up to date: in time proportional to the moves since the last call. */
  copyChanges(copy: Int32Array): void {
    if (this.touchedLength > this.touched.length) copy.set(this.assignment);
    else {
      for (let index = 0; index < this.touchedLength; index++) {
        const process = this.touched[index]!;
        copy[process] = this.assignment[process]!;
      }
    }
    this.touchedLength = 0;
  }

  move(process: number, to: number): void {
    if (this.touchedLength < this.touched.length) this.touched[this.touchedLength] = process;
    this.touchedLength += 1;
    const from = this.assignment[process]!;
    const home = this.problem.initial[process]!;
    this.leave(process, from);
    if (from === home) this.addTransient(home, process, 1);
    else this.moves.note(process, home, from, -1);
    this.enter(process, to);
    this.assignment[process] = to;
    if (to === home) this.addTransient(home, process, -1);
    else this.moves.note(process, home, to);
    const nobody = this.problem.processes;
    this.machineCost[from] = this.costOf(from, nobody, nobody);
    this.machineCost[to] = this.costOf(to, nobody, nobody);
  }

  /** The change of a machine's cost when `leaving` goes and `coming` comes; {@link FORBIDDEN} if that may not be. */
  private exchangeDelta(machine: number, leaving: number, coming: number): number {
    return this.costOf(machine, leaving, coming) - this.machineCost[machine]!;
  }

  /** Load and balance of a machine without `leaving` and with `coming`; {@link FORBIDDEN} beyond its capacity. */
  private costOf(machine: number, leaving: number, coming: number): number {
    const { resources, safety, loadWeight, balances, capacity, transient } = this.problem;
    const { requirement, usage, occupied } = this;
    const at = machine * resources;
    const out = leaving * resources;
    const into = coming * resources;
    const leavesHome = this.initial[leaving] === machine;
    const comesHome = this.initial[coming] === machine;
    let cost = 0;
    for (let resource = 0; resource < resources; resource++) {
      const index = at + resource;
      const added = requirement[into + resource]!;
      const removed = requirement[out + resource]!;
      const use = usage[index]! + added - removed;
      const over = use - safety[index]!;
      if (over > 0) cost += over * loadWeight[resource]!;
      // What is at home here counts whether it is here or not.
      const occupies = transient[resource] === 1 ? occupied[index]! + (comesHome ? 0 : added) - (leavesHome ? 0 : removed) : use;
      if (occupies > capacity[index]!) return FORBIDDEN;
    }
    for (let index = 0; index < balances.length; index++) {
      const { first, second, target, weight } = balances[index]!;
      const freeFirst = capacity[at + first]! - usage[at + first]! - requirement[into + first]! + requirement[out + first]!;
      const freeSecond = capacity[at + second]! - usage[at + second]! - requirement[into + second]! + requirement[out + second]!;
      const missing = target * freeFirst - freeSecond;
      if (missing > 0) cost += missing * weight;
    }
    return cost;
  }

  /**
   * Takes the process's amounts off its machine while everything else about it stays as it is, so that others may use the
   * room. Returns what that saves (negative). Ends with {@link putBack}.
   */
  lift(process: number): number {
    const machine = this.assignment[process]!;
    const before = this.machineCost[machine]!;
    this.addAmounts(process, machine, -1);
    return this.machineCost[machine]! - before;
  }

  putBack(process: number): void {
    this.addAmounts(process, this.assignment[process]!, 1);
  }

  /** What putting a lifted process there would add, or {@link FORBIDDEN}. */
  dropDelta(process: number, to: number): number {
    const from = this.assignment[process]!;
    const service = this.problem.service[process]!;
    const nobody = this.problem.processes;
    if (this.isPresent(service, to)) return FORBIDDEN;
    const arrival = this.exchangeDelta(to, nobody, process);
    if (arrival === FORBIDDEN) return FORBIDDEN;
    return arrival + this.moves.moveDelta(process, from, to) + this.moves.serviceMoveDelta(process, to, nobody, 0);
  }

  /** What putting two lifted processes of one service into each other's place would add, or {@link FORBIDDEN}. */
  exchangeSiblingsDelta(first: number, second: number): number {
    const here = this.assignment[first]!;
    const there = this.assignment[second]!;
    const nobody = this.problem.processes;
    const atThere = this.exchangeDelta(there, nobody, first);
    if (atThere === FORBIDDEN) return FORBIDDEN;
    const atHere = this.exchangeDelta(here, nobody, second);
    if (atHere === FORBIDDEN) return FORBIDDEN;
    const moves = this.moves.moveDelta(first, here, there) + this.moves.moveDelta(second, there, here);
    return atThere + atHere + moves + this.moves.serviceMoveDelta(first, there, second, here);
  }

  /** {@link shiftDelta} without spread and dependencies, for moves that belong together. */
  looseShiftDelta(process: number, to: number): number {
    const from = this.assignment[process]!;
    if (from === to) return FORBIDDEN;
    const drop = this.dropDelta(process, to);
    return drop === FORBIDDEN ? FORBIDDEN : drop - this.relief(process);
  }

  mayMove(process: number, to: number): boolean {
    const service = this.problem.service[process]!;
    const from = this.assignment[process]!;
    return from !== to && !this.isPresent(service, to) && this.regions.mayRelocate(service, from, to);
  }

  /** The process of the same service that is on that machine, if there is one. */
  findSibling(process: number, machine: number): number | undefined {
    const { service } = this.problem;
    if (!this.isPresent(service[process]!, machine)) return undefined;
    return this.hosted[machine]!.find((other) => service[other] === service[process]);
  }

  /** The resource of which the machine would be most overfull with the process, relative to its capacity; else to its safety. */
  tightestResource(machine: number, coming: number): number {
    const { resources, capacity, transient, safety } = this.problem;
    const comesHome = this.initial[coming] === machine;
    let tightest = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let resource = 0; resource < resources; resource++) {
      const index = machine * resources + resource;
      const added = this.requirement[coming * resources + resource]!;
      const isTransient = transient[resource] === 1;
      const use = isTransient ? this.occupied[index]! + (comesHome ? 0 : added) : this.usage[index]! + added;
      const excess = (use - capacity[index]!) / (capacity[index]! + 1);
      // Whatever is beyond capacity comes before whatever is beyond safety.
      const value = excess > 0 ? 1e6 + excess : (this.usage[index]! + added - safety[index]!) / (safety[index]! + 1);
      if (value > most) {
        most = value;
        tightest = resource;
      }
    }
    return tightest;
  }

  /** What the process's leaving would free of a resource: nothing of a transient one where it is at home. */
  freedBy(process: number, resource: number): number {
    const { resources, transient } = this.problem;
    if (transient[resource] === 1 && this.initial[process] === this.assignment[process]) return 0;
    return this.requirement[process * resources + resource]!;
  }

  /** What the machine costs less without the process (at least 0). */
  relief(process: number): number {
    const machine = this.assignment[process]!;
    return this.machineCost[machine]! - this.costOf(machine, process, this.problem.processes);
  }

  private addAmounts(process: number, machine: number, sign: 1 | -1): void {
    const { resources, transient } = this.problem;
    const isHome = this.initial[process] === machine;
    for (let resource = 0; resource < resources; resource++) {
      const amount = sign * this.requirement[process * resources + resource]!;
      this.usage[machine * resources + resource]! += amount;
      if (!(isHome && transient[resource] === 1)) this.occupied[machine * resources + resource]! += amount;
    }
    this.machineCost[machine] = this.costOf(machine, this.problem.processes, this.problem.processes);
  }

  private isPresent(service: number, machine: number): boolean {
    return this.present[service * this.problem.machines + machine]! > 0;
  }

  private enter(process: number, machine: number): void {
    const { resources, machines, service } = this.problem;
    for (let resource = 0; resource < resources; resource++) {
      const amount = this.requirement[process * resources + resource]!;
      this.usage[machine * resources + resource]! += amount;
      this.occupied[machine * resources + resource]! += amount;
    }
    const host = this.hosted[machine]!;
    this.slot[process] = host.length;
    host.push(process);
    const own = service[process]!;
    this.present[own * machines + machine]! += 1;
    this.regions.enter(own, machine);
  }

  private leave(process: number, machine: number): void {
    const { resources, machines, service } = this.problem;
    for (let resource = 0; resource < resources; resource++) {
      const amount = this.requirement[process * resources + resource]!;
      this.usage[machine * resources + resource]! -= amount;
      this.occupied[machine * resources + resource]! -= amount;
    }
    const host = this.hosted[machine]!;
    const last = host.pop()!;
    if (last !== process) {
      host[this.slot[process]!] = last;
      this.slot[last] = this.slot[process]!;
    }
    const own = service[process]!;
    this.present[own * machines + machine]! -= 1;
    this.regions.leave(own, machine);
  }

  private addTransient(machine: number, process: number, sign: 1 | -1): void {
    const { resources, transient } = this.problem;
    for (let resource = 0; resource < resources; resource++) {
      if (transient[resource] === 1)
        this.occupied[machine * resources + resource]! += sign * this.requirement[process * resources + resource]!;
    }
  }
}
