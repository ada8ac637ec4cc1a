import { askFor } from "../ask";
import { bytesToMove, type Decision } from "../many/placement-run";
import type { Inventory, Placement, PlacementRequest, Promised } from "../model";
import { carriedBytes } from "../moves/carried-bytes";
import { compareText } from "../order";
import { stayInWorld } from "../place-one";
import { buildWorld, type NodeState, restore, type World, withdraw } from "../world";
import { compileRepair, placementAt } from "./compile";
import { addCosts, type Cost, FREE, moveCost, UNPLACED } from "./cost";
import { type Assignment, type Item, NOWHERE, type RepairModel } from "./model";
import type { Scope } from "./scope";
import { findBreach, type Placed } from "./verify";

/** What a plan decided so far, by key. */
export type Decided = ReadonlyMap<string, Decision>;

export interface Improvement {
  decisions: Decision[];
  /** Keys of guests that move only to make room. */
  displaced: string[];
}

/**
 * One part of a federation to be repaired: its guests are decided together, everything else stays as planned. Turns the
 * question into a model and an answer into decisions; how the answer is found is others' business.
 */
export class RepairCase {
  /** Absent when nobody in this part is in trouble. */
  readonly model: RepairModel | undefined;
  private readonly subjects: readonly PlacementRequest[];
  private readonly world: World;

  constructor(
    scope: Scope,
    private readonly requests: readonly PlacementRequest[],
    private readonly decisions: Decided,
    private readonly inventory: Inventory,
    makeRoom: boolean,
  ) {
    // In an order of their own: the search breaks ties by it.
    const inScope = requests.filter(({ key }) => scope.keys.has(key)).sort((left, right) => compareText(left.key, right.key));
    const troubled = troubledOf(inScope, inventory);
    const isSubject = ({ key, prior }: PlacementRequest) => troubled.has(key) || (makeRoom && isOnline(prior, inventory));
    this.subjects = troubled.size === 0 ? [] : inScope.filter(isSubject);
    this.world = this.worldWithoutSubjects();
    if (this.subjects.length === 0) return;
    const nodes = this.world.clusters.flatMap((cluster) => cluster.nodes).filter(({ key }) => scope.nodes.has(key));
    this.model = compileRepair({
      requests: this.subjects,
      world: this.world,
      nodes,
      troubled,
      newcomers: this.newcomers(),
      planned: this.planned(),
    });
  }

  /** The plan so far as an assignment, where the model can express it, and what it costs for the guests of this part. */
  plannedIn(model: RepairModel): { cost: Cost; assignment?: Assignment } {
    const assignment = model.items.map(({ request, options }): number | undefined => {
      const { outcome, placement } = this.decisions.get(request.key)!;
      if (outcome === "rejected") return NOWHERE;
      const found = options.findIndex(({ node }) => placement !== undefined && isOn(model.nodes[node]!, placement));
      return found < 0 ? undefined : found;
    });
    const known = assignment.filter((option) => option !== undefined);
    return { cost: this.plannedCost(), assignment: known.length === assignment.length ? known : undefined };
  }

  private plannedCost(): Cost {
    return this.subjects.reduce<Cost>((sum, request) => addCosts(sum, costOf(request, this.decisions.get(request.key), this.world)), FREE);
  }

  /** Whether every filter agrees; the model may not know every rule. */
  accepts(model: RepairModel, assignment: Assignment): boolean {
    return findBreach(this.placedBy(model, assignment), this.worldWithoutSubjects()) === undefined;
  }

  decide(model: RepairModel, assignment: Assignment): Improvement {
    const arrivals = this.placedBy(model, assignment).filter(
      ({ request, placement, isUnplaced }) => !isUnplaced && !isSamePlace(request.prior, placement),
    );
    const displaced = model.items.flatMap(({ isTroubled, options, request }, index) =>
      isTroubled || options[assignment[index]!]?.stays ? [] : [request],
    );
    const decisions = model.items.map((item, index): Decision => {
      const { request } = item;
      const { key, name, prior } = request;
      const planned = this.decisions.get(key)!;
      const placement = this.placeOf(model, item, assignment[index]!);
      if (placement === undefined) return refused(request, planned);
      if (planned.outcome !== "rejected" && isSamePlace(planned.placement, placement)) return planned;
      if (prior === undefined) return { key, name, outcome: "placed", placement };
      if (isSamePlace(prior, placement)) return stays(request, placement);
      const moveReason = displaced.includes(request) ? makesRoom(prior, arrivals) : (planned.moveReason ?? this.whyNot(request));
      const moveBytes = prior.cluster === placement.cluster ? 0 : bytesToMove(request);
      return { key, name, outcome: "moved", placement, moveReason, moveBytes };
    });
    return { decisions, displaced: displaced.map(({ key }) => key) };
  }

