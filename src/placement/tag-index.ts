import type { ClusterState, NodeState } from "./world";

/** Where the guests with one tag are, and where they may not go. */
export class TagPlaces {
  /** By number of the node; no zeros. */
  private readonly onNodes = new Map<number, number>();
  /** Kept from the first question on: most rules look at single nodes, and there may be as many tags as guests. */
  private inClusters: Map<ClusterState, number> | undefined;
  /** Guests of this run that refuse the tag, likewise. */
  private refusedOn: Map<number, number> | undefined;
  private refusedIn: Map<ClusterState, number> | undefined;

  /** How many guests with the tag are there. */
  countOn(place: NodeState | ClusterState): number {
    if (!("nodes" in place)) return this.onNodes.get(place.index) ?? 0;
    this.inClusters ??= new Map();
    let count = this.inClusters.get(place);
    if (count === undefined) {
      count = place.nodes.reduce((sum, node) => sum + this.countOn(node), 0);
      this.inClusters.set(place, count);
    }
    return count;
  }

  add(node: NodeState, change: 1 | -1): void {
    addTo(this.onNodes, node.index, change);
    const inCluster = this.inClusters?.get(node.cluster);
    if (inCluster !== undefined) this.inClusters?.set(node.cluster, inCluster + change);
  }

  /** A guest that came to the place (1) or left it (-1) keeps newcomers with the tag away from it. */
  refuse(place: NodeState | ClusterState, change: 1 | -1): void {
    if ("nodes" in place) {
      this.refusedIn ??= new Map();
      addTo(this.refusedIn, place, change);
    } else {
      this.refusedOn ??= new Map();
      addTo(this.refusedOn, place.index, change);
    }
  }

  isRefusedOn(node: NodeState): boolean {
    return this.refusedOn?.has(node.index) === true || this.refusedIn?.has(node.cluster) === true;
  }
}

function addTo<Key>(counts: Map<Key, number>, key: Key, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

/**
 * The guests of a world by tag, in lower case. What is known of a tag is one object that stays the same, so that who looks at
 * thousands of nodes for one tag finds it once. Guests are counted when the first question comes: many runs ask none.
 */
export class TagIndex {
  private readonly places = new Map<string, TagPlaces>();
  private isCounted = false;

  /** @param clusters complete by the time of the first question */
  constructor(private readonly clusters: readonly ClusterState[]) {}

  /** @param tag in lower case */
  counted(tag: string): TagPlaces {
    if (!this.isCounted) this.countAll();
    return this.of(tag);
  }

  /** What is refused to guests with the tag; `counted` says how many there are as well. */
  of(tag: string): TagPlaces {
    let places = this.places.get(tag);
    if (places === undefined) {
      places = new TagPlaces();
      this.places.set(tag, places);
    }
    return places;
  }

  /** A guest came (1) or left (-1). */
  adjust(node: NodeState, tags: readonly string[], change: 1 | -1): void {
    if (this.isCounted) for (const tag of tags) this.of(tag.toLowerCase()).add(node, change);
  }

  private countAll(): void {
    this.isCounted = true;
    for (const { nodes } of this.clusters) for (const node of nodes) node.forEachTags((tags) => this.adjust(node, tags, 1));
  }
}

/** How many guests with that (lower-case) tag are on the node or in the cluster. */
export function countTag(place: NodeState | ClusterState, tag: string): number {
  const { tags } = "nodes" in place ? place : place.cluster;
  return tags.counted(tag).countOn(place);
}
