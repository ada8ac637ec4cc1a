/**
 * Sharing the links between clusters among the moves of one process: the granted bandwidths never exceed a link's limit, and
 * a move that finds a link full waits before its guest is shut down.
 */
import type { RouteLink } from "./route";

/** Absent: the way has no declared limit. */
export type Grant = number | undefined;

export interface LinkShare {
  /** Runs the transfer when every link of the way has room for it; `work` gets its bandwidth in bits per second. */
  use<T>(work: (bitsPerSecond: Grant) => Promise<T>): Promise<T>;
  /** The move is over, or will not transfer: others need not leave room for it. Safe to repeat. */
  withdraw(): void;
}

interface LinkUse {
  limit: number;
  /** Bandwidths of the transfers under way. */
  granted: number[];
  /** Moves that still want to transfer. */
  waiting: number;
}

export class LinkBudget {
  private readonly links = new Map<string, LinkUse>();
  private readonly queue: { tryStart: () => boolean }[] = [];

  /** @param slotsPerLink transfers of one link at a time */
  constructor(private readonly slotsPerLink: number) {}

  /** Announces a move before its transfer is due, so that the first of several does not take the whole link. */
  announce(links: readonly RouteLink[]): LinkShare {
    const uses = links.map((link) => this.useOf(link));
    for (const use of uses) use.waiting++;
    let announced = true;
    const withdraw = () => {
      if (!announced) return;
      announced = false;
      for (const use of uses) use.waiting--;
      this.wake();
    };
    return {
      withdraw,
      use: async (work) => {
        const grant = await this.start(uses, withdraw);
        try {
          return await work(grant);
        } finally {
          if (grant !== undefined) for (const use of uses) use.granted.splice(use.granted.indexOf(grant), 1);
          this.wake();
        }
      },
    };
  }

  private useOf({ key, bitsPerSecond }: RouteLink): LinkUse {
    const known = this.links.get(key);
    if (known) return known;
    const made = { limit: bitsPerSecond, granted: [], waiting: 0 };
    this.links.set(key, made);
    return made;
  }

  private start(uses: LinkUse[], announcementOver: () => void): Promise<Grant> {
    if (uses.length === 0) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const tryStart = () => {
        const grant = Math.min(...uses.map((use) => this.shareOf(use)));
        if (grant < 1) return false;
        for (const use of uses) use.granted.push(grant);
        announcementOver();
        resolve(grant);
        return true;
      };
      this.queue.push({ tryStart });
      this.wake();
    });
  }

  /** What one more transfer may take now; 0 when the link is full. */
  private shareOf({ limit, granted, waiting }: LinkUse): number {
    const slots = this.slotsPerLink - granted.length;
    if (slots <= 0) return 0;
    const free = limit - granted.reduce((sum, share) => sum + share, 0);
    return Math.floor(free / Math.max(1, Math.min(slots, waiting)));
  }

  /** In the order of arrival; one that finds its links full does not hold back another on other links. */
  private wake(): void {
    for (const entry of [...this.queue]) {
      const place = this.queue.indexOf(entry);
      // Starting one ends its announcement, which wakes the queue again: the entry may be gone by now.
      if (place === -1) continue;
      this.queue.splice(place, 1);
      if (!entry.tryStart()) this.queue.splice(place, 0, entry);
    }
  }
}
