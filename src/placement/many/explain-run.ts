import type { Placement, PlacementRequest } from "../model";
import { addToStorage, type NodeState, type World } from "../world";
import { BoundedScanChooser } from "./bounded-scan";
import type { Candidates } from "./candidates";
import { type Kind, Kinds } from "./kind";
import { NodeFigures } from "./node-figures";
import type { Decision } from "./placement-run";
import { Shape } from "./shape";

/** The figures behind one decision of a plan; `explainDecision` has every candidate, every term and the texts. */
export interface DecisionFigures {
  key: string;
  outcome: Decision["outcome"];
  placement?: Placement;
  moveReason?: string;
  message?: string;
  /** Of a newly placed guest: the points of its node, seen from the finished plan without the guest itself. */
  score?: number;
  /**
   * The best other place for it in the finished plan; absent where there is none. Also absent (and `isNextKnown` false)
   * where rules look beyond single nodes: spread, survival, and keeping apart in a whole cluster.
   */
  next?: { cluster: string; node: string; score: number };
  /** `score` less the points of `next`. */
  margin?: number;
  isNextKnown: boolean;
}

const NOT_SCORED = { score: undefined, next: undefined, margin: undefined, isNextKnown: false };

/** Explains decisions from the state in which a run has left the world. The world is the same afterwards. */
export class RunExplainer {
  private readonly kinds: Kinds;
  private readonly scans = new Map<Candidates, BoundedScanChooser>();
  private readonly positions = new Map<Candidates, Map<NodeState, number>>();

  constructor(private readonly world: World) {
    this.kinds = new Kinds(world);
  }

  figuresOf(request: PlacementRequest, decision: Decision): DecisionFigures {
    const { key, outcome, placement, moveReason, message } = decision;
    const told: DecisionFigures = { key, outcome, placement, moveReason, message, ...NOT_SCORED };
    if (outcome !== "placed" || placement === undefined || this.world.liveByKey.locate(key).length > 0) return told;
    const kind = this.kinds.newcomerKindOf(request);
    if (!looksAtNodesOnly(kind)) return told;
    const node = this.world.clusterById.get(placement.cluster)?.nodeByName.get(placement.node);
    const index = node === undefined ? undefined : this.positionsOf(kind.candidates).get(node);
    if (node === undefined || index === undefined) return told;
    const shape = new Shape(kind, request);
    count(shape, index, -1);
    told.score = shape.score(index);
    const next = this.scanOf(kind.candidates).choose(shape, index);
    if (next !== undefined) {
      const { cluster, facts } = kind.candidates.nodes[next]!;
      told.next = { cluster: cluster.facts.id, node: facts.name, score: shape.score(next) };
      told.margin = told.score - told.next.score;
    }
    count(shape, index, 1);
    told.isNextKnown = true;
    return told;
  }

  private scanOf(candidates: Candidates): BoundedScanChooser {
    const known = this.scans.get(candidates);
    if (known !== undefined) return known;
    const scan = new BoundedScanChooser(new NodeFigures(candidates, this.world.changes, "without-storage"));
    this.scans.set(candidates, scan);
    return scan;
  }

  private positionsOf(candidates: Candidates): Map<NodeState, number> {
    const known = this.positions.get(candidates);
    if (known !== undefined) return known;
    const positions = new Map(candidates.nodes.map((node, index) => [node, index]));
    this.positions.set(candidates, positions);
    return positions;
  }
}

/** Whether the guest's own presence matters to no node but its own, beyond sums. */
function looksAtNodesOnly({ ask: { rules, world } }: Kind): boolean {
  return (
    world.survival === undefined &&
    rules.spread.length === 0 &&
    rules.soft.every(({ rule }) => rule.type !== "spread") &&
    rules.apart.every(({ rule }) => rule.scope !== "cluster")
  );
}

/** Takes the guest out of the sums (-1) or puts it back (1), without telling the readers of the log: it is a look only. */
function count({ kind, load, size: { classBytes } }: Shape, index: number, sign: 1 | -1): void {
  const { nodes, storages } = kind.candidates;
  const node = nodes[index]!;
  node.cpuAllocatedMilli += sign * load.cpuMilli;
  node.memoryAllocatedMiB += sign * load.memoryMiB;
  node.memoryUsedMiB += sign * load.memoryMiB;
  node.cluster.guests += sign;
  node.cluster.tags.adjust(node, load.tags, sign);
  classBytes.forEach((bytes, slot) => {
    const storage = storages[index * classBytes.length + slot];
    if (storage !== undefined) addToStorage(storage, sign * bytes);
  });
}
