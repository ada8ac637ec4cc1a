import type { MoveKind } from "../move-kind";
import type { Picks } from "../picks";
import { FORBIDDEN, type ReassignmentProblem } from "../problem";
import type { ReassignmentState } from "../state";

/** Processes moved together at most. */
const MOST_FOLLOWERS = 10;
/** Machines of the new neighbourhood tried for each follower, the leader's own first. */
const TARGETS = 4;
/** Processes looked at to find one that may leave. */
const FREE_MEMBER_TRIES = 8;

/**
 * Moves a process to another neighbourhood together with what dependencies tie to it: dependants it would leave behind
 * without it follow, and what it depends on there comes along. On the way dependencies may be broken; at the end none is.
 */
export class Follow implements MoveKind {
  private readonly machinesIn: readonly number[][];
  private readonly moved: number[] = [];
  private readonly cameFrom: number[] = [];
  private readonly ties: number[] = [];

  constructor(
    private readonly problem: ReassignmentProblem,
    private readonly state: ReassignmentState,
    private readonly picks: Picks,
  ) {
    const neighbourhoods = 1 + problem.neighbourhood.reduce((most, value) => Math.max(most, value), -1);
    const machinesIn: number[][] = Array.from({ length: neighbourhoods }, () => []);
    problem.neighbourhood.forEach((neighbourhood, machine) => {
      machinesIn[neighbourhood]!.push(machine);
    });
    this.machinesIn = machinesIn;
  }

  attempt(limit: number): number {
    const leader = this.picks.process();
    const to = this.picks.target(leader);
    if (this.isNear(leader, to)) return 0;
    this.moved.length = 0;
    this.cameFrom.length = 0;
    const total = this.moveAll(leader, to);
    if (total <= limit && this.moved.every((process, index) => this.state.services.obeys(process, this.cameFrom[index]!))) return total;
    for (let index = this.moved.length - 1; index >= 0; index--) this.state.move(this.moved[index]!, this.cameFrom[index]!);
    return 0;
  }

  private moveAll(leader: number, to: number): number {
    let total = this.moveTo(leader, to);
    if (total === FORBIDDEN) return FORBIDDEN;
    for (let done = 0; done < this.moved.length; done++) {
      this.findTies(this.moved[done]!, this.cameFrom[done]!);
      for (const follower of this.ties) {
        if (this.isNear(follower, to)) continue;
        if (this.moved.length === MOST_FOLLOWERS) return FORBIDDEN;
        total += this.bringNear(follower, to);
        if (total === FORBIDDEN) return FORBIDDEN;
      }
    }
    return total;
  }

  private moveTo(process: number, to: number): number {
    const { state } = this;
    if (state.assignment[process] === to) return FORBIDDEN;
    const drop = state.dropDelta(process, to);
    if (drop === FORBIDDEN) return FORBIDDEN;
    const delta = drop + state.departureDelta(process);
    this.moved.push(process);
    this.cameFrom.push(state.assignment[process]!);
    state.move(process, to);
    return delta;
  }

  private bringNear(process: number, to: number): number {
    const near = this.machinesIn[this.problem.neighbourhood[to]!]!;
    for (let tried = 0; tried < TARGETS; tried++) {
      const delta = this.moveTo(process, tried === 0 ? to : near[this.picks.random.below(near.length)]!);
      if (delta !== FORBIDDEN) return delta;
    }
    return FORBIDDEN;
  }

  /**
   * Who has to come along after the process went from `from` to where it is now: dependants left behind without any of its
   * service, and one process of each service it needs and misses here.
   */
  private findTies(process: number, from: number): void {
    const { services, assignment } = this.state;
    const { service, neighbourhood } = this.problem;
    const own = service[process]!;
    const here = neighbourhood[assignment[process]!]!;
    const left = neighbourhood[from]!;
    this.ties.length = 0;
    for (const needed of services.dependencies[own]!) {
      if (services.countIn(needed, here) === 0) this.addMemberOf(needed);
    }
    if (services.countIn(own, left) > 0) return;
    for (const dependant of services.dependants[own]!) {
      if (services.countIn(dependant, left) === 0) continue;
      for (const member of services.members[dependant]!) if (neighbourhood[assignment[member]!] === left) this.ties.push(member);
    }
  }

  /** One process of a service, one whose leaving breaks no dependency if such a one is met soon; none of an empty service. */
  private addMemberOf(service: number): void {
    const { services, assignment } = this.state;
    const members = services.members[service]!;
    if (members.length === 0) return;
    const { random } = this.picks;
    let member = members[random.below(members.length)]!;
    for (let tried = 1; tried < FREE_MEMBER_TRIES; tried++) {
      if (services.maySpareOne(service, this.problem.neighbourhood[assignment[member]!]!)) break;
      member = members[random.below(members.length)]!;
    }
    this.ties.push(member);
  }

  private isNear(process: number, machine: number): boolean {
    const { neighbourhood } = this.problem;
    return neighbourhood[this.state.assignment[process]!] === neighbourhood[machine];
  }
}
