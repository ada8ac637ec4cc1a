import type { PlacementRequest } from "../model";
import { compareText } from "../order";
import { scoreNode } from "../scores";
import { headroom } from "../scores/headroom";
import { STRATEGIES } from "../scores/strategies";
import { cpuMilli, type NodeState, type World } from "../world";
import { fitsOn, withoutGuest } from "./scoreboard";

/** A guest that would score more elsewhere. */
export interface Candidate {
  request: PlacementRequest;
  from: NodeState;
  to: NodeState;
  /** Points more for the guest itself and, estimated by how full the two nodes become, for the others on them. */
  estimate: number;
}

/** Pairs of guest and node that are looked at; in larger federations those of the nodes that are worst off. */
const MOST_PAIRS = 50_000;

/**
 * Guests that would be better off elsewhere, the most gain first. Scores are kept until one of the two nodes changes: after a
 * move only what it touched is asked again.
 */
export class Candidates {
  private readonly versions = new Map<string, number>();
  private readonly known = new Map<string, { stamp: string; gain: number | undefined }>();

  constructor(private readonly crossesClusters: boolean) {}

  /** Answers about these nodes are out of date. */
  forget(nodes: Iterable<NodeState>): void {
    for (const { key } of nodes) this.versions.set(key, this.version(key) + 1);
  }

  list(movable: ReadonlyMap<string, PlacementRequest>, world: World): Candidate[] {
    const targets = world.clusters.flatMap(({ nodes }) => nodes).filter(isOpen);
    const candidates = this.sources(movable, world, targets.length).flatMap((from) =>
      from.occupants
        .flatMap(({ key }) => (key === undefined ? [] : (movable.get(key) ?? [])))
        .flatMap((request) => this.better(request, from, targets, world)),
    );
    return candidates.sort(
      (left, right) =>
        right.estimate - left.estimate || compareText(left.request.key, right.request.key) || compareText(left.to.key, right.to.key),
    );
  }

  private sources(movable: ReadonlyMap<string, PlacementRequest>, world: World, targets: number): NodeState[] {
    const nodes = world.clusters.flatMap((cluster) => cluster.nodes);
    const ours = (node: NodeState) => node.occupants.filter(({ key }) => key !== undefined && movable.has(key)).length;
    const ranked = nodes.map((node) => ({ node, use: usePermille(node), guests: ours(node) }));
    ranked.sort((left, right) => right.use - left.use || compareText(left.node.key, right.node.key));
    let pairs = 0;
    const first = ranked.filter(({ guests }) => {
      pairs += guests * targets;
      return guests > 0 && pairs - guests * targets < MOST_PAIRS;
    });
    return first.map(({ node }) => node);
  }

  private better(request: PlacementRequest, from: NodeState, targets: readonly NodeState[], world: World): Candidate[] {
    const others = targets.filter((to) => to !== from && (this.crossesClusters || to.cluster === from.cluster));
    const unknown = others.filter((to) => this.known.get(`${request.key} ${to.key}`)?.stamp !== this.stamp(from, to));
    if (unknown.length > 0) {
      const use = usePermille(from);
      withoutGuest(request, from, world, (ask) => {
        const now = scoreNode(ask, from).score;
        const weight = STRATEGIES[ask.request.pool?.strategy ?? "balanced"].find(({ scorer }) => scorer === headroom)?.weight ?? 0;
        const relief = from.occupants.length * (use - usePermille(from));
        for (const to of unknown) {
          const burden = to.occupants.length * (usePermille(to, cpuMilli(request.cores), request.memoryMiB) - usePermille(to));
          const gain = fitsOn(ask, to) ? scoreNode(ask, to).score - now + ((relief - burden) * weight) / 1000 : undefined;
          this.known.set(`${request.key} ${to.key}`, { stamp: this.stamp(from, to), gain });
        }
      });
    }
    return others.flatMap((to): Candidate[] => {
      const gain = this.known.get(`${request.key} ${to.key}`)?.gain;
      return gain === undefined || gain <= 0 ? [] : [{ request, from, to, estimate: gain }];
    });
  }

  private stamp(from: NodeState, to: NodeState): string {
    return `${from.key} ${this.version(from.key)} ${this.version(to.key)}`;
  }

  private version(key: string): number {
    return this.versions.get(key) ?? 0;
  }
}

/** How much of the scarcer of cores and memory is taken, in thousandths, with so much more. */
export function usePermille(node: NodeState, cpu = 0, memoryMiB = 0): number {
  const share = (used: number, capacity: number) => (capacity === 0 ? 0 : Math.round((1000 * used) / capacity));
  return Math.max(
    share(node.cpuAllocatedMilli + cpu, node.cpuCapacityMilli),
    share(node.memoryAllocatedMiB + memoryMiB, node.memoryCapacityMiB),
  );
}

/** Takes newcomers. */
export function isOpen({ facts, cluster }: NodeState): boolean {
  return facts.online && facts.status === "active" && cluster.facts.status === "active" && cluster.facts.reachable;
}
