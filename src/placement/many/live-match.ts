import type { GuestFacts, PlacementRequest } from "../model";
import type { NodeState, World } from "../world";

/** For fewer requests than this share of the live guests, the index by key is the shorter way. */
const FEW = 8;

/** Finds for a request the one live guest of its key at its prior place. */
export interface LiveMatch {
  /** @param node where the request says it is */
  find(request: PlacementRequest, node: NodeState): GuestFacts | undefined;
  /** Asked when all requests have been looked for: keys that other guests have as well, so that what was found is in doubt. */
  doubtfulKeys(): ReadonlySet<string>;
}

export function liveMatchFor(requests: readonly PlacementRequest[], world: World): LiveMatch {
  const nodes = world.clusters.flatMap((cluster) => cluster.nodes);
  const liveGuests = nodes.reduce((sum, { facts }) => sum + facts.guests.length, 0);
  return requests.length * FEW < liveGuests ? new IndexedMatch(world) : new JointMatch(nodes, liveGuests);
}

class IndexedMatch implements LiveMatch {
  constructor(private readonly world: World) {}

  find({ key }: PlacementRequest, node: NodeState): GuestFacts | undefined {
    const [only, ...others] = this.world.liveByKey.locate(key);
    return only !== undefined && others.length === 0 && only.node === node ? only.guest : undefined;
  }

  doubtfulKeys(): ReadonlySet<string> {
    return new Set();
  }
}

/**
 * Looks for each guest on the node where its request says it is, and in the end at whom nobody asked for: their keys are
 * the only ones that can occur twice. So no index over all guests is needed when everybody is where he should be.
 */
class JointMatch implements LiveMatch {
  private readonly starts: Int32Array;
  private readonly isMatched: Uint8Array;
  /** Per node the guest that is probably the next to be asked for: requests and guests tend to be in one order. */
  private readonly next: Int32Array;
  private readonly positions: (Map<string, number> | undefined)[] = [];

  constructor(
    private readonly nodes: readonly NodeState[],
    liveGuests: number,
  ) {
    this.starts = new Int32Array(nodes.length);
    this.next = new Int32Array(nodes.length);
    this.isMatched = new Uint8Array(liveGuests);
    let start = 0;
    nodes.forEach(({ facts }, index) => {
      this.starts[index] = start;
      start += facts.guests.length;
    });
  }

  find({ key }: PlacementRequest, { index, facts: { guests } }: NodeState): GuestFacts | undefined {
    let position: number | undefined = this.next[index]!;
    if (guests[position]?.key !== key) position = this.positionsOn(index, guests).get(key);
    if (position === undefined) return undefined;
    this.next[index] = position + 1;
    this.isMatched[this.starts[index]! + position] = 1;
    return guests[position];
  }

  doubtfulKeys(): ReadonlySet<string> {
    const keys = new Set<string>();
    this.nodes.forEach(({ facts: { guests } }, index) => {
      for (let position = 0; position < guests.length; position++) {
        if (this.isMatched[this.starts[index]! + position] === 1) continue;
        const { key } = guests[position]!;
        if (key !== undefined) keys.add(key);
      }
    });
    return keys;
  }

  private positionsOn(index: number, guests: readonly GuestFacts[]): Map<string, number> {
    const known = this.positions[index];
    if (known !== undefined) return known;
    const positions = new Map<string, number>();
    guests.forEach(({ key }, position) => {
      if (key !== undefined) positions.set(key, position);
    });
    this.positions[index] = positions;
    return positions;
  }
}
