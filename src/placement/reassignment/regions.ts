import type { ReassignmentProblem } from "./problem";
import type { SeededRandom } from "./random";

const FREE_MEMBER_TRIES = 8;

/** Where the services are: spread over locations, and dependencies within neighbourhoods. */
export class Regions {
  private readonly locationCount: Int32Array;
  private readonly locations: number;
  private readonly spread: Int32Array;
  private readonly neighbourhoodCount: Int32Array;
  private readonly neighbourhoods: number;
  private readonly dependants: number[][];
  /** The processes of each service, and the machines of each neighbourhood. */
  private readonly members: number[][];
  private readonly neighbours: number[][];

  /** @param assignment the machine of each process, kept up to date by its owner */
  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly assignment: Int32Array,
  ) {
    const { services } = problem;
    this.locations = 1 + problem.location.reduce((most, value) => Math.max(most, value), -1);
    this.locationCount = new Int32Array(services * this.locations);
    this.spread = new Int32Array(services);
    this.neighbourhoods = 1 + problem.neighbourhood.reduce((most, value) => Math.max(most, value), -1);
    this.neighbourhoodCount = new Int32Array(services * this.neighbourhoods);
    this.dependants = Array.from({ length: services }, () => []);
    problem.dependencies.forEach((needed, service) => {
      for (const other of needed) if (other !== service) this.dependants[other]!.push(service);
    });
    this.members = Array.from({ length: services }, () => []);
    problem.service.forEach((service, process) => {
      this.members[service]!.push(process);
    });
    this.neighbours = Array.from({ length: this.neighbourhoods }, () => []);
    problem.neighbourhood.forEach((neighbourhood, machine) => {
      this.neighbours[neighbourhood]!.push(machine);
    });
  }

  enter(service: number, machine: number): void {
    const { location, neighbourhood } = this.problem;
    const atLocation = service * this.locations + location[machine]!;
    if (this.locationCount[atLocation]! === 0) this.spread[service]! += 1;
    this.locationCount[atLocation]! += 1;
    this.neighbourhoodCount[service * this.neighbourhoods + neighbourhood[machine]!]! += 1;
  }

  leave(service: number, machine: number): void {
    const { location, neighbourhood } = this.problem;
    const atLocation = service * this.locations + location[machine]!;
    this.locationCount[atLocation]! -= 1;
    if (this.locationCount[atLocation]! === 0) this.spread[service]! -= 1;
    this.neighbourhoodCount[service * this.neighbourhoods + neighbourhood[machine]!]! -= 1;
  }

  /** Spread and dependencies when one process of the service changes machine. */
  mayRelocate(service: number, from: number, to: number): boolean {
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
  maySwap(first: number, second: number, here: number, there: number): boolean {
    const { neighbourhood, dependencies } = this.problem;
    const isTied = () => dependencies[first]!.includes(second) || dependencies[second]!.includes(first);
    if (neighbourhood[here] !== neighbourhood[there] && isTied()) return false;
    return this.mayRelocate(first, here, there) && this.mayRelocate(second, there, here);
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

  /** Whether spread and dependencies hold for the service of a process that came from that machine. */
  obeys(process: number, from: number): boolean {
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
}
