import type { ClusterState, NodeState } from "../world";

/** Guests by something they have, on each node and in each cluster. */
export class Tally {
  private readonly counts = new Map<NodeState | ClusterState, Map<string, number>>();

  /** One more on the node and in its cluster (1), or one less (-1). */
  add(node: NodeState, what: string, change: 1 | -1): void {
    this.addTo(node, what, change);
    this.addTo(node.cluster, what, change);
  }

  of(place: NodeState | ClusterState, what: string): number {
    return this.counts.get(place)?.get(what) ?? 0;
  }

  private addTo(place: NodeState | ClusterState, what: string, change: 1 | -1): void {
    const here = this.counts.get(place) ?? new Map<string, number>();
    this.counts.set(place, here);
    const count = (here.get(what) ?? 0) + change;
    if (count === 0) here.delete(what);
    else here.set(what, count);
  }
}
