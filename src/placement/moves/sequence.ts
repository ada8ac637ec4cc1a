import { askFor } from "../ask";
import { guestAntiAffinity } from "../filters/guest-anti-affinity";
import { nodeResources } from "../filters/node-resources";
import { storageSpace } from "../filters/storage-space";
import type { Decision } from "../many/placement-run";
import { bytesToMove } from "../many/placement-run";
import type { Inventory, Placement, PlacementRequest, Shortfall } from "../model";
import { compareText } from "../order";
import { findPlace } from "../place-one";
import { buildWorld, occupy, remove, restore, type World, withdraw } from "../world";

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
  /** 0 inside a cluster. */
  bytes: number;
}

export type MoveSequence =
  | { ok: true; steps: MoveStep[] }
  /** The targets are valid, but no order of moves (with the parking tried) reaches all of them. */
  | { ok: false; steps: MoveStep[]; blocked: { key: string; to: Placement; reasons: string[] }[]; message: string };

export interface SequenceLimits {
  /** Moves into one node at the same time. Default 1. */
  intoNode?: number;
  /** Moves out of one node at the same time. Default 1: one backup per node. */
  outOfNode?: number;
  /** Moves over one link, in one direction, at the same time. Default 2. */
  overLink?: number;
}

interface Pending {
  request: PlacementRequest;
  from: Placement;
  to: Placement;
  bytes: number;
}

/**
 * An order for the moves of a plan in which at every moment, with source and target both occupied, capacity and hard
 * anti-affinity hold. Moves that block each other are resolved by parking a guest where it may be.
 */
export function sequenceMoves(
  decisions: readonly Decision[],
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  limits: SequenceLimits = {},
): MoveSequence {
  const byKey = new Map(requests.map((request) => [request.key, request]));
  const pending = decisions.flatMap((decision) => {
    const request = byKey.get(decision.key);
    return request === undefined ? [] : pendingMove(decision, request);
  });
  return new Sequencer(buildWorld(inventory, []), pending, limits).run();
}

function pendingMove({ outcome, placement }: Decision, request: PlacementRequest): Pending[] {
  const { prior } = request;
  if (outcome !== "moved" || placement === undefined || prior === undefined || isSamePlace(prior, placement)) return [];
  return [{ request, from: prior, to: placement, bytes: prior.cluster === placement.cluster ? 0 : bytesToMove(request) }];
}

class Sequencer {
  private readonly steps: MoveStep[] = [];
  private readonly parked = new Set<string>();
  private wave = 0;

  constructor(
    private readonly world: World,
    private pending: Pending[],
    private readonly limits: SequenceLimits,
  ) {
    this.pending.sort((left, right) => left.bytes - right.bytes || compareText(left.request.key, right.request.key));
  }

  run(): MoveSequence {
    while (this.pending.length > 0) {
      if (this.startWave() || this.park()) continue;
      return this.giveUp();
    }
    return { ok: true, steps: this.steps };
  }

  /** Starts every move that fits beside those started before it; when all are done their sources are free. */
  private startWave(): boolean {
    const traffic = new Traffic(this.limits);
    const started: Pending[] = [];
    for (const move of this.pending) {
      if (!traffic.allows(move) || shortfalls(this.world, move).length > 0) continue;
      traffic.add(move);
      occupy(this.world, move.request, move.to);
      started.push(move);
    }
    if (started.length === 0) return false;
    this.wave += 1;
    for (const move of started) {
      remove(this.world, move.request.key, move.from);
      this.steps.push(this.step(move, move.to, "move", move.bytes));
    }
    this.pending = this.pending.filter((move) => !started.includes(move));
    return true;
  }

  /** Moves one guest that stands on a node others wait for to a place where it may be for now; each guest at most once. */
  private park(): boolean {
    for (const move of this.pending) {
      const { request, from } = move;
      const isInTheWay = this.pending.some((other) => other !== move && isSamePlace(other.to, from));
      if (this.parked.has(request.key) || !isInTheWay) continue;
      const place = this.parkingFor(move);
      if (place === undefined) continue;
      this.parked.add(request.key);
      this.wave += 1;
      const bytes = place.cluster === from.cluster ? 0 : bytesToMove(request);
      this.steps.push(this.step(move, place, "park", bytes));
      occupy(this.world, request, place);
      remove(this.world, request.key, from);
      move.from = place;
      move.bytes = place.cluster === move.to.cluster ? 0 : bytesToMove(request);
      return true;
    }
    return false;
  }

