import type { Loss } from "../model";
import type { AppliedRule } from "../rules";
import { spreadPlaces } from "../spread";
import { countTag } from "../tag-index";
import type { ClusterState, NodeState, World } from "../world";
import type { Profile } from "./profile";
import type { Refusals } from "./refusals";

/** Who is left where after the loss of a node or cluster, before anybody who has to has found a new place. */
export class Aftermath {
  readonly kind: Loss;
  private readonly places = new WeakMap<AppliedRule, readonly (NodeState | ClusterState)[]>();

  /** @param refusals of all guests, the lost ones included */
  constructor(
    private readonly world: World,
    private readonly lost: NodeState | ClusterState,
    private readonly refusals: Refusals,
  ) {
    this.kind = "nodes" in lost ? "cluster" : "node";
  }

  takesDown(node: NodeState): boolean {
    return node === this.lost || node.cluster === this.lost;
  }

  /** How many guests with that (lower-case) tag are left on the node or in the cluster, which is not the lost one. */
  countTag(place: NodeState | ClusterState, tag: string): number {
    const { lost } = this;
    const gone = !("nodes" in lost) && lost.cluster === place ? countTag(lost, tag) : 0;
    return countTag(place, tag) - gone;
  }

  countTagAnywhere(tag: string): number {
    return this.world.clusters.reduce((sum, cluster) => sum + (cluster === this.lost ? 0 : this.countTag(cluster, tag)), 0);
  }

  /** The first of the tags that somebody who is left keeps away from the node. */
  firstRefused(tags: readonly string[], node: NodeState): string | undefined {
    return this.refusals.firstRefused(tags, node, "nodes" in this.lost ? undefined : this.lost);
  }

  /** Places that count for a spread; none where the guest stays in its place, which is no landing. */
  spreadPlaces({ ask }: Profile, applies: AppliedRule): readonly (NodeState | ClusterState)[] {
    const known = this.places.get(applies);
    if (known !== undefined) return known;
    const isHome = this.kind === "node" && applies.rule.scope === "cluster";
    const all = isHome ? [] : spreadPlaces(ask, applies.rule.scope);
    const left = all.filter((place) => place !== this.lost && ("nodes" in place || place.cluster !== this.lost));
    this.places.set(applies, left);
    return left;
  }
}
