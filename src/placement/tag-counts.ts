import type { ClusterState, NodeState } from "./world";

/** How many guests with that (lower-case) tag are on the node or in the cluster. Counted when first asked for, then kept. */
export function countTag(place: NodeState | ClusterState, tag: string): number {
  place.tagCounts ??= countAll("nodes" in place ? place.nodes : [place]);
  return place.tagCounts.get(tag) ?? 0;
}

/** Keeps counts that exist in step with a guest that came (1) or left (-1). */
export function adjustTagCounts(place: NodeState | ClusterState, tags: readonly string[], change: 1 | -1): void {
  if (place.tagCounts !== undefined && tags.length > 0) addTags(place.tagCounts, tags, change);
}

function countAll(nodes: readonly NodeState[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const node of nodes) node.forEachTags((tags) => addTags(counts, tags, 1));
  return counts;
}

function addTags(counts: Map<string, number>, tags: readonly string[], change: 1 | -1): void {
  for (const written of tags) {
    const tag = written.toLowerCase();
    counts.set(tag, (counts.get(tag) ?? 0) + change);
  }
}
