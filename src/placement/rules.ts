import { containsWords } from "../config/place-words";
import type { ClusterFacts, PlacementRequest, Rule } from "./model";
import { countTag } from "./tag-index";
import { isRuleActive, windowWords } from "./time";
import type { NodeState, Occupant, World } from "./world";

/**
 * What a rule means once its double negations are gone.
 *
 * | written | meaning |
 * |---|---|
 * | affinity, location, residency with must / should | be there (`towards`) |
 * | affinity, location, residency with must_not / should_not | stay away (`away`) |
 * | anti-affinity with must / should | stay away (`away`) |
 * | anti-affinity with must_not / should_not | refused at validation: a double negation |
 * | spread with must / should | where the guests with the tag stay evenly spread (`towards`) |
 * | spread with must_not / should_not | refused at validation: it has no meaning |
 */
export interface AppliedRule {
  rule: Rule;
  origin: "pool" | "guest";
  direction: "towards" | "away";
  hard: boolean;
  /** 1–100; 50 where none is given. */
  weight: number;
  /** The rule as text, for explanations. */
  text: string;
}

export const DEFAULT_RULE_WEIGHT = 50;

/** The rules that bind a request, by what decides them; each list in the given order, the pool's rules first. */
export interface RuleSets {
  /** Hard, decided by the cluster alone. */
  cluster: AppliedRule[];
  /** Hard, on nodes, tags of places and storages. */
  node: AppliedRule[];
  /** Hard, away from guests with a tag. */
  apart: AppliedRule[];
  /** Hard, towards guests with a tag. */
  together: AppliedRule[];
  /** Hard, on how evenly guests with a tag are spread. */
  spread: AppliedRule[];
  /** should and should_not. */
  soft: AppliedRule[];
}

/** Rules whose window is closed at the world's instant are left out, and those without meaning: placing refuses them. */
export function ruleSets(request: PlacementRequest, world: Pick<World, "placeTags" | "instantMs">): RuleSets {
  const sets: RuleSets = { cluster: [], node: [], apart: [], together: [], spread: [], soft: [] };
  const add = (rule: Rule, origin: AppliedRule["origin"]): void => {
    if (ruleDefect(rule) !== undefined || !isRuleActive(rule, world.instantMs)) return;
    const applies = applied(rule, origin);
    const guests = concernsGuests(rule, world.placeTags);
    if (guests && !bindsGuest(applies, request)) return;
    if (!applies.hard) sets.soft.push(applies);
    else if (rule.type === "spread") sets.spread.push(applies);
    else if (guests) sets[applies.direction === "away" ? "apart" : "together"].push(applies);
    else sets[isClusterLevel(rule) ? "cluster" : "node"].push(applies);
  };
  for (const rule of request.pool?.rules ?? []) add(rule, "pool");
  for (const rule of request.rules) add(rule, "guest");
  return sets;
}

/** `anti-affinity` with `must_not` or `should_not`. */
export function isDoubleNegation(rule: Rule): boolean {
  return rule.type === "anti-affinity" && (rule.operator === "must_not" || rule.operator === "should_not");
}

/** Why a rule means nothing, with what to write instead; `undefined` for a rule that means something. */
export function ruleDefect(rule: Rule): { why: string; instead: string } | undefined {
  if (isDoubleNegation(rule)) {
    const instead = rule.operator === "must_not" ? "must" : "should";
    return {
      why: "is a double negation",
      instead: `write "affinity ${instead}" if guests shall be together, "anti-affinity ${instead}" if apart`,
    };
  }
  if (rule.type !== "spread") return undefined;
  if (rule.operator !== "must" && rule.operator !== "should")
    return { why: "forbids to be even", instead: "write spread with must or should" };
  if (rule.target !== "tag") return { why: "names no guests", instead: "write target tag: what is spread are the guests with that tag" };
  const { maxSkew } = rule;
  if (maxSkew !== undefined && !(Number.isInteger(maxSkew) && maxSkew >= 1)) {
    return { why: `has max_skew ${maxSkew}`, instead: "give a whole number of at least 1" };
  }
  return undefined;
}

