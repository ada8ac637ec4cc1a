import type { ClusterState, NodeState, Occupant } from "./world";

/** How many guests with that (lower-case) tag are on the node or in the cluster. Counted when first asked for, then kept. */
export function countTag(place: NodeState | ClusterState, tag: string): number {
  place.tagCounts ??= countAll("nodes" in place ? place.nodes.flatMap(({ occupants }) => occupants) : place.occupants);
  return place.tagCounts.get(tag) ?? 0;
}

/** Keeps counts that exist in step with a guest that came (1) or left (-1). */
export function adjustTagCounts(place: NodeState | ClusterState, occupant: Occupant, change: 1 | -1): void {
  if (place.tagCounts !== undefined) addTags(place.tagCounts, occupant, change);
}

function countAll(occupants: readonly Occupant[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const occupant of occupants) addTags(counts, occupant, 1);
  return counts;
}

function addTags(counts: Map<string, number>, occupant: Occupant, change: 1 | -1): void {
  for (const tag of occupant.tags) counts.set(tag, (counts.get(tag) ?? 0) + change);
}