  private worldWithoutSubjects(): World {
    const keys = new Set(this.subjects.map(({ key }) => key));
    const promised = this.requests.flatMap((request): Promised[] => {
      const placement = keys.has(request.key) ? undefined : this.decisions.get(request.key)?.placement;
      return placement === undefined ? [] : [{ request, placement }];
    });
    const world = buildWorld(this.inventory, promised);
    for (const key of keys) withdraw(world, key);
    return world;
  }

  /** Nodes to which the plan brings guests that are not subjects. */
  private newcomers(): Set<number> {
    const keys = new Set(this.subjects.map(({ key }) => key));
    const nodes = [...this.decisions.values()].flatMap(({ key, outcome, placement }) => {
      if (keys.has(key) || placement === undefined || (outcome !== "moved" && outcome !== "placed")) return [];
      return this.world.clusterById.get(placement.cluster)?.nodeByName.get(placement.node)?.index ?? [];
    });
    return new Set(nodes);
  }

  private planned(): Map<string, Placement> {
    return new Map(
      this.subjects.flatMap(({ key }): [string, Placement][] => {
        const placement = this.decisions.get(key)?.placement;
        return placement === undefined ? [] : [[key, placement]];
      }),
    );
  }

  private placedBy(model: RepairModel, assignment: Assignment): Placed[] {
    return model.items.flatMap((item, index): Placed[] => {
      const { request } = item;
      const placement = this.placeOf(model, item, assignment[index]!) ?? request.prior;
      return placement === undefined ? [] : [{ request, placement, isUnplaced: assignment[index] === NOWHERE }];
    });
  }

  private placeOf(model: RepairModel, { request, options }: Item, option: number): Placement | undefined {
    const chosen = options[option];
    return chosen === undefined ? undefined : placementAt(askFor(request, this.world), model.nodes[chosen.node]!);
  }

  private whyNot(request: PlacementRequest): string | undefined {
    const world = buildWorld(this.inventory, []);
    withdraw(world, request.key);
    return stayInWorld(request, world).reason;
  }
}

function isOn({ facts, cluster }: NodeState, placement: Placement): boolean {
  return facts.name === placement.node && cluster.facts.id === placement.cluster;
}

/** What a decision costs, compared with leaving the guest where it is. */
export function costOf(request: PlacementRequest, decision: Decision | undefined, world: World): Cost {
  const { prior } = request;
  if (decision === undefined || decision.outcome === "rejected" || decision.placement === undefined) return UNPLACED;
  if (prior === undefined || isSamePlace(prior, decision.placement)) return FREE;
  return moveCost(carriedBytes(request, prior, decision.placement, world), prior.cluster !== decision.placement.cluster);
}

/** New guests, and those that may not stay when nobody moves. */
function troubledOf(requests: readonly PlacementRequest[], inventory: Inventory): Set<string> {
  const world = buildWorld(inventory, []);
  const troubled = new Set<string>();
  for (const request of requests) {
    const withdrawn = withdraw(world, request.key);
    if (request.prior === undefined || stayInWorld(request, world).result === undefined) troubled.add(request.key);
    restore(world, withdrawn);
  }
  return troubled;
}

/** Nothing can be moved off a node that does not answer. */
function isOnline(prior: Placement | undefined, { clusters }: Inventory): boolean {
  const nodes = clusters.find(({ id }) => id === prior?.cluster)?.nodes ?? [];
  return nodes.find(({ name }) => name === prior?.node)?.online ?? false;
}

function refused({ key, name, prior }: PlacementRequest, planned: Decision): Decision {
  if (planned.outcome === "rejected") return planned;
  const message = `Cannot place ${name}: others that would have no place otherwise need the room, and it fits nowhere else. Add capacity.`;
  return { key, name, outcome: "rejected", placement: prior, moveReason: planned.moveReason, message };
}

function stays({ key, name, prior }: PlacementRequest, placement: Placement): Decision {
  const isUnchanged = placement.storages.every((storage, index) => storage === (prior?.storages[index] ?? storage));
  return { key, name, outcome: isUnchanged ? "kept" : "moved", placement };
}

/** `makes room on a/n1 for db-1, db-2`. */
function makesRoom(from: Placement, arrivals: readonly Placed[]): string {
  const there = arrivals.filter(({ placement }) => isSamePlace(placement, from)).map(({ request }) => request.name);
  const place = `${from.cluster}/${from.node}`;
  return there.length === 0 ? `makes room on ${place}` : `makes room on ${place} for ${there.sort(compareText).join(", ")}`;
}

function isSamePlace(left: Placement | undefined, right: Placement | undefined): boolean {
  return left !== undefined && right !== undefined && left.cluster === right.cluster && left.node === right.node;
}
