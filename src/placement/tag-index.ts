import type { Rule } from "./model";
import { PairCounts } from "./pair-counts";
import type { ClusterState, NodeState } from "./world";

/** Where the guests with one tag are, and where they may not go. */
export class TagPlaces {
  /** Kept from the first question on: most rules look at single nodes, and there may be as many tags as guests. */
  private inClusters: Map<ClusterState, number> | undefined;
  /** Guests of this run that refuse the tag in their whole cluster, likewise. */
  private refusedIn: Map<ClusterState, number> | undefined;

  /**
   * @param tag its number
   * @param onNodes how many guests with a tag are on a node, by the numbers of both
   * @param refusedOn guests of this run that refuse a tag on their node, by the same numbers
   */
  constructor(
    private readonly tag: number,
    private readonly onNodes: PairCounts,
    private readonly refusedOn: PairCounts,
  ) {}

  countOn(node: NodeState): number {
    return this.onNodes.get(this.tag, node.index);
  }

  countIn(cluster: ClusterState): number {
    this.inClusters ??= new Map();
    let count = this.inClusters.get(cluster);
    if (count === undefined) {
      count = cluster.nodes.reduce((sum, node) => sum + this.countOn(node), 0);
      this.inClusters.set(cluster, count);
    }
    return count;
  }

  /** How many guests with the tag a rule of that scope sees from the node. */
  countAround(node: NodeState, scope: Rule["scope"]): number {
    return scope === "cluster" ? this.countIn(node.cluster) : this.countOn(node);
  }

  add(node: NodeState, change: 1 | -1): void {
    this.onNodes.add(this.tag, node.index, change);
    const inCluster = this.inClusters?.get(node.cluster);
    if (inCluster !== undefined) this.inClusters?.set(node.cluster, inCluster + change);
  }

  /** A guest that came to the node (1) or left it (-1) keeps newcomers with the tag away from it, or from its cluster. */
  refuse(node: NodeState, scope: Rule["scope"], change: 1 | -1): void {
    if (scope === "cluster") {
      this.refusedIn ??= new Map();
      this.refusedIn.set(node.cluster, (this.refusedIn.get(node.cluster) ?? 0) + change);
    } else {
      this.refusedOn.add(this.tag, node.index, change);
    }
  }

  isRefusedOn(node: NodeState): boolean {
    if (this.refusedOn.get(this.tag, node.index) > 0) return true;
    return this.refusedIn !== undefined && (this.refusedIn.get(node.cluster) ?? 0) > 0;
  }
}

/**
 * The guests of a world by tag, in lower case. What is known of a tag is one object that stays the same, so that who looks at
 * thousands of nodes for one tag finds it once. Guests are counted when the first question comes: many runs ask none.
 */
export class TagIndex {
  private readonly places = new Map<string, TagPlaces>();
  private readonly onNodes = new PairCounts();
  private readonly refusedOn = new PairCounts();
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
      places = new TagPlaces(this.places.size, this.onNodes, this.refusedOn);
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
  if ("nodes" in place) return place.tags.counted(tag).countIn(place);
  return place.cluster.tags.counted(tag).countOn(place);
}
