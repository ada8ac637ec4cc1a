import { askFor } from "../ask";
import { guestAntiAffinity } from "../filters/guest-anti-affinity";
import { guestSpread } from "../filters/guest-spread";
import { maxVms } from "../filters/max-vms";
import { nodeResources } from "../filters/node-resources";
import { storageSpace } from "../filters/storage-space";
import type { Placement, PlacementRequest, Shortfall } from "../model";
import { compareText } from "../order";
import { findPlace } from "../place-one";
import { type AppliedRule, hasTag, ruleSets } from "../rules";
import { occupy, remove, restore, type World } from "../world";

/** Guests on their way: where each is, and what forbids a move at this moment, with a moving guest counted at both ends. */
export class Transit {
  private readonly places = new Map<string, Placement[]>();
  /** Guests with rules of their own to keep others away. */
  private readonly guarded: { request: PlacementRequest; rules: readonly AppliedRule[] }[];
  /** Tags whose members have to stay evenly spread. */
  private readonly spreadTags: readonly string[];
  /** On their way right now. */
  private readonly travelling = new Map<string, PlacementRequest>();

  constructor(
    private readonly world: World,
    requests: readonly PlacementRequest[],
  ) {
    for (const { key, prior } of requests) if (prior !== undefined) this.places.set(key, [prior]);
    this.guarded = requests.flatMap((request) => {
      const rules = ruleSets(request, world).apart;
      return rules.length === 0 ? [] : [{ request, rules }];
    });
    this.spreadTags = [
      ...new Set(requests.flatMap((request) => ruleSets(request, world).spread.map(({ rule }) => rule.value.toLowerCase()))),
    ].sort(compareText);
  }

  start(request: PlacementRequest, to: Placement): void {
    occupy(this.world, request, to);
    this.travelling.set(request.key, request);
    this.places.set(request.key, [...this.placesOf(request), to]);
  }

  finish(request: PlacementRequest, from: Placement, to: Placement): void {
    remove(this.world, request.key, from);
    this.travelling.delete(request.key);
    this.places.set(request.key, [to]);
  }

  shortfalls(request: PlacementRequest, from: Placement, to: Placement): Shortfall[] {
    const cluster = this.world.clusterById.get(to.cluster);
    const node = cluster?.nodeByName.get(to.node);
    if (cluster === undefined || node === undefined) {
      return [{ text: `${to.cluster}/${to.node} does not exist`, summary: "missing", ifOthersMove: false }];
    }
    const ask = { ...askFor({ ...request, prior: from }, this.world), held: [] };
    // A guest is no company for itself: its copy at the source must not keep it away.
    const self = this.lift(request, from);
    const company = [...guestAntiAffinity.check(ask, node), ...guestSpread.check(ask, node)];
    restore(this.world, self);
    return [
      ...company,
      ...this.rulesOfOthers(request, from, to),
      ...this.sharedSpreads(request),
      ...storageSpace.check({ ...ask, held: this.world.liveByKey.get(request.key) ?? [] }, node),
      ...nodeResources.check(ask, node),
      ...maxVms.check(ask, cluster),
    ];
  }

  /** Any place that satisfies every must, with the guest still where it is; never one of those that others wait for. */
  findParking(request: PlacementRequest, from: Placement, isWanted: (nodeKey: string) => boolean): Placement | undefined {
    const self = this.lift(request, from);
    const place = findPlace({ ...request, prior: from }, this.world, (node) => !isWanted(node.key));
    restore(this.world, self);
    if (place === undefined || (place.cluster === from.cluster && place.node === from.node)) return undefined;
    return this.shortfalls(request, from, place).length === 0 ? place : undefined;
  }

  private lift({ key }: PlacementRequest, from: Placement) {
    const self = remove(this.world, key, from);
    return self === undefined ? [] : [self];
  }

  /** The company others refuse, which the move would bring about anew. */
  private rulesOfOthers(request: PlacementRequest, from: Placement, to: Placement): Shortfall[] {
    return this.guarded.flatMap(({ request: other, rules }) => {
      if (other.key === request.key) return [];
      return rules
        .filter(({ rule }) => hasTag(request.tags, rule.value))
        .filter(({ rule }) => {
          const isNear = (place: Placement) =>
            this.placesOf(other).some((own) => own.cluster === place.cluster && (rule.scope === "cluster" || own.node === place.node));
          return isNear(to) && !isNear(from);
        })
        .map(({ text }) => ({
          text: `${to.cluster}/${to.node} has ${other.name}, whose ${text} keeps ${request.name} away`,
          summary: "with a guest that keeps it away",
          ifOthersMove: true,
        }));
    });
  }

  /**
   * Members of one spread move one after the other: one that leaves changes what the others may do, and where a member counts
   * between source and target is open until it has arrived.
   */
  private sharedSpreads(request: PlacementRequest): Shortfall[] {
    if (this.spreadTags.length === 0) return [];
    const own = this.spreadTags.filter((tag) => hasTag(request.tags, tag));
    return [...this.travelling.values()].flatMap((other) =>
      own
        .filter((tag) => other.key !== request.key && hasTag(other.tags, tag))
        .map((tag) => ({
          text: `${other.name}, tagged ${tag} too, is on its way, and guests tagged ${tag} are to stay evenly spread`,
          summary: "with another of its spread on the way",
          ifOthersMove: true,
        })),
    );
  }

  private placesOf({ key }: PlacementRequest): readonly Placement[] {
    return this.places.get(key) ?? [];
  }
}
