import { type RepairModel, SAME_CLUSTER, SAME_NODE } from "../repair/model";

/** Items of which no two may share a node (or a cluster). */
export interface Clique {
  members: number[];
  scope: typeof SAME_NODE | typeof SAME_CLUSTER;
}

/**
 * Covers every conflict by groups in which everybody conflicts with everybody, grown greedily: one constraint per group binds
 * a solver far better than one per pair.
 */
export function conflictCliques(model: RepairModel): Clique[] {
  return ([SAME_NODE, SAME_CLUSTER] as const).flatMap((scope) => cliquesOf(model, scope));
}

function cliquesOf({ items, conflicts }: RepairModel, scope: Clique["scope"]): Clique[] {
  const count = items.length;
  // Who may not share a cluster may not share a node either.
  const isConflict = (left: number, right: number) => conflicts[left * count + right]! >= scope;
  const covered = new Set<number>();
  const cliques: Clique[] = [];
  for (let left = 0; left < count; left++) {
    for (let right = left + 1; right < count; right++) {
      if (!isConflict(left, right) || covered.has(left * count + right)) continue;
      const members = [left, right];
      for (let other = 0; other < count; other++) {
        if (!members.includes(other) && members.every((member) => isConflict(member, other))) members.push(other);
      }
      members.sort((first, second) => first - second);
      for (const first of members) for (const second of members) covered.add(first * count + second);
      cliques.push({ members, scope });
    }
  }
  return cliques;
}
