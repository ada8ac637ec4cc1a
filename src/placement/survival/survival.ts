import { type Ask, storageIds } from "../ask";
import type { Inventory, Loss as LossKind, Placement, PlacementRequest, SurvivalDemand } from "../model";
import { cpuMilli } from "../node-state";
import { wholeNonNegative } from "../numbers";
import { compareText } from "../order";
import type { ClusterState, NodeState, StorageState, World } from "../world";
import { LiveRequests } from "./guests";
import { Loss } from "./loss";
import { type Profile, Profiles } from "./profile";
import { guestId, type Refugee, refugeeOfGuest, refugeeOfRequest } from "./refugee";
import { Refusals } from "./refusals";
import type { Arrival, Homeless } from "./rescue";

/** Why a newcomer would cost a pool its promise to survive a loss. */
export interface Unsurvived {
  kind: LossKind;
  /** `cluster/node` or the cluster's id. */
  lost: string;
  /** False: the loss cannot be absorbed as things are, with or without the newcomer. */
  absorbedBefore: boolean;
  /** What those who would have to move need in all, the newcomer included where it is one of them. */
  needed: { guests: number; cpuMilli: number; memoryMiB: number };
  /** What is free where they may go, after the newcomer. */
  free: { cpuMilli: number; memoryMiB: number };
  /** A guest for which no place was found, and what keeps it from each node that is left, as summaries. */
  homeless: { name: string; obstacles: string[] };
}

/** A guest that is or has been here, of whose demands something is known. */
interface Resident {
  profile: Profile;
  /** Present for guests of pools that have to survive something. */
  refugee?: Refugee;
}

/**
 * What the pools of a world have to survive, kept in step with the guests that come and go. Worked out by constructing a
 * place for every guest of every single loss under all rules that are known, so that what is said to be absorbed is.
 */
export class Survival {
  private readonly demands: ReadonlyMap<string, SurvivalDemand>;
  private readonly nodeLosses: ReadonlyMap<ClusterState, Map<NodeState, Loss>>;
  private readonly clusterLosses = new Map<ClusterState, Loss>();
  private readonly profiles: Profiles;
  private readonly refusals = new Refusals();
  /** Guests that have been here, by id: one that comes back is the same. */
  private readonly known = new Map<string, Resident>();

  /**
   * The world has its live guests and storages, and no promises yet.
   *
   * @param asked requests for live guests, as far as they are known already: for their rules
   */
  constructor(
    private readonly world: World,
    inventory: Inventory,
    asked: readonly PlacementRequest[],
  ) {
    const demands = inventory.survive ?? [];
    this.demands = new Map(demands.map((demand) => [demand.pool, demand]));
    this.profiles = new Profiles(world);
    this.nodeLosses = new Map(world.clusters.map((cluster) => [cluster, new Map()]));
    const live = new LiveRequests(inventory, demands, asked);
    const nodes = world.clusters.flatMap((cluster) => cluster.nodes);
    // First who keeps whom away, then who could go where.
    for (const node of nodes) this.meet(node, live);
    for (const node of nodes) {
      for (const guest of inOrderOfVmid(node)) {
        const resident = this.known.get(guestId(guest, node));
        if (resident?.refugee !== undefined && node.counts(guest)) this.endanger(resident.refugee, node, guest.pool);
      }
    }
  }

  /** A guest has been put on the node. */
  arrived(request: PlacementRequest, placement: Placement, node: NodeState): void {
    const profile = this.profiles.of(request, placement.cluster, placement.storages);
    const demand = this.demands.get(request.pool?.name ?? "");
    const refugee = demand === undefined ? undefined : refugeeOfRequest(request, placement.storages, profile);
    // Its disks are on the storages already.
    this.settle(request.key, { profile, refugee }, node, request.pool?.name, storageOf(request, placement.storages, node, 0));
  }

  /** A guest has been taken off the node. */
  departed(id: string, node: NodeState): void {
    const resident = this.known.get(id);
    if (resident !== undefined) this.refusals.add(node, resident.profile.rules.apart, -1);
    this.nodeLosses.get(node.cluster)?.get(node)?.remove(id);
    this.clusterLosses.get(node.cluster)?.remove(id);
    for (const loss of this.lossesCountingOn(node)) loss.onDeparture();
  }

  /** A guest that departed is on its node again. */
  returned(id: string, node: NodeState, pool: string | undefined): void {
    this.settle(id, this.known.get(id), node, pool, new Map());
  }

  /** The first loss that could not be absorbed any more with the request on the node; `undefined` when all could. */
  findUnsurvived(ask: Ask, node: NodeState): Unsurvived | undefined {
    const { request } = ask;
    const demand = this.demands.get(request.pool?.name ?? "");
    const ids = storageIds(ask, node.cluster).map((id) => id ?? "");
    const profile = this.profiles.of(request, node.cluster.facts.id, ids);
    const arrival: Arrival = {
      node,
      cpuMilli: cpuMilli(request.cores),
      memoryMiB: wholeNonNegative(request.memoryMiB),
      storage: storageOf(request, ids, node, 1),
      tags: profile.tags,
      apart: profile.rules.apart,
      isThere: false,
    };
    // Many requests alike may be decided by one of them, which may have its place already.
    const newcomer = { ...refugeeOfRequest(request, ids, profile), id: `newcomer ${request.key}` };
    const losses = [...this.lossesCountingOn(node), ...(demand === undefined ? [] : this.ownLosses(node, demand))];
    for (const loss of losses) {
      const joins = loss.after.takesDown(node) && demand?.losses.includes(loss.kind) ? newcomer : undefined;
      const homeless = loss.homelessWith(arrival, joins);
      if (homeless !== undefined) return unsurvived(loss, arrival, joins, homeless);
    }
    return undefined;
  }

