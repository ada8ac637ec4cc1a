import type { ReassignmentProblem } from "./problem";

/** Where the services are: their processes on distinct machines, spread over locations, near what they depend on. */
export class Services {
  /** The processes of each service. */
  readonly members: readonly (readonly number[])[];
  /** The services that depend on each service, itself excepted. */
  readonly dependants: readonly (readonly number[])[];
  readonly dependencies: readonly (readonly number[])[];
  private readonly neighbourhoods: number;
  private readonly neighbourhoodCount: Int32Array;
  private readonly locations: number;
  /** A row for each service of more than one process, -1 for the others: they have no company and no spread to lose. */
  private readonly row: Int32Array;
  /** Processes of a service on a machine: at most 1, and 2 for a moment while siblings change places. */
  private readonly present: Uint8Array;
  private readonly locationCount: Int32Array;
  /** How many locations a service has beyond the least it needs. */
  private readonly spareLocations: Int32Array;

  /** @param assignment the machine of each process, kept up to date by its owner */
  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly assignment: Int32Array,
  ) {
    const { services, machines, service, location, neighbourhood } = problem;
    const members: number[][] = Array.from({ length: services }, () => []);
    service.forEach((own, process) => {
      members[own]!.push(process);
    });
    this.members = members;
    this.dependencies = problem.dependencies.map((needed, own) => needed.filter((other) => other !== own));
    const dependants: number[][] = Array.from({ length: services }, () => []);
    this.dependencies.forEach((needed, own) => {
      for (const other of needed) dependants[other]!.push(own);
    });
    this.dependants = dependants;
    this.neighbourhoods = 1 + neighbourhood.reduce((most, value) => Math.max(most, value), -1);
    this.locations = 1 + location.reduce((most, value) => Math.max(most, value), -1);
    this.neighbourhoodCount = new Int32Array(services * this.neighbourhoods);
    let rows = 0;
    this.row = Int32Array.from(members, (own) => (own.length > 1 ? rows++ : -1));
    this.present = new Uint8Array(rows * machines);
    this.locationCount = new Int32Array(rows * this.locations);
    this.spareLocations = Int32Array.from(problem.spreadMin, (least) => -least);
    for (let process = 0; process < problem.processes; process++) this.enter(service[process]!, assignment[process]!);
  }

  enter(service: number, machine: number): void {
    const { location, neighbourhood, machines } = this.problem;
    this.neighbourhoodCount[service * this.neighbourhoods + neighbourhood[machine]!]! += 1;
    const row = this.row[service]!;
    if (row < 0) return;
    this.present[row * machines + machine]! += 1;
    const at = row * this.locations + location[machine]!;
    if (this.locationCount[at]! === 0) this.spareLocations[service]! += 1;
    this.locationCount[at]! += 1;
  }

  leave(service: number, machine: number): void {
    const { location, neighbourhood, machines } = this.problem;
    this.neighbourhoodCount[service * this.neighbourhoods + neighbourhood[machine]!]! -= 1;
    const row = this.row[service]!;
    if (row < 0) return;
    this.present[row * machines + machine]! -= 1;
    const at = row * this.locations + location[machine]!;
    this.locationCount[at]! -= 1;
    if (this.locationCount[at]! === 0) this.spareLocations[service]! -= 1;
  }

  /** Whether a process of the service is on the machine; not known (false) for services of one process. */
  isPresent(service: number, machine: number): boolean {
    const row = this.row[service]!;
    return row >= 0 && this.present[row * this.problem.machines + machine]! > 0;
  }

  /** Spread and dependencies when one process of the service changes machine. */
  mayRelocate(service: number, from: number, to: number): boolean {
    return this.keepsSpread(service, from, to) && this.keepsDependencies(service, from, to);
  }

  /**
   * Both changes at once. Where one service depends on the other, each check alone would count on a process that is about
   * to leave: such swaps between neighbourhoods are left to the other moves.
   */
  maySwap(first: number, second: number, here: number, there: number): boolean {
    const { neighbourhood } = this.problem;
    if (!this.mayRelocate(first, here, there) || !this.mayRelocate(second, there, here)) return false;
    return (
      neighbourhood[here] === neighbourhood[there] ||
      !(this.dependencies[first]!.includes(second) || this.dependencies[second]!.includes(first))
    );
  }

  /** Whether spread and dependencies hold for the service of a process that came from that machine. */
  obeys(process: number, from: number): boolean {
    const { service, neighbourhood } = this.problem;
    const own = service[process]!;
    if (this.row[own]! >= 0 && this.spareLocations[own]! < 0) return false;
    const here = neighbourhood[this.assignment[process]!]!;
    const left = neighbourhood[from]!;
    return this.hasAll(this.dependencies[own]!, here) && (this.countIn(own, left) > 0 || this.hasNone(this.dependants[own]!, left));
  }

  /** How many processes of the service are in the neighbourhood. */
  countIn(service: number, neighbourhood: number): number {
    return this.neighbourhoodCount[service * this.neighbourhoods + neighbourhood]!;
  }

  /** Whether one process of the service could leave the neighbourhood without breaking a dependency. */
  maySpareOne(service: number, neighbourhood: number): boolean {
    return this.countIn(service, neighbourhood) > 1 || this.hasNone(this.dependants[service]!, neighbourhood);
  }

  private keepsSpread(service: number, from: number, to: number): boolean {
    const row = this.row[service]!;
    if (row < 0 || this.spareLocations[service]! > 0) return true;
    const { location } = this.problem;
    const fromLocation = location[from]!;
    const toLocation = location[to]!;
    if (fromLocation === toLocation) return true;
    const at = row * this.locations;
    // Without a location to spare: none may be lost unless another is won.
    return this.locationCount[at + fromLocation]! > 1 || this.locationCount[at + toLocation] === 0;
  }

  private keepsDependencies(service: number, from: number, to: number): boolean {
    const { neighbourhood } = this.problem;
    const left = neighbourhood[from]!;
    const here = neighbourhood[to]!;
    return left === here || (this.hasAll(this.dependencies[service]!, here) && this.maySpareOne(service, left));
  }

  private hasAll(services: readonly number[], neighbourhood: number): boolean {
    for (let index = 0; index < services.length; index++) if (this.countIn(services[index]!, neighbourhood) === 0) return false;
    return true;
  }

  private hasNone(services: readonly number[], neighbourhood: number): boolean {
    for (let index = 0; index < services.length; index++) if (this.countIn(services[index]!, neighbourhood) > 0) return false;
    return true;
  }
}
