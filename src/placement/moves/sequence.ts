import type { Decision } from "../many/placement-run";
import type { Inventory, LinkFacts, Placement, PlacementRequest } from "../model";
import { compareText } from "../order";
import { buildWorld, type World } from "../world";
import { carriedBytes } from "./carried-bytes";
import { type PendingMove, type TimedMove, type Timeline, Timetable, type Work } from "./timeline";
import { type Passage, passagesOf, type SequenceLimits } from "./traffic";
import { Transit } from "./transit";

export type { SequenceLimits } from "./traffic";

/** One guest from one place to another. All steps of a wave may run at the same time. */
export interface MoveStep {
  /** 1 for the first; a wave starts when the one before it is done. */
  wave: number;
  key: string;
  name: string;
  from: Placement;
  to: Placement;
  /** `park`: a stop on the way, because the guest is in another one's way; a later `move` takes it to its target. */
  purpose: "move" | "park";
  /** Between clusters; 0 inside one. */
  bytes: number;
}

export type MoveSequence =
  | { ok: true; steps: MoveStep[] }
  /** The targets are valid, but no order of moves (with the parking tried) reaches all of them. */
  | { ok: false; steps: MoveStep[]; blocked: BlockedMove[]; message: string };

export interface BlockedMove {
  key: string;
  to: Placement;
  reasons: string[];
}

/** A step with its time. It does not wait for a wave, but for what is in its way. */
export interface ScheduledStep extends Omit<MoveStep, "wave"> {
  /** Inside a cluster: memory, and disks that leave their storage. */
  localBytes: number;
  startSeconds: number;
  endSeconds: number;
}

export interface MoveSchedule {
  ok: boolean;
  /** In the order in which they start. */
  steps: ScheduledStep[];
  makespanSeconds: number;
  /** No order is done sooner, by what each node and link has to take. */
  lowerBoundSeconds: number;
  /** What the bound comes from: `over a b`, `out of a/n1`, `into b/n2` or the longest move. */
  bottleneck: string;
  blocked: BlockedMove[];
  /** Why not all targets are reached. */
  message?: string;
}

/** How fast things move. */
export interface MoveRates {
  /** Of a link whose bandwidth the inventory does not say. Default 1 Gbit/s. */
  linkBitsPerSecond?: number;
  /** Of one move inside a cluster. Default 10 Gbit/s. */
  localBitsPerSecond?: number;
  /** What each move takes besides its bytes: stopping, checking, starting. Default 0. */
  fixedSeconds?: number;
}

/**
 * An order for the moves of a plan in which at every moment, with source and target both occupied, capacity and hard
 * anti-affinity hold, and every guest lands where the spread of its tag allows it. Moves that block each other are resolved by parking a guest where it may be. New guests are no moves:
 * they come when all moves are done.
 */
export function sequenceMoves(
  decisions: readonly Decision[],
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  limits: SequenceLimits = {},
): MoveSequence {
  const world = buildWorld(inventory, []);
  const moves = pendingMoves(decisions, requests);
  // Every move takes one unit of time: what starts together is a wave.
  const timeline = new Timetable(moves, new Transit(world, requests), limits, () => ({ seconds: 1, bits: 0, bitsPerSecond: 1 })).run();
  const steps = timeline.moves.map((move): MoveStep => {
    const { linkBytes } = carriedBytes(move.request, move.from, move.to, world);
    return { ...stepOf(move), wave: move.startSeconds + 1, bytes: linkBytes };
  });
  const { blocked, message } = blockage(timeline);
  return message === undefined ? { ok: true, steps } : { ok: false, steps, blocked, message };
}

/**
 * The same with times: each move starts as soon as it may, the parallel ones of a link share its bandwidth, and the longest
 * work comes first where it is the bottleneck. Says when all is done and when it could be done at the earliest.
 */
export function scheduleMoves(
  decisions: readonly Decision[],
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  limits: SequenceLimits = {},
  rates: MoveRates = {},
): MoveSchedule {
  const world = buildWorld(inventory, []);
  // In an order of their own: fractions that are added in another order differ in their last digit.
  const moves = [...pendingMoves(decisions, requests)].sort((left, right) => compareText(left.request.key, right.request.key));
  const workOf = (move: PendingMove) => work(move, world, inventory.links, rates);
  const { bound, bottleneck } = lowerBound(moves, limits, workOf);
  const timeline = new Timetable(moves, new Transit(world, requests), limits, workOf).run();
  const steps = timeline.moves.map((move): ScheduledStep => {
    const { linkBytes, localBytes } = carriedBytes(move.request, move.from, move.to, world);
    return {
      ...stepOf(move),
      bytes: linkBytes,
      localBytes,
      startSeconds: thousandths(move.startSeconds),
      endSeconds: thousandths(move.endSeconds),
    };
  });
  // Starts that differ in the last digit of a fraction only are the same.
  steps.sort((left, right) => left.startSeconds - right.startSeconds || compareText(left.key, right.key));
  const makespanSeconds = steps.reduce((last, { endSeconds }) => Math.max(last, endSeconds), 0);
  const { blocked, message } = blockage(timeline);
  return { ok: message === undefined, steps, makespanSeconds, lowerBoundSeconds: thousandths(bound), bottleneck, blocked, message };
}

