import type { Loss as LossKind } from "../model";
import type { ClusterState, NodeState, World } from "../world";
import { demandAfterClusterLoss, demandAfterNodeLoss, type Refugee, type StorageDemand } from "./refugee";
import { type Arrival, findRescue, Rescue, type Shelter } from "./rescue";

/** The guests that one loss would take down and that have to survive it, with the proof that they do. */
export class Loss implements Shelter {
  readonly refugees = new Map<string, Refugee>();
  private rescue: Rescue | undefined = new Rescue(this);
  private readonly shelters = new Map<string, readonly NodeState[]>();

  private constructor(
    readonly kind: LossKind,
    /** `cluster/node` or the cluster's id. */
    readonly name: string,
    private readonly lostNodes: ReadonlySet<NodeState>,
    private readonly lostNode: NodeState | undefined,
    private readonly candidates: (refugee: Refugee) => readonly NodeState[],
  ) {}

  static ofNode(node: NodeState): Loss {
    const others = startingAfter(node.cluster.nodes, node).filter(takesNewcomers);
    return new Loss("node", node.key, new Set([node]), node, () => others);
  }

  static ofCluster(cluster: ClusterState, world: World): Loss {
    const others = startingAfter(world.clusters, cluster).filter(({ facts }) => facts.status === "active" && facts.reachable);
    return new Loss("cluster", cluster.facts.id, new Set(cluster.nodes), undefined, ({ clusters }) =>
      others.filter(({ facts }) => clusters.includes(facts.id)).flatMap(({ nodes }) => nodes.filter(takesNewcomers)),
    );
  }

  /** True when a rescue of everybody is known. */
  get isAbsorbed(): boolean {
    return this.rescue !== undefined;
  }

  takesDown(node: NodeState): boolean {
    return this.lostNodes.has(node);
  }

  nodesFor(refugee: Refugee): readonly NodeState[] {
    const key = refugee.clusters.join("\n");
    const known = this.shelters.get(key) ?? this.candidates(refugee);
    this.shelters.set(key, known);
    return known;
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
    if (this.rescue === undefined) this.plan();
  }

  /** Somebody has taken room where this loss's guests may have counted on it. */
  onArrival(arrival: Arrival): void {
    if (this.rescue?.outlives(arrival) === false) this.plan();
  }

  /** Somebody has left a node: what was impossible may be possible now. */
  onDeparture(): void {
    if (this.rescue === undefined) this.plan();
  }

  /** Whether everybody, the newcomer included where this loss takes it down, still finds a place beside the newcomer. */
  absorbsWith(arrival: Arrival, newcomer: Refugee | undefined): boolean {
    if (this.rescue === undefined) return false;
    if (!this.takesDown(arrival.node)) return this.rescue.outlives(arrival) || isRescue(findRescue(this, this.refugees.values(), arrival));
    if (newcomer === undefined) return true;
    return this.rescue.couldAdmit(newcomer) || isRescue(findRescue(this, [...this.refugees.values(), newcomer]));
  }

  /** What is free, after the newcomer, on all nodes that may take one of the refugees. */
  freeFor(refugees: readonly Refugee[], arrival: Arrival): { cpuMilli: number; memoryMiB: number } {
    const free = { cpuMilli: 0, memoryMiB: 0 };
    for (const node of new Set(refugees.flatMap((refugee) => this.nodesFor(refugee)))) {
      const shared = arrival.node === node ? arrival : undefined;
      free.cpuMilli += Math.max(0, node.cpuCapacityMilli - node.cpuAllocatedMilli - (shared?.cpuMilli ?? 0));
      free.memoryMiB += Math.max(0, node.memoryCapacityMiB - node.memoryAllocatedMiB - (shared?.memoryMiB ?? 0));
    }
    return free;
  }

  private plan(): void {
    const found = findRescue(this, this.refugees.values());
    this.rescue = isRescue(found) ? found : undefined;
  }
}

function isRescue(found: ReturnType<typeof findRescue>): found is Rescue {
  return found instanceof Rescue;
}

function takesNewcomers({ facts }: NodeState): boolean {
  return facts.online && facts.status === "active";
}

/** The others in order, beginning behind one of them: so that not all losses count on the same place first. */
function startingAfter<Place>(places: readonly Place[], lost: Place): Place[] {
  const index = places.indexOf(lost);
  return [...places.slice(index + 1), ...places.slice(0, index)];
}