/** `anti-affinity must tag database (scope node)`. */
export function describeRule(rule: Rule): string {
  const details = [
    ...(rule.target === "tag" && rule.scope !== undefined ? [`scope ${rule.scope}`] : []),
    ...(rule.maxSkew === undefined ? [] : [`max skew ${rule.maxSkew}`]),
    ...(rule.window === undefined ? [] : [windowWords(rule.window)]),
  ];
  return `${rule.type} ${rule.operator} ${rule.target} ${rule.value}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
}

function applied(rule: Rule, origin: AppliedRule["origin"]): AppliedRule {
  const negated = rule.operator === "must_not" || rule.operator === "should_not";
  const weight = rule.weight !== undefined && Number.isFinite(rule.weight) ? Math.round(rule.weight) : DEFAULT_RULE_WEIGHT;
  return {
    rule,
    origin,
    direction: negated !== (rule.type === "anti-affinity") ? "away" : "towards",
    hard: rule.operator === "must" || rule.operator === "must_not",
    weight: Math.min(100, Math.max(1, weight)),
    text: `${origin} rule "${describeRule(rule)}"`,
  };
}

/**
 * True when the rule is about other guests rather than about places.
 *
 * `anti-affinity` on a tag always is. `affinity` on a tag means the places that carry the tag where any cluster or node
 * of the inventory does, and the guests that carry it otherwise.
 */
export function concernsGuests(rule: Rule, placeTags: ReadonlySet<string>): boolean {
  if (rule.target !== "tag") return false;
  if (rule.type === "anti-affinity" || rule.type === "spread") return true;
  return rule.type === "affinity" && !placeTags.has(rule.value.toLowerCase());
}

/**
 * Whether a rule between guests binds this request. A pool's anti-affinity spreads the guests that carry the tag and
 * leaves the pool's other guests alone; a guest's own binds that guest whatever its tags. A spread counts those that carry
 * the tag, so it binds no other.
 */
export function bindsGuest(applies: AppliedRule, request: PlacementRequest): boolean {
  if (applies.rule.type === "spread") return hasTag(request.tags, applies.rule.value);
  if (applies.origin === "guest" || applies.rule.type !== "anti-affinity") return true;
  return hasTag(request.tags, applies.rule.value);
}

/** Rules decided by the cluster alone; the others need the node. */
export function isClusterLevel(rule: Rule): boolean {
  return rule.target !== "node" && rule.target !== "tag" && rule.target !== "storage";
}

/** Whether a cluster is what a rule of cluster level names. */
export function clusterMatches(rule: Rule, cluster: ClusterFacts, world: World): boolean {
  switch (rule.target) {
    case "cluster":
      return matchesClusterTarget(rule, cluster, world);
    case "location":
      return matchesLocation(cluster, rule.value) || (rule.type === "residency" && cluster.jurisdiction === rule.value);
    case "jurisdiction":
      return cluster.jurisdiction === rule.value || (rule.type === "residency" && matchesLocation(cluster, rule.value));
    case "provider":
      return cluster.provider !== undefined && cluster.provider.toLowerCase() === rule.value.toLowerCase();
    case "tier":
      return cluster.tier === rule.value.toLowerCase();
    default:
      return false;
  }
}

/** The exact id, or the tag where no cluster has that id; a location or residency rule also takes the value as a place. */
function matchesClusterTarget(rule: Rule, cluster: ClusterFacts, world: World): boolean {
  if (cluster.id === rule.value) return true;
  if ((rule.type === "location" || rule.type === "residency") && matchesLocation(cluster, rule.value)) return true;
  return !world.clusters.some((other) => other.facts.id === rule.value) && hasTag(cluster.tags, rule.value);
}

export function matchesLocation(cluster: ClusterFacts, place: string): boolean {
  return cluster.location !== undefined && containsWords(cluster.location.name, place);
}

/**
 * Whether a node is what a rule on nodes, place tags or storages names; `storages` are those the request would use there.
 * A rule towards a storage wants every disk on it, a rule away from it not one.
 */
export function nodeMatches(applies: AppliedRule, node: NodeState, storages: readonly string[], request: PlacementRequest): boolean {
  const { rule } = applies;
  switch (rule.target) {
    case "node":
      return node.facts.name === rule.value || node.key === rule.value;
    case "tag":
      return hasTag(node.facts.tags, rule.value) || hasTag(node.cluster.facts.tags, rule.value);
    case "storage": {
      const isOnIt = request.disks.map((disk, index) => storages[index] === rule.value || disk.storageClass === rule.value);
      return applies.direction === "towards" ? isOnIt.every(Boolean) : isOnIt.some(Boolean);
    }
    default:
      return false;
  }
}

/** Guests with that tag on the node, or anywhere in its cluster. */
export function guestsWithTag(tag: string, node: NodeState, scope: Rule["scope"]): Occupant[] {
  const wanted = tag.toLowerCase();
  if (countTag(scope === "cluster" ? node.cluster : node, wanted) === 0) return [];
  const nodes = scope === "cluster" ? node.cluster.nodes : [node];
  return nodes.flatMap((place) => place.occupants.filter((occupant) => occupant.tags.includes(wanted)));
}

export function hasTag(tags: readonly string[], tag: string): boolean {
  const wanted = tag.toLowerCase();
  return tags.some((candidate) => candidate.toLowerCase() === wanted);
}

/** Where a rule on the cluster's guests is decided, in words. */
export function scopeWords(node: NodeState, scope: Rule["scope"]): string {
  return scope === "cluster" ? node.cluster.facts.id : node.key;
}