  /** Any place that satisfies every must, with the guest still where it is; never one that other moves wait for. */
  private parkingFor({ request, from }: Pending): Placement | undefined {
    const wanted = new Set(this.pending.map(({ to }) => `${to.cluster}/${to.node}`));
    const self = withdrawAnywhere(this.world, request.key);
    const place = findPlace({ ...request, prior: from }, this.world, (node) => !wanted.has(node.key));
    restore(this.world, self);
    if (place === undefined || isSamePlace(place, from)) return undefined;
    return shortfalls(this.world, { request, from, to: place, bytes: 0 }).length === 0 ? place : undefined;
  }

  private giveUp(): MoveSequence {
    const blocked = this.pending.map((move) => ({
      key: move.request.key,
      to: move.to,
      reasons: shortfalls(this.world, move).map(({ text }) => text),
    }));
    const [first] = blocked;
    const message =
      `The target is valid, but ${blocked.length === 1 ? "one move has" : `${blocked.length} moves have`} no path to it: ` +
      `${first?.key} cannot reach ${first?.to.cluster}/${first?.to.node} (${first?.reasons.join("; ")}). ` +
      "Free some room for parking, or allow a guest to be offline in between.";
    return { ok: false, steps: this.steps, blocked, message };
  }

  private step({ request, from }: Pending, to: Placement, purpose: MoveStep["purpose"], bytes: number): MoveStep {
    return { wave: this.wave, key: request.key, name: request.name, from, to, purpose, bytes };
  }
}

/** What forbids a move right now, with the guest counted at both ends. */
function shortfalls(world: World, { request, to }: Pending): Shortfall[] {
  const node = world.clusterById.get(to.cluster)?.nodeByName.get(to.node);
  if (node === undefined) return [{ text: `${to.cluster}/${to.node} does not exist`, summary: "missing", ifOthersMove: false }];
  const ask = { ...askFor(request, world), held: [] };
  // A guest is no company for itself: its copy at the source must not keep it away.
  const self = withdrawAnywhere(world, request.key);
  const company = guestAntiAffinity.check(ask, node);
  restore(world, self);
  return [
    ...company,
    ...storageSpace.check({ ...ask, held: world.liveByKey.get(request.key) ?? [] }, node),
    ...nodeResources.check(ask, node),
  ];
}

function withdrawAnywhere(world: World, key: string) {
  const live = withdraw(world, key);
  if (live.length > 0) return live;
  for (const cluster of world.clusters) {
    for (const node of cluster.nodes) {
      const found = remove(world, key, { cluster: cluster.facts.id, node: node.facts.name });
      if (found !== undefined) return [found];
    }
  }
  return [];
}

/** How many moves of the current wave use each node and link. */
class Traffic {
  private readonly counts = new Map<string, number>();

  constructor(private readonly limits: SequenceLimits) {}

  allows(move: Pending): boolean {
    return this.uses(move).every(([key, limit]) => (this.counts.get(key) ?? 0) < limit);
  }

  add(move: Pending): void {
    for (const [key] of this.uses(move)) this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  private uses({ from, to }: Pending): [string, number][] {
    const { intoNode = 1, outOfNode = 1, overLink = 2 } = this.limits;
    const uses: [string, number][] = [
      [`into ${to.cluster}/${to.node}`, intoNode],
      [`out of ${from.cluster}/${from.node}`, outOfNode],
    ];
    if (from.cluster !== to.cluster) uses.push([`over ${from.cluster} ${to.cluster}`, overLink]);
    return uses;
  }
}

function isSamePlace(left: Placement, right: Placement): boolean {
  return left.cluster === right.cluster && left.node === right.node;
}
