import type { ReassignmentProblem } from "./problem";
import type { SeededRandom } from "./random";

/** The value of a change that a hard rule forbids. */
export const FORBIDDEN = Number.POSITIVE_INFINITY;

const FREE_MEMBER_TRIES = 8;

/**
 * An assignment with everything that makes a change's cost cheap to know: O(resources) for one process to another machine
 * or for two that swap places.
 */
export class ReassignmentState {
  readonly assignment: Int32Array;
  /** The processes on each machine, in no particular order. */
  readonly hosted: number[][];
  readonly machineCost: Float64Array;
  private readonly usage: Float64Array;
  /** Usage plus, for transient resources, what has left but still counts. */
  private readonly occupied: Float64Array;
  private readonly slot: Int32Array;
  /** Processes of a service on a machine: at most 1, and 2 for a moment while siblings change places. */
  private readonly present: Uint8Array;
  private readonly locationCount: Int32Array;
  private readonly locations: number;
  private readonly spread: Int32Array;
  private readonly neighbourhoodCount: Int32Array;
  private readonly neighbourhoods: number;
  private readonly dependants: number[][];
  /** The processes of each service, and the machines of each neighbourhood. */
  private readonly members: number[][];
  private readonly neighbours: number[][];
  private readonly movedOfService: Int32Array;
  /** How many services have that many moved processes. */
  private readonly servicesWithMoved: Int32Array;
  /** Processes moved since the last {@link copyChanges}; longer than the list means too many to tell. */
  private readonly touched: Int32Array;
  private touchedLength = 0;
  private mostMoved = 0;
  private moveCost = 0;
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
    this.locations = 1 + problem.location.reduce((most, value) => Math.max(most, value), -1);
    this.locationCount = new Int32Array(services * this.locations);
    this.spread = new Int32Array(services);
    this.neighbourhoods = 1 + problem.neighbourhood.reduce((most, value) => Math.max(most, value), -1);
    this.neighbourhoodCount = new Int32Array(services * this.neighbourhoods);
    this.dependants = Array.from({ length: services }, () => []);
    problem.dependencies.forEach((needed, service) => {
      for (const other of needed) if (other !== service) this.dependants[other]!.push(service);
    });
    this.touched = new Int32Array(processes);
    this.members = Array.from({ length: services }, () => []);
    problem.service.forEach((service, process) => {
      this.members[service]!.push(process);
    });
    this.neighbours = Array.from({ length: this.neighbourhoods }, () => []);
    problem.neighbourhood.forEach((neighbourhood, machine) => {
      this.neighbours[neighbourhood]!.push(machine);
    });
    this.movedOfService = new Int32Array(services);
    this.servicesWithMoved = new Int32Array(processes + 2);
    this.servicesWithMoved[0] = services;
    this.requirement = new Float64Array((processes + 1) * resources);
    this.requirement.set(problem.requirement);
    this.initial = new Int32Array(processes + 1).fill(-1);
    this.initial.set(problem.initial);
    for (let process = 0; process < processes; process++) this.enter(process, this.assignment[process]!);
    for (let process = 0; process < processes; process++) {
      const home = problem.initial[process]!;
      if (home !== this.assignment[process]) {
        this.addTransient(home, process, 1);
        this.noteMove(process, home, this.assignment[process]!);
      }
    }
    for (let machine = 0; machine < machines; machine++) this.machineCost[machine] = this.costOf(machine, processes, processes);
  }

  get cost(): number {
    return this.machineCost.reduce((sum, value) => sum + value, 0) + this.moveCost + this.problem.weights.serviceMove * this.mostMoved;
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
    const moves = this.moveDelta(process, from, to);
    const nobody = this.problem.processes;
    const arrival = this.exchangeDelta(to, nobody, process);
    if (arrival === FORBIDDEN || !this.mayRelocate(service, from, to)) return FORBIDDEN;
    const soFar = moves + arrival + this.serviceMoveDelta(process, to, nobody, 0);
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
      this.moveDelta(first, here, there) + this.moveDelta(second, there, here) + this.serviceMoveDelta(first, there, second, here);
    const atThere = this.exchangeDelta(there, second, first);
    if (atThere === FORBIDDEN || moves + atThere - this.machineCost[here]! > limit) return FORBIDDEN;
    const atHere = this.exchangeDelta(here, first, second);
    if (atHere === FORBIDDEN) return FORBIDDEN;
    return areSiblings || this.maySwapRegions(firstService, secondService, here, there) ? moves + atThere + atHere : FORBIDDEN;
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
    else this.noteMove(process, home, from, -1);
    this.enter(process, to);
    this.assignment[process] = to;
    if (to === home) this.addTransient(home, process, -1);
    else this.noteMove(process, home, to);
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
    return arrival + this.moveDelta(process, from, to) + this.serviceMoveDelta(process, to, nobody, 0);
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
    const moves = this.moveDelta(first, here, there) + this.moveDelta(second, there, here);
    return atThere + atHere + moves + this.serviceMoveDelta(first, there, second, here);
  }

  /** {@link shiftDelta} without spread and dependencies, for moves that belong together. */
  looseShiftDelta(process: number, to: number): number {
    const from = this.assignment[process]!;
    if (from === to) return FORBIDDEN;
    const drop = this.dropDelta(process, to);
    return drop === FORBIDDEN ? FORBIDDEN : drop - this.relief(process);
  }

  /**
   * Who has to come along after the process went from `from` to where it is now: dependants left behind without any of its
   * service, and one process of each service it needs and misses here.
   */
  brokenTies(process: number, from: number, random: SeededRandom): number[] {
    const { service, neighbourhood, dependencies } = this.problem;
    const own = service[process]!;
    const here = neighbourhood[this.assignment[process]!]!;
    const left = neighbourhood[from]!;
    const ties: number[] = [];
    if (left === here) return ties;
    for (const needed of dependencies[own]!) {
      if (this.neighbourhoodCount[needed * this.neighbourhoods + here] === 0) ties.push(...this.pickFreeMember(needed, random));
    }
    if (this.neighbourhoodCount[own * this.neighbourhoods + left]! > 0) return ties;
    for (const dependant of this.dependants[own]!) {
      if (this.neighbourhoodCount[dependant * this.neighbourhoods + left] === 0) continue;
      for (const member of this.members[dependant]!) if (neighbourhood[this.assignment[member]!] === left) ties.push(member);
    }
    return ties;
  }

  /** Any process of the same service; the process itself when it is alone. */
  pickSibling(process: number, random: SeededRandom): number {
    const members = this.members[this.problem.service[process]!]!;
    return members[random.below(members.length)]!;
  }

  /** One process of a service, one whose leaving breaks no dependency if such a one is met soon; none of an empty service. */
  private pickFreeMember(service: number, random: SeededRandom): number[] {
    const members = this.members[service]!;
    if (members.length === 0) return [];
    let member = members[random.below(members.length)]!;
    for (let tried = 1; tried < FREE_MEMBER_TRIES && !this.isFreeToLeave(member); tried++) member = members[random.below(members.length)]!;
    return [member];
  }

  private isFreeToLeave(process: number): boolean {
    const own = this.problem.service[process]!;
    const region = this.problem.neighbourhood[this.assignment[process]!]!;
    if (this.neighbourhoodCount[own * this.neighbourhoods + region]! > 1) return true;
    return this.dependants[own]!.every((other) => this.neighbourhoodCount[other * this.neighbourhoods + region] === 0);
  }

  /** Whether spread and dependencies hold for the service of a process that came from that machine. */
  obeysRegions(process: number, from: number): boolean {
    const { service, neighbourhood, dependencies, spreadMin } = this.problem;
    const own = service[process]!;
    if (this.spread[own]! < spreadMin[own]!) return false;
    const counts = (other: number, region: number) => this.neighbourhoodCount[other * this.neighbourhoods + region]!;
    const here = neighbourhood[this.assignment[process]!]!;
    const left = neighbourhood[from]!;
    if (dependencies[own]!.some((needed) => counts(needed, here) === 0)) return false;
    return counts(own, left) > 0 || this.dependants[own]!.every((other) => counts(other, left) === 0);
  }

  isWithNeighbours(process: number, machine: number): boolean {
    const { neighbourhood } = this.problem;
    return neighbourhood[this.assignment[process]!] === neighbourhood[machine];
  }

  /** Any machine of the same neighbourhood. */
  pickNeighbour(machine: number, random: SeededRandom): number {
    const neighbours = this.neighbours[this.problem.neighbourhood[machine]!]!;
    return neighbours[random.below(neighbours.length)]!;
  }

  mayMove(process: number, to: number): boolean {
    const service = this.problem.service[process]!;
    const from = this.assignment[process]!;
    return from !== to && !this.isPresent(service, to) && this.mayRelocate(service, from, to);
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

  private moveDelta(process: number, from: number, to: number): number {
    const { weights, machineMoveCost, machines, processMoveCost } = this.problem;
    const home = this.initial[process]!;
    let delta = weights.machineMove * (machineMoveCost[home * machines + to]! - machineMoveCost[home * machines + from]!);
    if (from === home) delta += weights.processMove * processMoveCost[process]!;
    else if (to === home) delta -= weights.processMove * processMoveCost[process]!;
    return delta;
  }

  /** How the largest number of moved processes of a service would change, weighted. */
  private serviceMoveDelta(first: number, firstTo: number, second: number, secondTo: number): number {
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

  private isPresent(service: number, machine: number): boolean {
    return this.present[service * this.problem.machines + machine]! > 0;
  }

  private movedChange(process: number, to: number): number {
    const home = this.initial[process]!;
    const from = this.assignment[process]!;
    return (to === home ? 0 : 1) - (from === home ? 0 : 1);
  }

  /** Spread and dependencies when one process of the service changes machine. */
  private mayRelocate(service: number, from: number, to: number): boolean {
    const { location, neighbourhood, spreadMin, dependencies } = this.problem;
    const fromLocation = location[from]!;
    const toLocation = location[to]!;
    if (fromLocation !== toLocation && this.spread[service]! <= spreadMin[service]!) {
      const lost = this.locationCount[service * this.locations + fromLocation] === 1 ? 1 : 0;
      const won = this.locationCount[service * this.locations + toLocation] === 0 ? 1 : 0;
      if (this.spread[service]! - lost + won < spreadMin[service]!) return false;
    }
    const fromNeighbourhood = neighbourhood[from]!;
    const toNeighbourhood = neighbourhood[to]!;
    if (fromNeighbourhood === toNeighbourhood) return true;
    for (const needed of dependencies[service]!) {
      if (needed !== service && this.neighbourhoodCount[needed * this.neighbourhoods + toNeighbourhood] === 0) return false;
    }
    if (this.neighbourhoodCount[service * this.neighbourhoods + fromNeighbourhood]! > 1) return true;
    return this.dependants[service]!.every((other) => this.neighbourhoodCount[other * this.neighbourhoods + fromNeighbourhood] === 0);
  }

  /**
   * Both changes at once. Where one service depends on the other, each check alone would count on a process that is about
   * to leave: such swaps between neighbourhoods are left to the other moves.
   */
  private maySwapRegions(first: number, second: number, here: number, there: number): boolean {
    const { neighbourhood, dependencies } = this.problem;
    const isTied = () => dependencies[first]!.includes(second) || dependencies[second]!.includes(first);
    if (neighbourhood[here] !== neighbourhood[there] && isTied()) return false;
    return this.mayRelocate(first, here, there) && this.mayRelocate(second, there, here);
  }

  private enter(process: number, machine: number): void {
    const { resources, machines, service, location, neighbourhood } = this.problem;
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
    const atLocation = own * this.locations + location[machine]!;
    if (this.locationCount[atLocation]! === 0) this.spread[own]! += 1;
    this.locationCount[atLocation]! += 1;
    this.neighbourhoodCount[own * this.neighbourhoods + neighbourhood[machine]!]! += 1;
  }

  private leave(process: number, machine: number): void {
    const { resources, machines, service, location, neighbourhood } = this.problem;
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
    const atLocation = own * this.locations + location[machine]!;
    this.locationCount[atLocation]! -= 1;
    if (this.locationCount[atLocation]! === 0) this.spread[own]! -= 1;
    this.neighbourhoodCount[own * this.neighbourhoods + neighbourhood[machine]!]! -= 1;
  }

  private addTransient(machine: number, process: number, sign: 1 | -1): void {
    const { resources, transient } = this.problem;
    for (let resource = 0; resource < resources; resource++) {
      if (transient[resource] === 1)
        this.occupied[machine * resources + resource]! += sign * this.requirement[process * resources + resource]!;
    }
  }

  /** Books (or unbooks) that the process is away from home. */
  private noteMove(process: number, home: number, to: number, sign: 1 | -1 = 1): void {
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
