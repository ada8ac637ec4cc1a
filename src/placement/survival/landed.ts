import { type AppliedRule, hasTag } from "../rules";
import { DEFAULT_MAX_SKEW } from "../spread";
import type { ClusterState, NodeState } from "../world";
import type { Aftermath } from "./aftermath";
import type { Refugee } from "./refugee";
import { Refusals } from "./refusals";
import { Tally } from "./tally";

/** Somebody who comes to a node that is left. */
export interface Comer {
  node: NodeState;
  /** Lower-case. */
  tags: readonly string[];
  apart: readonly AppliedRule[];
  /** False while it is only thought of: the world does not have it yet. */
  isThere: boolean;
}

/**
 * The rules between guests after a loss: of those who have found a new place among each other and with those who are left.
 * Rules are held to where somebody lands; who is left stays, as always.
 */
export class Landed {
  private readonly tags = new Tally();
  private readonly refusals = new Refusals();
  private readonly guests = new Map<ClusterState, number>();
  /** Those whose place is good only as long as others are where they are. */
  private readonly bound = new Map<string, { refugee: Refugee; node: NodeState }>();

  constructor(private readonly after: Aftermath) {}

  get needCompany(): boolean {
    return this.bound.size > 0;
  }

  add(refugee: Refugee, node: NodeState): void {
    this.count(refugee, node, 1);
    if (refugee.profile.needsCompany) this.bound.set(refugee.id, { refugee, node });
  }

  remove(refugee: Refugee, node: NodeState): void {
    this.count(refugee, node, -1);
    this.bound.delete(refugee.id);
  }

  /** Why other guests keep a refugee from landing there, as a summary for texts; `undefined` when they do not. */
  obstacle({ profile }: Refugee, node: NodeState, comer?: Comer): string | undefined {
    const { apart, together, spread } = profile.rules;
    const { maxVms } = node.cluster.facts;
    if (this.after.kind === "cluster" && maxVms !== undefined && this.guestsIn(node.cluster, comer) + 1 > maxVms) {
      return `in a cluster at its limit of ${maxVms} guests`;
    }
    for (const { rule } of apart) {
      if (this.countNear(rule.value, node, rule.scope, comer) > 0)
        return `with a guest tagged ${rule.value} on the same ${rule.scope ?? "node"}`;
    }
    const refused = this.firstRefused(profile.tags, node, comer);
    if (refused !== undefined) return `with a guest that keeps those tagged ${refused} away`;
    for (const applies of together) {
      const { rule } = applies;
      if (!this.isInCompany(applies, profile.tags, node, 0, comer))
        return `without a guest tagged ${rule.value} on the same ${rule.scope ?? "node"}`;
    }
    for (const applies of spread) {
      if (!this.isEven({ profile }, applies, node, 1, comer)) return `with too many guests tagged ${applies.rule.value}`;
    }
    return undefined;
  }

  /** Whether those whose place depends on others may keep it, beside somebody who comes or now that somebody has left. */
  isSound(comer?: Comer): boolean {
    for (const { refugee, node } of this.bound.values()) {
      const { profile } = refugee;
      const isGood =
        profile.rules.together.every((applies) => this.isInCompany(applies, profile.tags, node, 1, comer)) &&
        profile.rules.spread.every((applies) => this.isEven(refugee, applies, node, 0, comer));
      if (!isGood) return false;
    }
    return true;
  }

  /** Whether everybody may keep the new place when somebody comes. */
  outlives(comer: Comer): boolean {
    const { node, tags, apart } = comer;
    const { maxVms } = node.cluster.facts;
    const landed = this.guests.get(node.cluster) ?? 0;
    if (this.after.kind === "cluster" && landed > 0 && maxVms !== undefined && this.guestsIn(node.cluster, comer) > maxVms) return false;
    if (this.refusals.firstRefused(tags, node) !== undefined) return false;
    const isApart = apart.every(({ rule }) => this.tags.of(rule.scope === "cluster" ? node.cluster : node, rule.value.toLowerCase()) === 0);
    return isApart && (tags.length === 0 || this.isSound(comer));
  }

  /** @param own how many of those counted are the guest itself */
  private isInCompany({ rule }: AppliedRule, tags: readonly string[], node: NodeState, own: 0 | 1, comer: Comer | undefined): boolean {
    const carriesIt = hasTag(tags, rule.value);
    const self = carriesIt ? own : 0;
    if (this.countNear(rule.value, node, rule.scope, comer) > self) return true;
    // The first of its group may be alone.
    return carriesIt && this.countAnywhere(rule.value, comer) === self;
  }

  /** @param more members that are about to come to the node */
  private isEven(
    { profile }: Pick<Refugee, "profile">,
    applies: AppliedRule,
    node: NodeState,
    more: 0 | 1,
    comer: Comer | undefined,
  ): boolean {
    const { rule } = applies;
    const places = this.after.spreadPlaces(profile, applies);
    if (places.length === 0) return true;
    const least = Math.min(...places.map((place) => this.countOn(place, rule.value, comer)));
    return this.countNear(rule.value, node, rule.scope, comer) + more - least <= (rule.maxSkew ?? DEFAULT_MAX_SKEW);
  }

  private firstRefused(tags: readonly string[], node: NodeState, comer: Comer | undefined): string | undefined {
    const byComer = (tag: string) =>
      comer?.isThere === false &&
      comer.apart.some(({ rule }) => rule.value.toLowerCase() === tag && isNear(comer.node, scopeOf(rule.scope, node)));
    return this.after.firstRefused(tags, node) ?? this.refusals.firstRefused(tags, node) ?? tags.find(byComer);
  }

  private countNear(tag: string, node: NodeState, scope: "cluster" | "node" | undefined, comer: Comer | undefined): number {
    return this.countOn(scopeOf(scope, node), tag, comer);
  }

  private countOn(place: NodeState | ClusterState, tag: string, comer: Comer | undefined): number {
    const wanted = tag.toLowerCase();
    const more = comer?.isThere === false && isNear(comer.node, place) && comer.tags.includes(wanted) ? 1 : 0;
    return this.after.countTag(place, wanted) + this.tags.of(place, wanted) + more;
  }

  private countAnywhere(tag: string, comer: Comer | undefined): number {
    const wanted = tag.toLowerCase();
    const more = comer?.isThere === false && comer.tags.includes(wanted) ? 1 : 0;
    const landed = [...this.guests.keys()].reduce((sum, cluster) => sum + this.tags.of(cluster, wanted), 0);
    return this.after.countTagAnywhere(wanted) + landed + more;
  }

  private guestsIn(cluster: ClusterState, comer: Comer | undefined): number {
    const more = comer?.isThere === false && comer.node.cluster === cluster ? 1 : 0;
    return cluster.guests + (this.guests.get(cluster) ?? 0) + more;
  }

  private count({ profile }: Refugee, node: NodeState, change: 1 | -1): void {
    for (const tag of profile.tags) this.tags.add(node, tag, change);
    this.refusals.add(node, profile.rules.apart, change);
    this.guests.set(node.cluster, (this.guests.get(node.cluster) ?? 0) + change);
  }
}

function scopeOf(scope: "cluster" | "node" | undefined, node: NodeState): NodeState | ClusterState {
  return scope === "cluster" ? node.cluster : node;
}

function isNear(node: NodeState, place: NodeState | ClusterState): boolean {
  return node === place || node.cluster === place;
}
