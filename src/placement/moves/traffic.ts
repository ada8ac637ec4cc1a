import type { Placement } from "../model";

export interface SequenceLimits {
  /** Moves into one node at the same time. Default 1. */
  intoNode?: number;
  /** Moves out of one node at the same time. Default 1: one backup per node. */
  outOfNode?: number;
  /** Moves over one link, in one direction, at the same time. Default 2. */
  overLink?: number;
}

/** Something that takes only so many moves at a time. */
export interface Passage {
  key: string;
  limit: number;
}

/** What a move passes: the node it leaves, the node it enters, the link between their clusters. */
export function passagesOf(from: Placement, to: Placement, { intoNode = 1, outOfNode = 1, overLink = 2 }: SequenceLimits): Passage[] {
  const passages: Passage[] = [
    { key: `into ${to.cluster}/${to.node}`, limit: intoNode },
    { key: `out of ${from.cluster}/${from.node}`, limit: outOfNode },
  ];
  if (from.cluster !== to.cluster) passages.push({ key: linkKey(from, to), limit: overLink });
  return passages;
}

export function linkKey(from: Placement, to: Placement): string {
  return `over ${from.cluster} ${to.cluster}`;
}

/** How many moves are in each passage now. */
export class Traffic {
  private readonly counts = new Map<string, number>();

  allows(passages: readonly Passage[]): boolean {
    return passages.every(({ key, limit }) => this.count(key) < limit);
  }

  count(key: string): number {
    return this.counts.get(key) ?? 0;
  }

  enter(passages: readonly Passage[]): void {
    for (const { key } of passages) this.counts.set(key, this.count(key) + 1);
  }

  leave(passages: readonly Passage[]): void {
    for (const { key } of passages) this.counts.set(key, this.count(key) - 1);
  }
}
