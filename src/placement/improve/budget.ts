import type { LinkFacts, Placement, PlacementRequest } from "../model";
import { carriedBytes } from "../moves/carried-bytes";
import { linkBandwidth } from "../moves/sequence";
import type { World } from "../world";

/** What an improvement may cost at the most. */
export interface ImproveBudget {
  /** Guests moved. */
  moves: number;
  /** Bytes between clusters, in all. Default 0: moves stay inside clusters. */
  linkBytes?: number;
  /** Bytes inside clusters, in all: memory, and disks that leave their storage. Default: no limit. */
  localBytes?: number;
  /** Seconds that each link, in each direction, may be busy. Links of unknown bandwidth are then not used. Default: no limit. */
  secondsPerLink?: number;
}

/** What the guests that are elsewhere than at first have cost, however they got there. */
export interface Spent {
  moves: number;
  linkBytes: number;
  localBytes: number;
  /** By link, `a b`; endless where the bandwidth is unknown. */
  linkSeconds: Map<string, number>;
}

export interface Relocation {
  request: PlacementRequest;
  from: Placement;
  to: Placement;
}

export function spentOn(relocations: Iterable<Relocation>, world: World, links: readonly LinkFacts[]): Spent {
  const spent: Spent = { moves: 0, linkBytes: 0, localBytes: 0, linkSeconds: new Map() };
  for (const { request, from, to } of relocations) {
    const { linkBytes, localBytes } = carriedBytes(request, from, to, world);
    spent.moves += 1;
    spent.linkBytes += linkBytes;
    spent.localBytes += localBytes;
    if (from.cluster === to.cluster) continue;
    const link = `${from.cluster} ${to.cluster}`;
    spent.linkSeconds.set(link, (spent.linkSeconds.get(link) ?? 0) + linkSeconds(linkBytes, from, to, links));
  }
  return spent;
}

/** Seconds the link is busy with that; endless where its bandwidth is unknown. */
export function linkSeconds(bytes: number, from: Placement, to: Placement, links: readonly LinkFacts[]): number {
  const bandwidth = linkBandwidth(links, from.cluster, to.cluster);
  return bandwidth === undefined ? Number.POSITIVE_INFINITY : (8 * bytes) / bandwidth;
}

export function isWithin({ moves, linkBytes, localBytes, linkSeconds: seconds }: Spent, budget: ImproveBudget): boolean {
  const { secondsPerLink } = budget;
  if (moves > budget.moves || linkBytes > (budget.linkBytes ?? 0)) return false;
  if (localBytes > (budget.localBytes ?? Number.POSITIVE_INFINITY)) return false;
  return secondsPerLink === undefined || [...seconds.values()].every((busy) => busy <= secondsPerLink);
}
