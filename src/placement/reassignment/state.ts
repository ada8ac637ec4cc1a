import { IndexSet } from "./index-set";
import { Machines } from "./machines";
import { MoveCosts } from "./move-costs";
import { FORBIDDEN, type ReassignmentProblem } from "./problem";
import { Services } from "./services";

/**
 * An assignment with everything that makes a change's cost cheap to know: O(resources) for one process to another machine
 * or for two that change places.
 */
export class ReassignmentState {
  readonly assignment: Int32Array;
  /** The processes on each machine, in no particular order. */
  readonly hosted: readonly number[][];
  /** The processes that are not at home. */
  readonly away: IndexSet;
  readonly machines: Machines;
  readonly services: Services;
  private readonly moves: MoveCosts;
  private readonly home: Int32Array;
  private readonly service: Int32Array;
  /** Where each process is in the list of its machine. */
  private readonly slot: Int32Array;
  /** Processes moved since the last {@link copyChanges}; longer than the list means too many to tell. */
  private readonly touched: Int32Array;
  private touchedLength = 0;

  constructor(problem: ReassignmentProblem, start: Int32Array) {
    const { machines, processes } = problem;
    this.assignment = Int32Array.from(start);
    this.home = problem.initial;
    this.service = problem.service;
    this.machines = new Machines(problem, start);
    this.services = new Services(problem, this.assignment);
    this.moves = new MoveCosts(problem, this.assignment);
    this.away = new IndexSet(processes);
    this.touched = new Int32Array(processes);
    this.slot = new Int32Array(processes);
    this.hosted = Array.from({ length: machines }, () => []);
    for (let process = 0; process < processes; process++) {
      this.slot[process] = this.hosted[start[process]!]!.push(process) - 1;
      if (start[process] !== this.home[process]) this.away.add(process);
    }
  }

  get cost(): number {
    return this.machines.cost.reduce((sum, value) => sum + value, 0) + this.moves.total;
  }

  /**
   * What moving the process there would add to the cost, or {@link FORBIDDEN}: also when it is certain to add more than
   * `limit`. `departure` is what its leaving saves (negative), for callers that try several machines.
   */
  shiftDelta(process: number, to: number, limit: number, departure = this.departureDelta(process)): number {
    const from = this.assignment[process]!;
    if (from === to) return FORBIDDEN;
    const fixed = departure + this.moves.wayDelta(process, to);
    if (fixed - this.machines.mostSavedByArrival(to) > limit + this.moves.serviceWeight) return FORBIDDEN;
    const service = this.service[process]!;
    if (this.services.isPresent(service, to)) return FORBIDDEN;
    const delta = fixed + this.machines.arrivalDelta(process, to) + this.moves.serviceDelta(process, to);
    if (delta > limit || !this.services.mayRelocate(service, from, to)) return FORBIDDEN;
    return delta;
  }

  /** What its machine costs more (mostly less) without the process. */
  departureDelta(process: number): number {
    return this.machines.departureDelta(process, this.assignment[process]!);
  }

  /** The same as {@link shiftDelta} for two processes that change places. */
  swapDelta(first: number, second: number, limit: number): number {
    const here = this.assignment[first]!;
    const there = this.assignment[second]!;
    if (here === there) return FORBIDDEN;
    const { cost } = this.machines;
    const ways = this.moves.wayDelta(first, there) + this.moves.wayDelta(second, here);
    // No exchange saves more than the two machines cost; that alone rules most of them out once the temperature is low.
    if (ways - cost[here]! - cost[there]! > limit + 2 * this.moves.serviceWeight) return FORBIDDEN;
    const firstService = this.service[first]!;
    const secondService = this.service[second]!;
    // Two of one service may always change places as far as company, spread and dependencies go: nothing about these changes.
    const areSiblings = firstService === secondService;
    if (!areSiblings && (this.services.isPresent(firstService, there) || this.services.isPresent(secondService, here))) return FORBIDDEN;
    const atThere = this.machines.exchangeDelta(there, second, first);
    if (atThere === FORBIDDEN) return FORBIDDEN;
    if (ways + atThere - cost[here]! > limit + 2 * this.moves.serviceWeight) return FORBIDDEN;
    const atHere = this.machines.exchangeDelta(here, first, second);
    const delta = ways + atThere + atHere + this.moves.serviceDeltaOfSwap(first, second);
    if (!(delta <= limit)) return FORBIDDEN;
    return areSiblings || this.services.maySwap(firstService, secondService, here, there) ? delta : FORBIDDEN;
  }

  move(process: number, to: number): void {
    const from = this.assignment[process]!;
    const service = this.service[process]!;
    this.machines.change(process, from, -1);
    this.services.leave(service, from);
    this.moves.note(process, to);
    this.relist(process, from, to);
    this.assignment[process] = to;
    this.services.enter(service, to);
    this.machines.change(process, to, 1);
  }

  swap(first: number, second: number): void {
    const here = this.assignment[first]!;
    this.move(first, this.assignment[second]!);
    this.move(second, here);
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

  /**
   * Takes the process's amounts off its machine while everything else about it stays as it is, so that others may use the
   * room. Returns what that saves (negative). Ends with {@link putBack}.
   */
  lift(process: number): number {
    const machine = this.assignment[process]!;
    const before = this.machines.cost[machine]!;
    this.machines.change(process, machine, -1);
    return this.machines.cost[machine]! - before;
  }

  putBack(process: number): void {
    this.machines.change(process, this.assignment[process]!, 1);
  }

  /** What putting a lifted process there would add, spread and dependencies unseen, or {@link FORBIDDEN}. */
  dropDelta(process: number, to: number): number {
    if (this.services.isPresent(this.service[process]!, to)) return FORBIDDEN;
    return this.machines.arrivalDelta(process, to) + this.moves.wayDelta(process, to) + this.moves.serviceDelta(process, to);
  }

  /** What putting two lifted processes of one service into each other's place would add, or {@link FORBIDDEN}. */
  dropSwappedDelta(first: number, second: number): number {
    const here = this.assignment[first]!;
    const there = this.assignment[second]!;
    const arrivals = this.machines.arrivalDelta(first, there) + this.machines.arrivalDelta(second, here);
    return arrivals + this.moves.wayDelta(first, there) + this.moves.wayDelta(second, here) + this.moves.serviceDeltaOfSwap(first, second);
  }

  /** Spread and dependencies if the process went there. */
  mayRelocate(process: number, to: number): boolean {
    return this.services.mayRelocate(this.service[process]!, this.assignment[process]!, to);
  }

  /** The process of the same service that is on that machine, if there is one. */
  findSibling(process: number, machine: number): number | undefined {
    const own = this.service[process]!;
    if (!this.services.isPresent(own, machine)) return undefined;
    return this.services.members[own]!.find((other) => this.assignment[other] === machine);
  }

  private relist(process: number, from: number, to: number): void {
    const left = this.hosted[from]!;
    const slot = this.slot[process]!;
    const last = left.pop()!;
    if (last !== process) {
      left[slot] = last;
      this.slot[last] = slot;
    }
    this.slot[process] = this.hosted[to]!.push(process) - 1;
    if (to === this.home[process]) this.away.delete(process);
    else this.away.add(process);
    if (this.touchedLength < this.touched.length) this.touched[this.touchedLength] = process;
    this.touchedLength += 1;
  }
}
