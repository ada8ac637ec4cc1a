import type { GuestFacts, PlacementRequest } from "../model";
import type { NodeState, World } from "../world";

/** For fewer requests than this share of the live guests, the index by key is the shorter way. */
const FEW = 8;

/** Per request the live guest it is about, where exactly one guest has its key and stands at the prior place. */
export function matchLive(requests: readonly PlacementRequest[], world: World): (GuestFacts | undefined)[] {
  const nodes = world.clusters.flatMap((cluster) => cluster.nodes);
  const liveGuests = nodes.reduce((sum, { facts }) => sum + facts.guests.length, 0);
  if (requests.length * FEW < liveGuests) return requests.map((request) => locateOne(request, world));
  return new JointMatch(nodes, liveGuests).match(requests, world);
}

function locateOne({ key, prior }: PlacementRequest, world: World): GuestFacts | undefined {
  if (prior === undefined) return undefined;
  const located = world.liveByKey.locate(key);
  const only = located.length === 1 ? located[0] : undefined;
  return only !== undefined && only.node === nodeAt(world, prior) ? only.guest : undefined;
}

/**
 * Looks for each guest on the node where its request says it is, and in the end at whom nobody asked for: their keys are
 * the only ones that can occur twice. So no index over all guests is needed when everybody is where he should be.
 */
class JointMatch {
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

  match(requests: readonly PlacementRequest[], world: World): (GuestFacts | undefined)[] {
    const found = requests.map(({ key, prior }) => {
      const node = prior === undefined ? undefined : nodeAt(world, prior);
      return node === undefined ? undefined : this.take(node, key);
    });
    const unclaimed = this.unclaimedKeys();
    if (unclaimed.size === 0) return found;
    return found.map((guest, index) => (unclaimed.has(requests[index]!.key) ? undefined : guest));
  }

  private take({ index, facts: { guests } }: NodeState, key: string): GuestFacts | undefined {
    let position: number | undefined = this.next[index]!;
    if (guests[position]?.key !== key) position = this.positionsOn(index, guests).get(key);
    if (position === undefined) return undefined;
    this.next[index] = position + 1;
    this.isMatched[this.starts[index]! + position] = 1;
    return guests[position];
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

  private unclaimedKeys(): Set<string> {
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
}

function nodeAt(world: World, place: { cluster: string; node: string }): NodeState | undefined {
  return world.clusterById.get(place.cluster)?.nodeByName.get(place.node);
}
