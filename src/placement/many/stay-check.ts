import { askOfKind } from "../ask";
import type { GuestFacts, Placement, PlacementRequest } from "../model";
import { cpuMilli } from "../node-state";
import { wholeNonNegative } from "../numbers";
import { hasTag } from "../rules";
import { countTag } from "../tag-index";
import { type ClusterState, guard, type NodeState, type World } from "../world";
import { passesCluster, passesNode } from "./candidates";
import type { Kinds } from "./kind";
import type { LiveMatch } from "./live-match";
import { isSameList } from "./signature";

/** What the fixed filters say about a node; 0 means that they have not been asked. */
const PASSES = 1;
const FAILS = 2;

/** What is known about guests of kinds to which the same places are open, each at the place where it is. */
class Homes {
  /** What the filters that do not change during a run say about the nodes, by their numbers. */
  readonly nodes: Uint8Array;
  /** The same of clusters. */
  readonly clusters = new Map<ClusterState, boolean>();
  /** The storages that disks of those classes have on each node, once a guest was found to have them. */
  readonly storages: (readonly string[] | undefined)[];

  constructor(nodeCount: number) {
    this.nodes = new Uint8Array(nodeCount);
    this.storages = new Array<readonly string[] | undefined>(nodeCount).fill(undefined);
  }
}

interface Known {
  kind: number;
  homes: Homes;
  /** Whether rules between guests bind the kind. */
  company: boolean;
}

/**
 * The quick look at a guest that has a place: whether it surely stays exactly as it is. Most guests of most runs do, and
 * finding that out must not cost more than reading them. Whoever is not sure gets the full decision.
 */
export class StayCheck {
  /** By `Kinds.placesOf`. */
  private readonly homes = new Map<number, Homes>();
  private readonly nodeCount: number;
  private last: Known | undefined;

  constructor(
    private readonly world: World,
    private readonly kinds: Kinds,
  ) {
    this.nodeCount = world.clusters.reduce((sum, { nodes }) => sum + nodes.length, 0);
  }

  /**
   * `yes` and `no` are final; `alone` means yes as far as no other guest is concerned: ask `keepsCompany` as well, once it is
   * known who is there.
   */
  stays(request: PlacementRequest, prior: Placement, match: LiveMatch): "yes" | "no" | "alone" {
    const cluster = this.world.clusterById.get(prior.cluster);
    if (cluster === undefined) return "no";
    const node = cluster.nodeByName.get(prior.node);
    const live = node === undefined ? undefined : match.find(request, node);
    if (!cluster.facts.reachable) return cluster.facts.status === "lost" ? "no" : "yes";
    if (node === undefined || live === undefined || !isUnchanged(request, live)) return "no";
    const kind = this.kinds.numberOf(request);
    const { homes, company } = this.knownOf(request, kind);
    if (!isSameList(homes.storages[node.index], prior.storages)) {
      if (!isOnMappedStorages(request, prior, node)) return "no";
      homes.storages[node.index] = prior.storages;
    }
    if (!keepsSizes(request, prior, live)) return "no";
    homes.nodes[node.index] ||= this.passes(request, kind, node, homes) ? PASSES : FAILS;
    if (homes.nodes[node.index] === FAILS) return "no";
    return company ? "alone" : "yes";
  }

  private knownOf(request: PlacementRequest, kind: number): Known {
    if (this.last?.kind === kind) return this.last;
    const number = this.kinds.placesOf(request, kind);
    const homes = this.homes.get(number) ?? new Homes(this.nodeCount);
    this.homes.set(number, homes);
    const { apart, together } = this.kinds.rulesOf(request, kind);
    this.last = { kind, homes, company: apart.length > 0 || together.length > 0 };
    return this.last;
  }

  /** What the fixed filters say. Its disks are on the storages their classes mean: on a cluster all guests of the kind are alike. */
  private passes(request: PlacementRequest, kind: number, node: NodeState, { clusters }: Homes): boolean {
    const ask = askOfKind(request, this.world, this.kinds.rulesOf(request, kind));
    const { cluster } = node;
    const passes = clusters.get(cluster) ?? passesCluster(ask, cluster);
    clusters.set(cluster, passes);
    return passes && passesNode(ask, node);
  }

  /** Rules between guests, counting the guest itself out; its own rules bind newcomers from then on. */
  keepsCompany(request: PlacementRequest): boolean {
    const { apart, together } = this.kinds.rulesOf(request, this.kinds.numberOf(request));
    const node = this.world.clusterById.get(request.prior?.cluster ?? "")?.nodeByName.get(request.prior?.node ?? "");
    if (together.length > 0 || node === undefined) return false;
    for (const { rule } of apart) {
      const own = hasTag(request.tags, rule.value) ? 1 : 0;
      if (countTag(rule.scope === "cluster" ? node.cluster : node, rule.value.toLowerCase()) > own) return false;
    }
    guard(node, request, apart);
    return true;
  }
}

/** Same amounts, tags and pool as the live guest, so that the world needs no change. */
function isUnchanged({ cores, memoryMiB, pool, tags }: PlacementRequest, live: GuestFacts): boolean {
  if (cpuMilli(cores) !== cpuMilli(live.cores) || wholeNonNegative(memoryMiB) !== wholeNonNegative(live.memoryMiB)) return false;
  if (pool?.name !== live.pool || !(cores >= 0 && memoryMiB >= 0)) return false;
  if (tags.length !== live.tags.length) return false;
  for (const tag of tags) if (!hasTag(live.tags, tag)) return false;
  return true;
}

/** Every disk is on the storage its class means now, and the node sees it. */
function isOnMappedStorages({ disks }: PlacementRequest, { storages: ids }: Placement, node: NodeState): boolean {
  const { storageClasses } = node.cluster.facts;
  if (ids.length !== disks.length) return false;
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index]!;
    if (storageClasses[disks[index]!.storageClass] !== id || !node.storages.has(id)) return false;
  }
  return true;
}

/** No disk is known to grow. */
function keepsSizes({ disks }: PlacementRequest, { storages: ids }: Placement, live: GuestFacts): boolean {
  for (let index = 0; index < disks.length; index++) if (!(disks[index]!.sizeBytes >= 0)) return false;
  if (live.disks === undefined) return true;
  for (const id of ids) {
    let asked = 0;
    let has = 0;
    for (let index = 0; index < ids.length; index++) asked += ids[index] === id ? wholeNonNegative(disks[index]!.sizeBytes) : 0;
    for (const disk of live.disks) has += disk.storage === id ? wholeNonNegative(disk.sizeBytes) : 0;
    if (asked > has) return false;
  }
  return true;
}
