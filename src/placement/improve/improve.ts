import { askFor } from "../ask";
import { bytesToMove, type Decision } from "../many/placement-run";
import type { Inventory, Placement, PlacementRequest } from "../model";
import { withMove } from "../moves/apply-move";
import { type CarriedBytes, carriedBytes } from "../moves/carried-bytes";
import { type MoveRates, type MoveSchedule, type SequenceLimits, scheduleMoves } from "../moves/sequence";
import { stayInWorld } from "../place-one";
import { placementAt } from "../repair/compile";
import { isMovable } from "../repair/scope";
import { buildWorld, restore, type World, withdraw } from "../world";
import { type ImproveBudget, isWithin, linkSeconds, type Relocation, spentOn } from "./budget";
import { type Candidate, Candidates, usePermille } from "./candidates";
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
  /** Points over all guests when it was chosen, the moves before it done. */
  gain: number;
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

/**
 * Moves guests that break no rule to where they and the others are better off, by the strategies of their pools: each move
 * that pays at least its threshold, the most first, as long as the budget lasts. Whoever breaks a rule is left to
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
      if (tried === MOST_TRIED) return false;
      if (!this.isAffordable(candidate)) {
        this.isOutOfBudget = true;
        continue;
      }
      tried += 1;
      if (this.tryMove(candidate)) return true;
    }
    return false;
  }

  private isAffordable({ request, to }: Candidate): boolean {
    const next = new Map(this.places);
    this.note(next, request, placementAt(askFor(request, this.world), to));
    return isWithin(spentOn(next.values(), this.world, this.before.links), this.budget);
  }

  private tryMove({ request, from, to }: Candidate): boolean {
    const here = request.prior!;
    const there = placementAt(askFor(request, this.world), to);
    const carried = carriedBytes(request, here, there, this.world);
    const moved = { ...request, prior: there };
    const after = withMove(this.inventory, request, here, there);
    const next = buildWorld(after, []);
    const affected = affectedNodes(from, to, this.arePreferencesMutual);
    const counterpart = [...affected].map(({ cluster, facts }) => next.clusterById.get(cluster.facts.id)!.nodeByName.get(facts.name)!);
    const requests = new Map(this.requests).set(request.key, moved);
    const gain = totalScore(requests, next, counterpart) - totalScore(this.requests, this.world, affected);
    if (gain < this.threshold(carried)) return false;
    const clusters = new Set([here.cluster, there.cluster]);
    if (!keepsFailover([...requests.values()], this.inventory, after, clusters)) return false;
    this.note(this.places, request, there);
    this.moves.push({ key: request.key, name: request.name, from: here, to: there, gain, ...carried });
    this.requests = requests;
    this.movable.set(request.key, moved);
    this.inventory = after;
    this.world = next;
    this.candidates.forget(affected);
    return true;
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
      const gain = this.moves.reduce((sum, move) => sum + (move.key === key ? move.gain : 0), 0);
      const carried = carriedBytes({ key, name, ...rest }, from, to, world);
      const seconds = from.cluster === to.cluster ? 0 : linkSeconds(carried.linkBytes, from, to, this.before.links);
      return { key, name, from, to, gain, ...carried, linkSeconds: Number.isFinite(seconds) ? seconds : undefined };
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
