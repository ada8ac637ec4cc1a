import type { Placement, PlacementRequest } from "../model";
import { compareText } from "../order";
import { linkKey, type Passage, passagesOf, type SequenceLimits, Traffic } from "./traffic";
import type { Transit } from "./transit";

/** A move to be made. */
export interface PendingMove {
  request: PlacementRequest;
  from: Placement;
  to: Placement;
}

/** What a move takes: time of its own, then bytes over something that moves of one link share. */
export interface Work {
  seconds: number;
  bits: number;
  /** Bits per second, shared equally by those that are on the same link. */
  bitsPerSecond: number;
}

export interface TimedMove extends PendingMove {
  /** `park`: a stop on the way, because the guest is in another one's way; a later `move` takes it to its target. */
  purpose: "move" | "park";
  startSeconds: number;
  endSeconds: number;
}

export interface Timeline {
  moves: TimedMove[];
  /** Moves for which there is no path, with what is in their way. */
  blocked: { move: PendingMove; reasons: string[] }[];
}

interface Running extends TimedMove {
  passages: Passage[];
  work: Work;
}

/**
 * List scheduling: whenever something ends, every move starts that may, those first that pass where the most is still to
 * come. When nothing runs and nothing may start, one guest that stands in others' way is parked, each at most once.
 */
export class Timetable {
  private readonly done: TimedMove[] = [];
  private readonly traffic = new Traffic();
  private readonly parked = new Set<string>();
  /** Seconds of work that each passage still has before it. */
  private readonly ahead = new Map<string, number>();
  private pending: PendingMove[];
  private running: Running[] = [];
  private now = 0;

  constructor(
    moves: readonly PendingMove[],
    private readonly transit: Transit,
    private readonly limits: SequenceLimits,
    private readonly workOf: (move: PendingMove) => Work,
  ) {
    this.pending = [...moves];
    for (const move of moves) this.expect(move, 1);
  }

  run(): Timeline {
    for (;;) {
      this.startAll();
      if (this.running.length > 0) this.advance();
      else if (this.pending.length === 0 || !this.park()) break;
    }
    const blocked = this.pending.map((move) => ({
      move,
      reasons: this.transit.shortfalls(move.request, move.from, move.to).map(({ text }) => text),
    }));
    return { moves: this.done, blocked };
  }

  private startAll(): void {
    for (const move of this.mostUrgentFirst()) {
      const passages = passagesOf(move.from, move.to, this.limits);
      if (!this.traffic.allows(passages) || this.transit.shortfalls(move.request, move.from, move.to).length > 0) continue;
      this.pending = this.pending.filter((other) => other !== move);
      this.expect(move, -1);
      this.start(move, passages, "move");
    }
  }

  private start(move: PendingMove, passages: Passage[], purpose: TimedMove["purpose"]): void {
    this.traffic.enter(passages);
    this.transit.start(move.request, move.to);
    const timed = { ...move, purpose, startSeconds: this.now, endSeconds: this.now, passages, work: { ...this.workOf(move) } };
    this.running.push(timed);
    this.done.push(timed);
  }

  /** To the next moment at which something changes. */
  private advance(): void {
    const step = Math.min(...this.running.map((move) => (move.work.seconds > 0 ? move.work.seconds : move.work.bits / this.rate(move))));
    const rates = new Map(this.running.map((move) => [move, this.rate(move)]));
    this.now += step;
    for (const move of this.running) {
      const { work } = move;
      // What ends now ends exactly: differences of fractions leave crumbs.
      if (work.seconds > 0) work.seconds = work.seconds <= step * EXACT ? 0 : work.seconds - step;
      else work.bits = work.bits <= step * rates.get(move)! * EXACT ? 0 : work.bits - step * rates.get(move)!;
    }
    for (const move of this.running.filter(({ work }) => work.seconds === 0 && work.bits === 0)) {
      move.endSeconds = this.now;
      this.traffic.leave(move.passages);
      this.transit.finish(move.request, move.from, move.to);
    }
    this.running = this.running.filter(({ work }) => work.seconds > 0 || work.bits > 0);
  }

  private rate({ from, to, work }: Running): number {
    return work.bitsPerSecond / Math.max(1, from.cluster === to.cluster ? 1 : this.traffic.count(linkKey(from, to)));
  }

  /** A guest on a node that others wait for goes to a place where it may be for now. */
  private park(): boolean {
    for (const move of this.mostUrgentFirst()) {
      const { request, from } = move;
      const isInTheWay = this.pending.some(
        ({ to, request: other }) => other !== request && to.cluster === from.cluster && to.node === from.node,
      );
      if (this.parked.has(request.key) || !isInTheWay) continue;
      const wanted = new Set(this.pending.map(({ to }) => `${to.cluster}/${to.node}`));
      const place = this.transit.findParking(request, from, (nodeKey) => wanted.has(nodeKey));
      if (place === undefined) continue;
      this.parked.add(request.key);
      this.start({ request, from, to: place }, passagesOf(from, place, this.limits), "park");
      this.expect(move, -1);
      move.from = place;
      this.expect(move, 1);
      // Until it has arrived it cannot go on.
      while (this.running.length > 0) this.advance();
      return true;
    }
    return false;
  }

  private expect(move: PendingMove, sign: 1 | -1): void {
    const { seconds, bits, bitsPerSecond } = this.workOf(move);
    for (const { key, limit } of passagesOf(move.from, move.to, this.limits)) {
      this.ahead.set(key, (this.ahead.get(key) ?? 0) + (sign * (seconds + bits / bitsPerSecond)) / limit);
    }
  }

  private mostUrgentFirst(): PendingMove[] {
    const ranked = this.pending.map((move) => {
      const { seconds, bits, bitsPerSecond } = this.workOf(move);
      const ahead = passagesOf(move.from, move.to, this.limits).map(({ key }) => this.ahead.get(key) ?? 0);
      return { move, urgency: Math.max(...ahead), length: seconds + bits / bitsPerSecond };
    });
    ranked.sort(
      (left, right) =>
        right.urgency - left.urgency || right.length - left.length || compareText(left.move.request.key, right.move.request.key),
    );
    return ranked.map(({ move }) => move);
  }
}

const EXACT = 1 + 1e-9;
