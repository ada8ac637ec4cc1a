import { askFor } from "../ask";
import { bytesToMove, type Decision } from "../many/placement-run";
import type { Inventory, Placement, PlacementRequest } from "../model";
import { withMove } from "../moves/apply-move";
import { type CarriedBytes, carriedBytes } from "../moves/carried-bytes";
import { type MoveRates, type MoveSchedule, type SequenceLimits, scheduleMoves, sequenceMoves } from "../moves/sequence";
import { stayInWorld } from "../place-one";
import { placementAt } from "../repair/compile";
import { isMovable } from "../repair/scope";
import { findBreach } from "../repair/verify";
import { buildWorld, type NodeState, restore, type World, withdraw } from "../world";
import { type ImproveBudget, isWithin, linkSeconds, type Relocation, spentOn } from "./budget";
import { type Candidate, Candidates, usePermille } from "./candidates";
import { listExchanges } from "./exchanges";
import { keepsFailover } from "./failover-guard";
import { affectedNodes, havePreferredGuests, totalScore } from "./scoreboard";

export interface ImproveOptions {
  /** Points that each move has to gain at least, over all guests. Default 50. */
  leastGain?: number;
  /** Points more for each GiB that it carries. Default 1. */
  gainPerGiB?: number;
  limits?: SequenceLimits;
  rates?: MoveRates;
}

/** One guest that is better off elsewhere. */
export interface ImprovementMove {
  key: string;
  name: string;
  from: Placement;
  to: Placement;
  /** Points over all guests when it was chosen, the moves before it done; of an exchange, each of the two has its half. */
  gain: number;
  /** Key of the guest that it changed places with; absent where there was room. */
  exchangedWith?: string;
  linkBytes: number;
  localBytes: number;
  /** Seconds the link between the clusters is busy with it; 0 inside one, absent where its bandwidth is unknown. */
  linkSeconds?: number;
}

export interface Improvement {
  /** In the order in which they were chosen; `schedule` says when each is made. */
  moves: ImprovementMove[];
  schedule: MoveSchedule;
  /** One per request, in their order, as for the other functions that take decisions. */
  decisions: Decision[];
  /** Sum of the scores of all guests of ours. */
  scoreBefore: number;
  scoreAfter: number;
  /** Per cluster: standard deviation of how full its nodes are, in thousandths. */
  imbalance: { cluster: string; before: number; after: number }[];
  linkBytes: number;
  localBytes: number;
  /** `budget`: more would pay, but not within the budget. */
  stopped: "nothing-pays" | "budget";
  /** As it is when all moves are made. */
  inventory: Inventory;
}

const LEAST_GAIN = 50;
const GAIN_PER_GIB = 1;
/** Candidates whose effect on everybody is worked out, before an improvement is given up. */
const MOST_TRIED = 24;
const BYTES_PER_GIB = 2 ** 30;

/** A guest from here to there, and what that carries. */
interface Step {
  request: PlacementRequest;
  here: Placement;
  there: Placement;
  nodes: readonly [NodeState, NodeState];
  carried: CarriedBytes;
}

/**
 * Moves guests that break no rule to where they and the others are better off, by the strategies of their pools: each move
 * that pays at least its threshold, the most first, as long as the budget lasts; where no guest alone can move, two change
 * places. Whoever breaks a rule is left to
 * `repairPlacement`. No move breaks a `must`, exceeds a capacity at any moment, or makes the loss of a node worse.
 * Run again on its own result it finds nothing, unless the budget ended it.
 *
 * @throws RangeError for a budget that is none
 */
export function improvePlacement(
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  budget: ImproveBudget,
  options: ImproveOptions = {},
): Improvement {
  checkBudget(budget);
  const excluded = new Set<string>();
  for (;;) {
    const found = new Improver(requests, inventory, budget, options, excluded).run();
    if (found.schedule.ok) return found;
    // Each step was possible when it was chosen; together, in one go each, some may have no path.
    for (const { key } of found.schedule.blocked) excluded.add(key);
  }
}

class Improver {
  private readonly movable: Map<string, PlacementRequest>;
  private readonly places = new Map<string, Relocation>();
  private readonly moves: ImprovementMove[] = [];
  private readonly candidates: Candidates;
  private readonly arePreferencesMutual: boolean;
  private requests: Map<string, PlacementRequest>;
  private world: World;
  private inventory: Inventory;
  private isOutOfBudget = false;

