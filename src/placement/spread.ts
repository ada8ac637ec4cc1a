/** How evenly the guests with a tag are spread over the places where their pool may put them. */
import type { Ask } from "./ask";
import { type AppliedRule, clusterMatches, nodeMatches } from "./rules";
import { countTag } from "./tag-index";
import type { ClusterState, NodeState, World } from "./world";

export const DEFAULT_MAX_SKEW = 1;

/** What placing one more member on a node means for its spread. */
export interface Skew {
  /** `cluster` or `cluster/node`. */
  place: string;
  /** Members there with the new one. */
  members: number;
  /** The place with the fewest members, and how many. */
  least: number;
  leastPlace: string;
  allowed: number;
}

/** `undefined` where the new member stays within the allowed skew. A guest never breaks the spread by staying where it is. */
export function skewBeyond(ask: Ask, applies: AppliedRule, node: NodeState): Skew | undefined {
  const { rule } = applies;
  const place = rule.scope === "cluster" ? node.cluster : node;
  if (isInPlace(ask, place)) return undefined;
  const counts = countsFor(ask, applies);
  const members = countTag(place, rule.value.toLowerCase()) + 1;
  const allowed = rule.maxSkew ?? DEFAULT_MAX_SKEW;
  const least = counts.least();
  if (members - least <= allowed) return undefined;
  return { place: nameOf(place), members, least, leastPlace: counts.leastPlace(), allowed };
}

function isInPlace({ prior }: Ask, place: NodeState | ClusterState): boolean {
  if (prior === undefined) return false;
  if ("nodes" in place) return prior.cluster === place.facts.id;
  return prior.cluster === place.cluster.facts.id && prior.node === place.facts.name;
}

/** Per rule as applied in one decision, and per world by what the counts depend on, so that requests share them. */
const byRule = new WeakMap<AppliedRule, MemberCounts>();
const byWorld = new WeakMap<World, Map<string, MemberCounts>>();

function countsFor(ask: Ask, applies: AppliedRule): MemberCounts {
  const known = byRule.get(applies);
  if (known !== undefined) return known;
  const shared = byWorld.get(ask.world) ?? new Map<string, MemberCounts>();
  byWorld.set(ask.world, shared);
  const tag = applies.rule.value.toLowerCase();
  const placeRules = [...ask.rules.cluster, ...ask.rules.node].filter(({ origin }) => origin === "pool").map(({ text }) => text);
  const key = JSON.stringify([tag, applies.rule.scope, ask.request.pool?.clusters, placeRules]);
  const counts = shared.get(key) ?? new MemberCounts(ask.world, spreadPlaces(ask, applies.rule.scope), tag);
  shared.set(key, counts);
  byRule.set(applies, counts);
  return counts;
}

/**
 * The places that count: clusters of the pool that take newcomers and satisfy the pool's own hard rules on places, and
 * their nodes likewise. A full place counts, because the bound is on the members; one that is cordoned, draining, lost or
 * does not answer does not, because it would keep everybody else from growing.
 */
export function spreadPlaces(ask: Ask, scope: "cluster" | "node" | undefined): (NodeState | ClusterState)[] {
  const clusterRules = ask.rules.cluster.filter(({ origin }) => origin === "pool");
  const nodeRules = ask.rules.node.filter(({ origin, rule }) => origin === "pool" && rule.target !== "storage");
  const clusters = ask.world.clusters.filter(
    ({ facts }) =>
      (ask.request.pool?.clusters.includes(facts.id) ?? true) &&
      facts.status === "active" &&
      facts.reachable &&
      clusterRules.every((applies) => clusterMatches(applies.rule, facts, ask.world) === (applies.direction === "towards")),
  );
  const takesNewcomers = (node: NodeState) =>
    node.facts.status === "active" &&
    node.facts.online &&
    nodeRules.every((applies) => nodeMatches(applies, node, [], ask.request) === (applies.direction === "towards"));
  if (scope === "cluster") return clusters.filter(({ nodes }) => nodes.some(takesNewcomers));
  return clusters.flatMap(({ nodes }) => nodes.filter(takesNewcomers));
}

/** Members per place and the fewest of them, kept in step with the world's log of changes: O(1) per change. */
class MemberCounts {
  private readonly counts: Int32Array;
  private readonly placeOfNode = new Map<number, number>();
  /** How many places have that many members. */
  private readonly placesWith = new Map<number, number>();
  private fewest = 0;
  private read: number;

  constructor(
    private readonly world: World,
    private readonly places: readonly (NodeState | ClusterState)[],
    private readonly tag: string,
  ) {
    this.counts = new Int32Array(places.length);
    places.forEach((place, index) => {
      for (const node of "nodes" in place ? place.nodes : [place]) this.placeOfNode.set(node.index, index);
      this.counts[index] = countTag(place, tag);
      this.placesWith.set(this.counts[index]!, (this.placesWith.get(this.counts[index]!) ?? 0) + 1);
    });
    this.fewest = places.length === 0 ? 0 : Math.min(...this.placesWith.keys());
    this.read = world.changes.length;
  }

  least(): number {
    this.refresh();
    return this.fewest;
  }

  /** The first in key order of those with the fewest members. */
  leastPlace(): string {
    const index = this.counts.indexOf(this.least());
    const place = this.places[index];
    return place === undefined ? "no place" : nameOf(place);
  }

  private refresh(): void {
    const { changes } = this.world;
    for (; this.read < changes.length; this.read++) {
      const index = this.placeOfNode.get(changes[this.read]!);
      if (index !== undefined) this.update(index);
    }
  }

  private update(index: number): void {
    const before = this.counts[index]!;
    const now = countTag(this.places[index]!, this.tag);
    if (now === before) return;
    this.counts[index] = now;
    this.placesWith.set(before, this.placesWith.get(before)! - 1);
    this.placesWith.set(now, (this.placesWith.get(now) ?? 0) + 1);
    if (now < this.fewest) this.fewest = now;
    else while (this.placesWith.get(this.fewest) === 0 || !this.placesWith.has(this.fewest)) this.fewest++;
  }
}

function nameOf(place: NodeState | ClusterState): string {
  return "nodes" in place ? place.facts.id : place.key;
}