/** Bandwidth between two clusters as declared, in that direction or, where only the other is declared, in the other. */
export function linkBandwidth(links: readonly LinkFacts[], from: string, to: string): number | undefined {
  const declared = (start: string, end: string) =>
    links.find((link) => link.from === start && link.to === end && (link.bandwidthBitsPerSecond ?? 0) > 0)?.bandwidthBitsPerSecond;
  return declared(from, to) ?? declared(to, from);
}

const GBIT = 1e9;

function work({ request, from, to }: PendingMove, world: World, links: readonly LinkFacts[], rates: MoveRates): Work {
  const { linkBitsPerSecond = GBIT, localBitsPerSecond = 10 * GBIT, fixedSeconds = 0 } = rates;
  const { linkBytes, localBytes } = carriedBytes(request, from, to, world);
  const isInside = from.cluster === to.cluster;
  const bitsPerSecond = isInside ? localBitsPerSecond : (linkBandwidth(links, from.cluster, to.cluster) ?? linkBitsPerSecond);
  // A move that carries nothing takes a moment nevertheless.
  return { seconds: Math.max(fixedSeconds, linkBytes + localBytes > 0 ? 0 : 1), bits: 8 * (linkBytes + localBytes), bitsPerSecond };
}

function lowerBound(moves: readonly PendingMove[], limits: SequenceLimits, workOf: (move: PendingMove) => Work) {
  let bound = 0;
  let bottleneck = "";
  const raise = (value: number, what: string) => {
    if (value > bound || (value === bound && compareText(what, bottleneck) < 0)) [bound, bottleneck] = [value, what];
  };
  const sums = new Map<string, { passage: Passage; seconds: number; transfer: number }>();
  for (const move of moves) {
    const { seconds, bits, bitsPerSecond } = workOf(move);
    const transfer = bits / bitsPerSecond;
    raise(seconds + transfer, `the longest move, ${move.request.name}`);
    for (const passage of passagesOf(move.from, move.to, limits)) {
      const sum = sums.get(passage.key) ?? { passage, seconds: 0, transfer: 0 };
      sum.seconds += seconds + transfer;
      if (passage.key.startsWith("over ")) sum.transfer += transfer;
      sums.set(passage.key, sum);
    }
  }
  // However many share a link, its bytes take their time.
  for (const { passage, seconds, transfer } of sums.values()) raise(Math.max(seconds / passage.limit, transfer), passage.key);
  return { bound, bottleneck };
}

function pendingMoves(decisions: readonly Decision[], requests: readonly PlacementRequest[]): PendingMove[] {
  const byKey = new Map(requests.map((request) => [request.key, request]));
  return decisions.flatMap(({ key, outcome, placement }) => {
    const request = byKey.get(key);
    const prior = request?.prior;
    if (request === undefined || prior === undefined || outcome !== "moved" || placement === undefined) return [];
    return prior.cluster === placement.cluster && prior.node === placement.node ? [] : [{ request, from: prior, to: placement }];
  });
}

function stepOf({ request, from, to, purpose }: TimedMove) {
  return { key: request.key, name: request.name, from, to, purpose };
}

function blockage({ blocked }: Timeline): { blocked: BlockedMove[]; message?: string } {
  const listed = blocked
    .map(({ move, reasons }) => ({ key: move.request.key, to: move.to, reasons }))
    .sort((left, right) => (left.key < right.key ? -1 : 1));
  const [first] = listed;
  if (first === undefined) return { blocked: [] };
  const message =
    `The target is valid, but ${listed.length === 1 ? "one move has" : `${listed.length} moves have`} no path to it: ` +
    `${first.key} cannot reach ${first.to.cluster}/${first.to.node} (${first.reasons.join("; ")}). ` +
    "Free some room for parking, or allow a guest to be offline in between.";
  return { blocked: listed, message };
}

function thousandths(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