  /** Notes what live guests of a node demand. */
  private meet(node: NodeState, live: LiveRequests): void {
    for (const guest of inOrderOfVmid(node)) {
      const request = node.counts(guest) ? live.of(guest, node) : undefined;
      if (request === undefined) continue;
      const asked = live.askedFor(guest, node);
      const profile = this.profiles.of(request, node.cluster.facts.id, asked?.prior?.storages ?? request.disks.map(({ name }) => name));
      const isProtected = this.demands.has(guest.pool ?? "");
      const refugee = isProtected ? refugeeOfGuest(guest, node, profile, asked) : undefined;
      this.known.set(guestId(guest, node), { profile, refugee });
      this.refusals.add(node, profile.rules.apart, 1);
    }
  }

  private settle(
    id: string,
    resident: Resident | undefined,
    node: NodeState,
    pool: string | undefined,
    storage: ReadonlyMap<StorageState, number>,
  ): void {
    const { tags = [], rules } = resident?.profile ?? {};
    const apart = rules?.apart ?? [];
    if (resident !== undefined) this.known.set(id, resident);
    this.refusals.add(node, apart, 1);
    const arrival: Arrival = { node, cpuMilli: 0, memoryMiB: 0, storage, tags, apart, isThere: true };
    for (const loss of this.lossesCountingOn(node)) loss.onArrival(arrival);
    if (resident?.refugee !== undefined) this.endanger(resident.refugee, node, pool);
  }

  private endanger(refugee: Refugee, node: NodeState, pool: string | undefined): void {
    const demand = this.demands.get(pool ?? "");
    if (demand !== undefined) for (const loss of this.ownLosses(node, demand)) loss.add(refugee);
  }

  /** The losses that would take down a guest of the pool on that node. */
  private ownLosses(node: NodeState, { losses }: SurvivalDemand): Loss[] {
    return losses.map((kind) => (kind === "node" ? this.nodeLoss(node) : this.clusterLoss(node.cluster)));
  }

  private nodeLoss(node: NodeState): Loss {
    const inCluster = this.nodeLosses.get(node.cluster)!;
    return inCluster.get(node) ?? addInOrder(inCluster, node, Loss.ofNode(node, this.world, this.refusals));
  }

  private clusterLoss(cluster: ClusterState): Loss {
    return this.clusterLosses.get(cluster) ?? addInOrder(this.clusterLosses, cluster, Loss.ofCluster(cluster, this.world, this.refusals));
  }

  /** Those with somebody to rescue whose rescue may use the node, or depends on which guests are there. */
  private lossesCountingOn(node: NodeState): Loss[] {
    const losses = [...this.clusterLosses.values()];
    for (const [cluster, inCluster] of this.nodeLosses) {
      const isHere = cluster === node.cluster;
      for (const loss of inCluster.values()) if (isHere || loss.needsCompany) losses.push(loss);
    }
    return losses.filter((loss) => loss.refugees.size > 0 && !loss.after.takesDown(node));
  }
}

/** Which loss is the first that cannot be absorbed must not depend on who was tried where before. */
function addInOrder<Place>(losses: Map<Place, Loss>, place: Place, loss: Loss): Loss {
  const sorted = [...losses, [place, loss] as const].sort(([, left], [, right]) => compareText(left.name, right.name));
  losses.clear();
  for (const [each, its] of sorted) losses.set(each, its);
  return loss;
}

function inOrderOfVmid(node: NodeState): GuestList {
  return [...node.facts.guests].sort((left, right) => left.vmid - right.vmid);
}

type GuestList = NodeState["facts"]["guests"];

/** What the request's disks take on the node's storages, each byte counted `times`. */
function storageOf(request: PlacementRequest, ids: readonly string[], node: NodeState, times: 0 | 1): Map<StorageState, number> {
  const taken = new Map<StorageState, number>();
  request.disks.forEach(({ sizeBytes }, index) => {
    const storage = node.storages.get(ids[index] ?? "");
    if (storage !== undefined) taken.set(storage, (taken.get(storage) ?? 0) + times * wholeNonNegative(sizeBytes));
  });
  return taken;
}

function unsurvived(loss: Loss, arrival: Arrival, newcomer: Refugee | undefined, { refugee, obstacles }: Homeless): Unsurvived {
  const refugees = [...loss.refugees.values(), ...(newcomer === undefined ? [] : [newcomer])];
  return {
    kind: loss.kind,
    lost: loss.name,
    absorbedBefore: loss.isAbsorbed,
    needed: {
      guests: refugees.length,
      cpuMilli: refugees.reduce((sum, each) => sum + each.cpuMilli, 0),
      memoryMiB: refugees.reduce((sum, each) => sum + each.memoryMiB, 0),
    },
    free: loss.freeFor(refugees, arrival),
    homeless: { name: refugee.name, obstacles },
  };
}
