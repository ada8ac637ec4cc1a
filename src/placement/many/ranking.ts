import type { Candidates } from "./candidates";
import type { Chooser } from "./chooser";
import type { Shape } from "./shape";

/** Positions per word of a set. */
const WORD_BITS = 5;

/** What a ranking goes by: a size, shared by all kinds that ask for it, or a shape of its own. */
interface Ranked {
  score(index: number): number;
  fits(index: number): boolean;
}

/** The nodes of one score, as a set of positions on the ring, in a list of falling scores. */
interface Level {
  score: number;
  positions: Uint32Array;
  count: number;
  next: Level | undefined;
}

/**
 * All candidates by score, for sizes and shapes whose scores and fit only ever get worse while guests are placed. A stored
 * score is then an upper bound: who is first is evaluated again until the score is current, so that a guest costs a few
 * looks instead of one at every node. A node that does not fit any more never will again and is dropped.
 *
 * Nodes of one score are a set of positions on the ring, not a heap: each kind begins somewhere else on the ring, so that
 * there is no order of equals that would do for all kinds of a size.
 */
export class Ranking implements Chooser {
  private readonly ring: Int32Array;
  private top: Level | undefined;

  constructor(
    candidates: Candidates,
    private readonly ranked: Ranked,
  ) {
    this.ring = candidates.ring;
    const levels = new Map<number, Level>();
    for (let position = 0; position < this.ring.length; position++) {
      const score = ranked.score(this.ring[position]!);
      const level = levels.get(score) ?? this.emptyLevel(score, undefined);
      levels.set(score, level);
      add(level, position);
    }
    for (const level of [...levels.values()].sort((left, right) => left.score - right.score)) {
      level.next = this.top;
      this.top = level;
    }
  }

  /** @param shape what the ranking was made for, or of the size it was made for */
  choose(shape: Shape): number | undefined {
    const { ringStart } = shape.kind;
    while (this.top?.count === 0) this.top = this.top.next;
    for (let level = this.top; level !== undefined; level = level.next) {
      if (level.count === 0) continue;
      const found = this.bestOf(level, shape, ringStart, this.ring.length) ?? this.bestOf(level, shape, 0, ringStart);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The first node of the level on a part of the ring, from `start` until before `end`, that still belongs there and takes the guest. */
  private bestOf(level: Level, shape: Shape, start: number, end: number): number | undefined {
    const { ranked, ring } = this;
    const { positions } = level;
    for (let position = firstFrom(positions, start); position < end; position = firstFrom(positions, position + 1)) {
      const index = ring[position]!;
      const score = ranked.score(index);
      if (score !== level.score) {
        remove(level, position);
        add(this.levelBelow(level, score), position);
      } else if (!ranked.fits(index)) {
        remove(level, position);
      } else if (ranked === shape || shape.isWelcome(index)) {
        return index;
      }
      // A node that only turns this kind away may take others of the size.
    }
    return undefined;
  }

  /** The level of that score, which is lower than that of `above`. */
  private levelBelow(above: Level, score: number): Level {
    let before = above;
    while (before.next !== undefined && before.next.score >= score) {
      // Levels that have become empty are taken out when somebody comes past.
      if (before.next.count === 0 && before.next.score !== score) before.next = before.next.next;
      else before = before.next;
    }
    if (before !== above && before.score === score) return before;
    before.next = this.emptyLevel(score, before.next);
    return before.next;
  }

  private emptyLevel(score: number, next: Level | undefined): Level {
    return { score, positions: new Uint32Array((this.ring.length >> WORD_BITS) + 1), count: 0, next };
  }
}

function add(level: Level, position: number): void {
  level.positions[position >> WORD_BITS]! |= 1 << position;
  level.count += 1;
}

function remove(level: Level, position: number): void {
  level.positions[position >> WORD_BITS]! &= ~(1 << position);
  level.count -= 1;
}

/** The first member of a set from a position on; beyond all positions where there is none. */
function firstFrom(set: Uint32Array, start: number): number {
  let word = start >> WORD_BITS;
  // Shifts count modulo 32: what is left are the members from `start` on.
  let bits = word < set.length ? set[word]! & (-1 << start) : 0;
  while (bits === 0) {
    word += 1;
    if (word >= set.length) return Number.MAX_SAFE_INTEGER;
    bits = set[word]!;
  }
  // The lowest bit alone has as many zeros before it as tell its place.
  return (word << WORD_BITS) + 31 - Math.clz32(bits & -bits);
}
