import { Layout } from "./layout";
import { FORBIDDEN, type ReassignmentProblem } from "./problem";

/**
 * How full every machine is and what that costs (load and balance). Knows processes only by what they require and by
 * where they are at home: of a transient resource, what is at home on a machine counts there wherever it runs.
 */
export class Machines {
  /** Load and balance cost of each machine. */
  readonly cost: Float64Array;
  private readonly layout: Layout;
  private readonly home: Int32Array;
  /** Use above safety of each machine and resource, negative below. */
  private readonly over: Float64Array;
  /** Capacity that is left of each machine and resource, transient use counted. */
  private readonly room: Float64Array;
  /** Capacity minus safety: what is free of a resource is this minus `over`. */
  private readonly margin: Float64Array;

  constructor(problem: ReassignmentProblem, assignment: Int32Array) {
    const layout = new Layout(problem);
    const { capacity, safety, resources } = layout;
    this.layout = layout;
    this.home = problem.initial;
    this.cost = new Float64Array(problem.machines);
    this.over = safety.map((amount) => -amount);
    this.room = Float64Array.from(capacity);
    this.margin = capacity.map((amount, index) => amount - safety[index]!);
    for (let process = 0; process < problem.processes; process++) {
      const home = this.home[process]! * resources;
      for (let place = 0; place < layout.transients; place++) this.room[home + place]! -= layout.requirement[process * resources + place]!;
      this.add(process, assignment[process]!, 1);
    }
    for (let machine = 0; machine < problem.machines; machine++) this.cost[machine] = this.costNow(machine);
  }

  /** What the machine would cost more with the process; {@link FORBIDDEN} if it does not fit. */
  arrivalDelta(process: number, machine: number): number {
    const { over, room } = this;
    const { resources, transients, requirement, loadWeight, balances } = this.layout;
    const at = machine * resources;
    const of = process * resources;
    // Coming home takes nothing of a transient resource: it was counted all the time.
    if (this.home[process] !== machine) {
      for (let place = 0; place < transients; place++) {
        if (requirement[of + place]! > room[at + place]!) return FORBIDDEN;
      }
    }
    for (let place = transients; place < resources; place++) {
      if (requirement[of + place]! > room[at + place]!) return FORBIDDEN;
    }
    let delta = 0;
    for (let place = 0; place < resources; place++) {
      const before = over[at + place]!;
      const after = before + requirement[of + place]!;
      if (after > 0) delta += loadWeight[place]! * (before > 0 ? after - before : after);
    }
    return balances.length > 0 ? delta + this.balanceDelta(at, of, 1) : delta;
  }

  /** No arrival saves more than this: more use costs more, except that it may even out a balance. */
  mostSavedByArrival(machine: number): number {
    return this.layout.balances.length > 0 ? this.cost[machine]! : 0;
  }

  /** What the machine would cost more (mostly less) without the process that is on it. */
  departureDelta(process: number, machine: number): number {
    const { over } = this;
    const { resources, requirement, loadWeight, balances } = this.layout;
    const at = machine * resources;
    const of = process * resources;
    let delta = 0;
    for (let place = 0; place < resources; place++) {
      const before = over[at + place]!;
      if (before > 0) {
        const less = requirement[of + place]!;
        delta -= loadWeight[place]! * (less < before ? less : before);
      }
    }
    return balances.length > 0 ? delta + this.balanceDelta(at, of, -1) : delta;
  }

  /** What the machine would cost more if one process left and the other came; {@link FORBIDDEN} if that does not fit. */
  exchangeDelta(machine: number, leaving: number, coming: number): number {
    const { over, room, home } = this;
    const { resources, transients, requirement, loadWeight, balances } = this.layout;
    const at = machine * resources;
    const out = leaving * resources;
    const into = coming * resources;
    if (transients > 0 && home[coming] !== machine) {
      const isFreed = home[leaving] !== machine;
      for (let place = 0; place < transients; place++) {
        if (requirement[into + place]! > room[at + place]! + (isFreed ? requirement[out + place]! : 0)) return FORBIDDEN;
      }
    }
    for (let place = transients; place < resources; place++) {
      if (requirement[into + place]! - requirement[out + place]! > room[at + place]!) return FORBIDDEN;
    }
    let delta = 0;
    for (let place = 0; place < resources; place++) {
      const before = over[at + place]!;
      const after = before + requirement[into + place]! - requirement[out + place]!;
      delta += loadWeight[place]! * ((after > 0 ? after : 0) - (before > 0 ? before : 0));
    }
    for (let index = 0; index < balances.length; index++) {
      const { first, second, target, weight } = balances[index]!;
      const missing = this.missing(at, first, second, target);
      const change =
        requirement[into + second]! - requirement[out + second]! - target * (requirement[into + first]! - requirement[out + first]!);
      delta += weight * (Math.max(0, missing + change) - Math.max(0, missing));
    }
    return delta;
  }

  /** The process comes (1) or goes (-1): amounts and cost follow. */
  change(process: number, machine: number, sign: 1 | -1): void {
    this.add(process, machine, sign);
    this.cost[machine] = this.costNow(machine);
  }

  /** The place in a row of which the machine would be most overfull with the process: beyond capacity, else beyond safety. */
  tightestPlace(machine: number, coming: number): number {
    const { resources, transients, requirement, capacity, safety } = this.layout;
    const at = machine * resources;
    const isHome = this.home[coming] === machine;
    let tightest = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let place = 0; place < resources; place++) {
      const added = requirement[coming * resources + place]!;
      const excess = ((isHome && place < transients ? 0 : added) - this.room[at + place]!) / (capacity[at + place]! + 1);
      const value = excess > 0 ? 1e6 + excess : (this.over[at + place]! + added) / (safety[at + place]! + 1);
      if (value > most) {
        most = value;
        tightest = place;
      }
    }
    return tightest;
  }

  /** What the process's leaving would free there: nothing of a transient resource where it is at home. */
  freedBy(process: number, machine: number, place: number): number {
    if (place < this.layout.transients && this.home[process] === machine) return 0;
    return this.layout.requirement[process * this.layout.resources + place]!;
  }

  private add(process: number, machine: number, sign: 1 | -1): void {
    const { over, room } = this;
    const { resources, transients, requirement } = this.layout;
    const at = machine * resources;
    const of = process * resources;
    const isHome = this.home[process] === machine;
    for (let place = 0; place < resources; place++) {
      const amount = sign * requirement[of + place]!;
      over[at + place]! += amount;
      if (place >= transients || !isHome) room[at + place]! -= amount;
    }
  }

  private costNow(machine: number): number {
    const { resources, loadWeight, balances } = this.layout;
    const at = machine * resources;
    let cost = 0;
    for (let place = 0; place < resources; place++) cost += loadWeight[place]! * Math.max(0, this.over[at + place]!);
    for (const { first, second, target, weight } of balances) cost += weight * Math.max(0, this.missing(at, first, second, target));
    return cost;
  }

  private balanceDelta(at: number, of: number, sign: 1 | -1): number {
    const { requirement, balances } = this.layout;
    let delta = 0;
    for (let index = 0; index < balances.length; index++) {
      const { first, second, target, weight } = balances[index]!;
      const missing = this.missing(at, first, second, target);
      const change = sign * (requirement[of + second]! - target * requirement[of + first]!);
      delta += weight * (Math.max(0, missing + change) - Math.max(0, missing));
    }
    return delta;
  }

  private missing(at: number, first: number, second: number, target: number): number {
    const { margin, over } = this;
    return target * (margin[at + first]! - over[at + first]!) - (margin[at + second]! - over[at + second]!);
  }
}