  constructor(
    private readonly all: readonly PlacementRequest[],
    private readonly before: Inventory,
    private readonly budget: ImproveBudget,
    private readonly options: ImproveOptions,
    excluded: ReadonlySet<string>,
  ) {
    this.inventory = before;
    this.candidates = new Candidates((budget.linkBytes ?? 0) > 0);
    this.world = buildWorld(before, []);
    this.requests = new Map(all.filter(({ prior }) => prior !== undefined).map((request) => [request.key, request]));
    const content = [...this.requests].filter(
      ([key, request]) => !excluded.has(key) && isMovable(request, this.world) && isContent(request, this.world),
    );
    this.movable = new Map(content);
    this.arePreferencesMutual = havePreferredGuests(this.requests.values(), this.world);
  }

  run(): Improvement {
    const scoreBefore = totalScore(this.requests, this.world);
    const start = this.world;
    while (this.improveOnce());
    const decisions = this.all.map((request) => this.decisionOf(request));
    const spent = spentOn(this.places.values(), start, this.before.links);
    return {
      moves: this.netMoves(start),
      schedule: scheduleMoves(decisions, this.all, this.before, this.options.limits, this.options.rates),
      decisions,
      scoreBefore,
      scoreAfter: totalScore(this.requests, this.world),
      imbalance: imbalanceOf(start, this.world),
      linkBytes: spent.linkBytes,
      localBytes: spent.localBytes,
      stopped: this.isOutOfBudget ? "budget" : "nothing-pays",
      inventory: this.inventory,
    };
  }

  private improveOnce(): boolean {
    let tried = 0;
    this.isOutOfBudget = false;
    for (const candidate of this.candidates.list(this.movable, this.world)) {
      if (tried === MOST_TRIED) break;
      if (!this.isAffordable([candidate])) {
        this.isOutOfBudget = true;
        continue;
      }
      tried += 1;
      if (this.tryChange([candidate])) return true;
    }
    return this.exchangeOnce();
  }

  /** Where no guest alone is better off elsewhere: two that change places. */
  private exchangeOnce(): boolean {
    let tried = 0;
    for (const exchange of listExchanges(this.movable, this.world, (this.budget.linkBytes ?? 0) > 0)) {
      if (tried === MOST_TRIED) return false;
      if (!this.isAffordable(exchange)) {
        this.isOutOfBudget = true;
        continue;
      }
      tried += 1;
      if (this.tryChange(exchange)) return true;
    }
    return false;
  }

  private isAffordable(changes: readonly Candidate[]): boolean {
    const next = new Map(this.places);
    for (const { request, to } of changes) this.note(next, request, placementAt(askFor(request, this.world), to));
    return isWithin(spentOn(next.values(), this.world, this.before.links), this.budget);
  }

  /** One guest to where it fits, or two into each other's place. */
  private tryChange(changes: readonly Candidate[]): boolean {
    const steps = changes.map(({ request, from, to }): Step => {
      const there = placementAt(askFor(request, this.world), to);
      return { request, here: request.prior!, there, nodes: [from, to], carried: carriedBytes(request, request.prior!, there, this.world) };
    });
    const after = steps.reduce((inventory, { request, here, there }) => withMove(inventory, request, here, there), this.inventory);
    const next = buildWorld(after, []);
    const affected = new Set(steps.flatMap(({ nodes: [from, to] }) => [...affectedNodes(from, to, this.arePreferencesMutual)]));
    const counterpart = [...affected].map(({ cluster, facts }) => next.clusterById.get(cluster.facts.id)!.nodeByName.get(facts.name)!);
    const requests = new Map(this.requests);
    for (const { request, there } of steps) requests.set(request.key, { ...request, prior: there });
    const gain = totalScore(requests, next, counterpart) - totalScore(this.requests, this.world, affected);
    if (gain < steps.reduce((sum, { carried }) => sum + this.threshold(carried), 0)) return false;
    if (steps.length > 1 && !this.isReachable(steps)) return false;
    const clusters = new Set(steps.flatMap(({ here, there }) => [here.cluster, there.cluster]));
    if (!keepsFailover([...requests.values()], this.inventory, after, clusters)) return false;
    steps.forEach(({ request: { key, name }, request, here, there, carried }, index) => {
      this.note(this.places, request, there);
      const exchangedWith = steps[1 - index]?.request.key;
      const share = index === 0 ? Math.ceil(gain / steps.length) : Math.floor(gain / steps.length);
      this.moves.push({
        key,
        name,
        from: here,
        to: there,
        gain: share,
        ...carried,
        ...(exchangedWith === undefined ? {} : { exchangedWith }),
      });
      this.movable.set(key, requests.get(key)!);
    });
    this.requests = requests;
    this.inventory = after;
    this.world = next;
    this.candidates.forget(affected);
    return true;
  }

