import { type Ask, storageIds } from "../ask";
import type { Loss as LossKind, Placement, PlacementRequest, SurvivalDemand } from "../model";
import { cpuMilli } from "../node-state";
import { wholeNonNegative } from "../numbers";
import type { ClusterState, NodeState, StorageState, World } from "../world";
import { Loss } from "./loss";
import { type Refugee, refugeeOfGuest, refugeeOfRequest } from "./refugee";
import type { Arrival } from "./rescue";

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
}

/**
 * What the pools of a world have to survive, kept in step with the guests that come and go. Worked out by constructing a
 * place for every guest of every single loss, so that what is said to be absorbed is.
 */
export class Survival {
  private readonly demands: ReadonlyMap<string, SurvivalDemand>;
  private readonly nodeLosses = new Map<ClusterState, Map<NodeState, Loss>>();
  private readonly clusterLosses = new Map<ClusterState, Loss>();
  /** Guests that have been here, by id: one that comes back is the same. */
  private readonly known = new Map<string, Refugee>();

  /** The world has its live guests and storages, and no promises yet. */
  constructor(
    private readonly world: World,
    demands: readonly SurvivalDemand[],
  ) {
    this.demands = new Map(demands.map((demand) => [demand.pool, demand]));
    for (const node of world.clusters.flatMap(({ nodes }) => nodes)) {
      for (const guest of [...node.facts.guests].sort((left, right) => left.vmid - right.vmid)) {
        const demand = this.demands.get(guest.pool ?? "");
        if (demand !== undefined && node.counts(guest)) this.shelter(refugeeOfGuest(guest, node, demand.clusters), node, demand);
      }
    }
  }

  /** A guest has been put on the node. */
  arrived(request: PlacementRequest, placement: Placement, node: NodeState): void {
    const demand = this.demandOf(request);
    // Its disks are on the storages already.
    const arrival: Arrival = { node, cpuMilli: 0, memoryMiB: 0, storage: storageOf(request, placement.storages, node, 0) };
    for (const loss of this.lossesCountingOn(node)) loss.onArrival(arrival);
    if (demand !== undefined) this.shelter(refugeeOfRequest(request, placement.storages, demand.clusters), node, demand);
  }

  /** A guest has been taken off the node. */
  departed(id: string, node: NodeState): void {
    this.nodeLosses.get(node.cluster)?.get(node)?.remove(id);
    this.clusterLosses.get(node.cluster)?.remove(id);
    for (const loss of this.lossesCountingOn(node)) loss.onDeparture();
  }

  /** A guest that departed is on its node again. */
  returned(id: string, node: NodeState, pool: string | undefined): void {
    const demand = this.demands.get(pool ?? "");
    const refugee = this.known.get(id);
    for (const loss of this.lossesCountingOn(node)) loss.onArrival({ node, cpuMilli: 0, memoryMiB: 0, storage: new Map() });
    if (demand !== undefined && refugee !== undefined) this.shelter(refugee, node, demand);
  }

  /** The first loss that could not be absorbed any more with the request on the node; `undefined` when all could. */
  findUnsurvived(ask: Ask, node: NodeState): Unsurvived | undefined {
    const { request } = ask;
    const demand = this.demandOf(request);
    const ids = storageIds(ask, node.cluster).map((id) => id ?? "");
    const arrival: Arrival = {
      node,
      cpuMilli: cpuMilli(request.cores),
      memoryMiB: wholeNonNegative(request.memoryMiB),
      storage: storageOf(request, ids, node, 1),
    };
    const newcomer = demand === undefined ? undefined : refugeeOfRequest(request, ids, demand.clusters);
    const losses = [...this.lossesCountingOn(node), ...(demand === undefined ? [] : this.ownLosses(node, demand))];
    for (const loss of losses) {
      const joins = newcomer !== undefined && loss.takesDown(node) && demand?.losses.includes(loss.kind) ? newcomer : undefined;
      if (!loss.absorbsWith(arrival, joins)) return unsurvived(loss, arrival, joins);
    }
    return undefined;
  }

  private demandOf({ pool }: PlacementRequest): SurvivalDemand | undefined {
    return pool === undefined ? undefined : this.demands.get(pool.name);
  }

  private shelter(refugee: Refugee, node: NodeState, demand: SurvivalDemand): void {
    this.known.set(refugee.id, refugee);
    for (const loss of this.ownLosses(node, demand)) loss.add(refugee);
  }

  /** The losses that would take down a guest of the pool on that node. */
  private ownLosses(node: NodeState, { losses }: SurvivalDemand): Loss[] {
    return losses.map((kind) => (kind === "node" ? this.nodeLoss(node) : this.clusterLoss(node.cluster)));
  }

  private nodeLoss(node: NodeState): Loss {
    const inCluster = this.nodeLosses.get(node.cluster) ?? new Map<NodeState, Loss>();
    this.nodeLosses.set(node.cluster, inCluster);
    const loss = inCluster.get(node) ?? Loss.ofNode(node);
    inCluster.set(node, loss);
    return loss;
  }

  private clusterLoss(cluster: ClusterState): Loss {
    const loss = this.clusterLosses.get(cluster) ?? Loss.ofCluster(cluster, this.world);
    this.clusterLosses.set(cluster, loss);
    return loss;
  }

  /** Those with somebody to rescue whose rescue may use the node. */
  private lossesCountingOn(node: NodeState): Loss[] {
    const inCluster = [...(this.nodeLosses.get(node.cluster)?.values() ?? [])];
    return [...inCluster, ...this.clusterLosses.values()].filter((loss) => loss.refugees.size > 0 && !loss.takesDown(node));
  }
}

/** What the request's disks take on the node's storages, each byte counted `times`. */
function storageOf(request: PlacementRequest, ids: readonly string[], node: NodeState, times: 0 | 1): Map<StorageState, number> {
  const taken = new Map<StorageState, number>();
  request.disks.forEach(({ sizeBytes }, index) => {
    const storage = node.storages.get(ids[index] ?? "");
    if (storage !== undefined) taken.set(storage, (taken.get(storage) ?? 0) + times * wholeNonNegative(sizeBytes));
  });
  return taken;
}

function unsurvived(loss: Loss, arrival: Arrival, newcomer: Refugee | undefined): Unsurvived {
  const refugees = [...loss.refugees.values(), ...(newcomer === undefined ? [] : [newcomer])];
  return {
    kind: loss.kind,
    lost: loss.name,
    absorbedBefore: loss.isAbsorbed,
    needed: {
      guests: refugees.length,
      cpuMilli: refugees.reduce((sum, refugee) => sum + refugee.cpuMilli, 0),
      memoryMiB: refugees.reduce((sum, refugee) => sum + refugee.memoryMiB, 0),
    },
    free: loss.freeFor(refugees, arrival),
  };
}
