import type { Loss as LossKind } from "../model";
import type { ClusterState, NodeState, World } from "../world";
import { Aftermath } from "./aftermath";
import { demandAfterClusterLoss, demandAfterNodeLoss, type Refugee, type StorageDemand } from "./refugee";
import type { Refusals } from "./refusals";
import { type Arrival, findRescue, type Homeless, Rescue, type Shelter } from "./rescue";

/** The guests that one loss would take down and that have to survive it, with the proof that they do. */
export class Loss implements Shelter {
  readonly refugees = new Map<string, Refugee>();
  readonly kind: LossKind;
  private rescue: Rescue | undefined;
  /** Who has no place while no rescue of everybody is known. */
  private homeless: Homeless | undefined;

  private constructor(
    /** `cluster/node` or the cluster's id. */
    readonly name: string,
    readonly after: Aftermath,
    readonly nodes: readonly NodeState[],
    private readonly lostNode?: NodeState,
  ) {
    this.kind = after.kind;
    this.rescue = new Rescue(this);
  }

  static ofNode(node: NodeState, world: World, refusals: Refusals): Loss {
    const others = startingAfter(node.cluster.nodes, node).filter(takesNewcomers);
    return new Loss(node.key, new Aftermath(world, node, refusals), others, node);
  }

  static ofCluster(cluster: ClusterState, world: World, refusals: Refusals): Loss {
    const others = startingAfter(world.clusters, cluster).flatMap(({ nodes }) => nodes.filter(takesNewcomers));
    return new Loss(cluster.facts.id, new Aftermath(world, cluster, refusals), others);
  }

  /** True when a rescue of everybody is known. */
  get isAbsorbed(): boolean {
    return this.rescue !== undefined;
  }

  /** Whether the known rescue of everybody depends on guests anywhere. */
  get needsCompany(): boolean {
    return this.rescue?.needsCompany === true;
  }

  storageDemand(refugee: Refugee, node: NodeState): StorageDemand {
    return this.lostNode === undefined ? demandAfterClusterLoss(refugee, node) : demandAfterNodeLoss(refugee, this.lostNode, node);
  }

  /** A guest that this loss would take down has come. */
  add(refugee: Refugee): void {
    this.refugees.set(refugee.id, refugee);
    if (this.rescue?.admit(refugee) === false) this.plan();
  }

  /** Such a guest has gone. */
  remove(id: string): void {
    this.refugees.delete(id);
    this.rescue?.dismiss(id);
    if (this.rescue?.isSound() !== true) this.plan();
  }

  /** Somebody has taken room where this loss's guests may have counted on it. */
  onArrival(arrival: Arrival): void {
    if (this.rescue?.outlives(arrival) === false) this.plan();
  }

  /** Somebody has left a node: what was impossible may be possible now, and who counted on company may have lost it. */
  onDeparture(): void {
    if (this.rescue?.isSound() !== true) this.plan();
  }

  /**
   * Who would find no place if the newcomer were there (and itself had to move where this loss takes it down); `undefined`
   * when everybody would.
   */
  homelessWith(arrival: Arrival, newcomer: Refugee | undefined): Homeless | undefined {
    if (this.rescue === undefined) return this.homeless;
    if (!this.after.takesDown(arrival.node)) {
      return this.rescue.outlives(arrival) ? undefined : homelessIn(findRescue(this, this.refugees.values(), arrival));
    }
    if (newcomer === undefined || this.rescue.couldAdmit(newcomer)) return undefined;
    return homelessIn(findRescue(this, [...this.refugees.values(), newcomer]));
  }

  /** What is free, after the newcomer, on all nodes that may take one of the refugees. */
  freeFor(refugees: readonly Refugee[], arrival: Arrival): { cpuMilli: number; memoryMiB: number } {
    const profiles = [...new Set(refugees.map(({ profile }) => profile))];
    const free = { cpuMilli: 0, memoryMiB: 0 };
    for (const node of this.nodes) {
      if (!profiles.some((profile) => profile.isOpen(node, this.kind))) continue;
      const shared = arrival.node === node ? arrival : undefined;
      free.cpuMilli += Math.max(0, node.cpuCapacityMilli - node.cpuAllocatedMilli - (shared?.cpuMilli ?? 0));
      free.memoryMiB += Math.max(0, node.memoryCapacityMiB - node.memoryAllocatedMiB - (shared?.memoryMiB ?? 0));
    }
    return free;
  }

  private plan(): void {
    const found = findRescue(this, this.refugees.values());
    this.homeless = homelessIn(found);
    this.rescue = found instanceof Rescue ? found : undefined;
  }
}

function homelessIn(found: Rescue | Homeless): Homeless | undefined {
  return found instanceof Rescue ? undefined : found;
}

function takesNewcomers({ facts, cluster }: NodeState): boolean {
  return facts.online && facts.status === "active" && cluster.facts.reachable;
}

/** The others in order, beginning behind one of them: so that not all losses count on the same place first. */
function startingAfter<Place>(places: readonly Place[], lost: Place): Place[] {
  const index = places.indexOf(lost);
  return [...places.slice(index + 1), ...places.slice(0, index)];
}