  /** Whether both may be where they would be, as every filter sees it, and there is an order of moves that takes them there. */
  private isReachable(steps: readonly Step[]): boolean {
    const world = buildWorld(this.inventory, []);
    for (const { request } of steps) withdraw(world, request.key);
    if (
      findBreach(
        steps.map(({ request, there }) => ({ request, placement: there, isUnplaced: false })),
        world,
      ) !== undefined
    )
      return false;
    const decisions = steps.map(({ request: { key, name }, there }): Decision => ({ key, name, outcome: "moved", placement: there }));
    return sequenceMoves(decisions, [...this.requests.values()], this.inventory, this.options.limits).ok;
  }

  private threshold({ linkBytes, localBytes }: CarriedBytes): number {
    const { leastGain = LEAST_GAIN, gainPerGiB = GAIN_PER_GIB } = this.options;
    // Whatever is asked for: a move that gains nothing is none.
    return Math.max(1, leastGain + (gainPerGiB * (linkBytes + localBytes)) / BYTES_PER_GIB);
  }

  /** Who comes back to where it was has not moved. */
  private note(places: Map<string, Relocation>, request: PlacementRequest, to: Placement): void {
    const from = places.get(request.key)?.from ?? request.prior!;
    if (from.cluster === to.cluster && from.node === to.node) places.delete(request.key);
    else places.set(request.key, { request, from, to });
  }

  /** Each guest once, from where it is to where it ends; what it gained on the way is added up. */
  private netMoves(world: World): ImprovementMove[] {
    return [...this.places.values()].map(({ request: { key, name, ...rest }, from, to }) => {
      const own = this.moves.filter((move) => move.key === key);
      const gain = own.reduce((sum, move) => sum + move.gain, 0);
      const exchangedWith = own.at(-1)?.exchangedWith;
      const carried = carriedBytes({ key, name, ...rest }, from, to, world);
      const seconds = from.cluster === to.cluster ? 0 : linkSeconds(carried.linkBytes, from, to, this.before.links);
      const linkBusySeconds = Number.isFinite(seconds) ? seconds : undefined;
      return {
        key,
        name,
        from,
        to,
        gain,
        ...(exchangedWith === undefined ? {} : { exchangedWith }),
        ...carried,
        linkSeconds: linkBusySeconds,
      };
    });
  }

  private decisionOf({ key, name, prior, ...rest }: PlacementRequest): Decision {
    const relocation = this.places.get(key);
    if (relocation === undefined) {
      return prior === undefined
        ? { key, name, outcome: "rejected", message: `${name} has no place yet; place it first.` }
        : { key, name, outcome: "kept", placement: prior };
    }
    const { from, to } = relocation;
    const gain = this.moves.reduce((sum, move) => sum + (move.key === key ? move.gain : 0), 0);
    const moveBytes = from.cluster === to.cluster ? 0 : bytesToMove({ key, name, ...rest });
    return { key, name, outcome: "moved", placement: to, moveReason: `gains ${gain} points in all`, moveBytes };
  }
}

/** Breaks no rule where it is. */
function isContent(request: PlacementRequest, world: World): boolean {
  const node = world.clusterById.get(request.prior?.cluster ?? "")?.nodeByName.get(request.prior?.node ?? "");
  if (node === undefined || !node.facts.online || !node.cluster.facts.reachable) return false;
  const withdrawn = withdraw(world, request.key);
  const stay = stayInWorld(request, world);
  restore(world, withdrawn);
  return stay.result?.explanation.outcome === "kept";
}

function imbalanceOf(before: World, after: World): Improvement["imbalance"] {
  return before.clusters.map((cluster) => {
    const later = after.clusterById.get(cluster.facts.id) ?? cluster;
    return {
      cluster: cluster.facts.id,
      before: deviation(cluster.nodes.map((node) => usePermille(node))),
      after: deviation(later.nodes.map((node) => usePermille(node))),
    };
  });
}

function deviation(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.round(Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length));
}

function checkBudget(budget: ImproveBudget): void {
  for (const [name, value] of Object.entries(budget)) {
    if (value !== undefined && !(value >= 0)) throw new RangeError(`the budget's ${name} is ${value}; give a number of at least 0`);
  }
}
