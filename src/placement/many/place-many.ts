import { storageIds } from "../ask";
import { poolLimits } from "../filters/pool-limits";
import { requestValid } from "../filters/request-valid";
import type { Inventory, Placement, PlacementRequest, PlacementResult, Promised } from "../model";
import { wholeNonNegative } from "../numbers";
import { compareText } from "../order";
import { explainInWorld, placeInWorld, stayInWorld } from "../place-one";
import { buildWorld, occupy, restore, type Withdrawn, type World, withdraw } from "../world";
import { type Chooser, HeapChooser, ScanChooser } from "./chooser";
import { type Kind, kindOf } from "./kind";
import { Shape } from "./shape";
import { Signatures } from "./signature";
import { StayCheck } from "./stay-check";

/** Where many requests go together. */
export interface PlacementPlan {
  /** In the order of the requests. */
  decisions: Decision[];
  counts: Record<Decision["outcome"], number>;
  /** Bytes that the moves between clusters carry. */
  movedBytes: number;
}

/** One request's part of a plan; `explainDecision` has the details. */
export interface Decision {
  key: string;
  name: string;
  outcome: "kept" | "placed" | "moved" | "rejected";
  /** Where it goes; of a rejected request the place it still is at, if any. */
  placement?: Placement;
  /** Why a prior placement could not stay. */
  moveReason?: string;
  /** Why it fits nowhere and what would help. */
  message?: string;
  /** Bytes a move to another cluster carries. */
  moveBytes?: number;
}

export interface PlaceManyOptions {
  /** `heap` (default) and `scan` give the same plan; the scan is the reference that tests and benchmarks compare with. */
  search?: "heap" | "scan";
}

/** With fewer guests of a shape than this, building its heap costs more than looking at every node each time. */
const HEAP_MINIMUM = 4;

/**
 * Places many requests jointly: what can stay stays; then those that must move, then new ones, each time the most
 * constrained first. Deterministic and independent of the order of the requests. Of several guests that may not be
 * together, those with the fewest bytes to carry leave.
 *
 * @throws RangeError when two requests have the same key
 */
export function placeMany(requests: readonly PlacementRequest[], inventory: Inventory, options: PlaceManyOptions = {}): PlacementPlan {
  const run = new Run(buildWorld(inventory, []), options.search ?? "heap");
  const positions = positionsByKey(requests);
  const decisions = new Array<Decision>(requests.length);
  const settleRequest = (request: PlacementRequest, decision: Decision): void => {
    decisions[positions.get(request.key) ?? 0] = decision;
  };
  const leaving = run.keep(requests, settleRequest);
  for (const request of run.mostConstrainedFirst(leaving)) settleRequest(request, run.move(request));
  const fresh = requests.filter(({ prior }) => prior === undefined);
  for (const request of run.mostConstrainedFirst(fresh)) settleRequest(request, run.placeNew(request));
  return summarize(decisions);
}

/**
 * One decision of a plan in full: every candidate with score or reason, seen from the finished plan, in which all other
 * requests have their place.
 */
export function explainDecision(
  key: string,
  plan: PlacementPlan,
  requests: readonly PlacementRequest[],
  inventory: Inventory,
): PlacementResult | undefined {
  const index = requests.findIndex((request) => request.key === key);
  const request = requests[index];
  const decision = plan.decisions[index];
  if (request === undefined || decision === undefined) return undefined;
  const promised: Promised[] = requests.flatMap((other, position) => {
    const placement = plan.decisions[position]?.placement;
    return position === index || placement === undefined ? [] : [{ request: other, placement }];
  });
  return explainInWorld(request, buildWorld(inventory, promised, key), decision);
}

function positionsByKey(requests: readonly PlacementRequest[]): Map<string, number> {
  const positions = new Map<string, number>();
  requests.forEach(({ key }, index) => {
    if (positions.has(key)) throw new RangeError(`two requests have the key ${key}; give each guest its own`);
    positions.set(key, index);
  });
  return positions;
}

function summarize(decisions: Decision[]): PlacementPlan {
  const counts = { kept: 0, placed: 0, moved: 0, rejected: 0 };
  let movedBytes = 0;
  for (const { outcome, moveBytes } of decisions) {
    counts[outcome] += 1;
    if (outcome === "moved") movedBytes += moveBytes ?? 0;
  }
  return { decisions, counts, movedBytes };
}

/** Bytes a move to another cluster carries: as declared, else all disks in full. */
export function bytesToMove(request: PlacementRequest): number {
  if (request.moveBytes !== undefined) return wholeNonNegative(request.moveBytes);
  return request.disks.reduce((sum, disk) => sum + wholeNonNegative(disk.sizeBytes), 0);
}

/** The state of one joint placement. */
class Run {
  private readonly signatures = new Signatures();
  private readonly kinds = new Map<string, Kind>();
  private readonly shapes = new Map<string, Shape>();
  private readonly demand = new Map<Shape, number>();
  private readonly choosers = new Map<Shape, Chooser>();
  /** The reasons of a refusal, without the name: interchangeable requests are refused for the same ones. */
  private readonly refusals = new Map<Shape, string>();
  private readonly moveReasons = new Map<string, string>();

  constructor(
    private readonly world: World,
    private readonly search: "heap" | "scan",
  ) {}

  /** Decides every request that stays and returns those that have to leave, all still in their place. */
  keep(requests: readonly PlacementRequest[], settleRequest: (request: PlacementRequest, decision: Decision) => void): PlacementRequest[] {
    const stayCheck = new StayCheck(this.world);
    const doubtful: PlacementRequest[] = [];
    for (const request of requests) {
      const { prior } = request;
      if (prior === undefined) continue;
      const kind = this.kindFor(request);
      if (stayCheck.surelyStays(request, kind))
        settleRequest(request, { key: request.key, name: request.name, outcome: "kept", placement: prior });
      else doubtful.push(request);
    }
    // The cheapest first: each that leaves may make it possible for the dearer ones to stay.
    doubtful.sort((left, right) => bytesToMove(left) - bytesToMove(right) || compareText(left.key, right.key));
    const leaving: { request: PlacementRequest; withdrawn: Withdrawn[] }[] = [];
    for (const request of doubtful) {
      const withdrawn = withdraw(this.world, request.key);
      const stay = stayInWorld(request, this.world);
      if (stay.result?.ok === true) {
        const { placement, explanation } = stay.result;
        const outcome = explanation.outcome === "moved" ? "moved" : "kept";
        occupy(this.world, request, placement);
        settleRequest(request, { key: request.key, name: request.name, outcome, placement, moveReason: explanation.moveReason });
      } else {
        this.moveReasons.set(request.key, stay.reason ?? "");
        leaving.push({ request, withdrawn });
      }
    }
    for (const { withdrawn } of leaving) restore(this.world, withdrawn);
    return leaving.map(({ request }) => request);
  }

  /** Fewest possible nodes first, then the bulkiest; requests of one shape stay together, in key order. */
  mostConstrainedFirst(requests: readonly PlacementRequest[]): PlacementRequest[] {
    const groups = new Map<Shape, PlacementRequest[]>();
    for (const request of requests) {
      const shape = this.shapeFor(request);
      const group = groups.get(shape);
      if (group === undefined) groups.set(shape, [request]);
      else group.push(request);
    }
    const ranked = [...groups].map(([shape, members]) => {
      this.demand.set(shape, members.length);
      members.sort((left, right) => compareText(left.key, right.key));
      return { shape, members, bulk: shape.bulk };
    });
    ranked.sort(
      (left, right) =>
        left.shape.size - right.shape.size || right.bulk - left.bulk || compareText(left.members[0]!.key, right.members[0]!.key),
    );
    return ranked.flatMap(({ members }) => members);
  }

  move(request: PlacementRequest): Decision {
    const withdrawn = withdraw(this.world, request.key);
    const moveReason = this.moveReasons.get(request.key);
    const kind = this.kindFor(request);
    const mayStayInCluster = kind.nodes.some((node) => node.cluster.facts.id === request.prior?.cluster);
    // Inside its cluster a guest holds disks and is preferred before every score: the full decision knows how.
    const found = mayStayInCluster ? placeInWorld(request, this.world) : this.choose(request, "scan");
    const decision: Decision = { key: request.key, name: request.name, outcome: "moved", moveReason };
    if (found.ok) {
      occupy(this.world, request, found.placement, kind.ask.rules.apart);
      const moveBytes = found.placement.cluster === request.prior?.cluster ? 0 : bytesToMove(request);
      return { ...decision, placement: found.placement, moveBytes };
    }
    restore(this.world, withdrawn);
    return { ...decision, outcome: "rejected", placement: request.prior, message: found.message };
  }

  placeNew(request: PlacementRequest): Decision {
    const found = this.choose(request, this.search);
    if (!found.ok) return { key: request.key, name: request.name, outcome: "rejected", message: found.message };
    occupy(this.world, request, found.placement, this.kindFor(request).ask.rules.apart);
    return { key: request.key, name: request.name, outcome: "placed", placement: found.placement };
  }

  private choose(request: PlacementRequest, search: "heap" | "scan"): { ok: true; placement: Placement } | { ok: false; message: string } {
    const shape = this.shapeFor(request);
    const index = this.isAllowed(request) ? this.chooserFor(shape, search).choose() : undefined;
    if (index === undefined) return { ok: false, message: this.refusal(request, shape) };
    const node = shape.kind.nodes[index]!;
    const storages = storageIds({ ...shape.kind.ask, request }, node.cluster).map((id) => id ?? "");
    return { ok: true, placement: { cluster: node.cluster.facts.id, node: node.facts.name, storages } };
  }

  private isAllowed(request: PlacementRequest): boolean {
    const [cluster] = this.world.clusters;
    if (cluster === undefined) return false;
    const ask = { ...this.kindFor(request).ask, request, held: this.world.liveByKey.get(request.key) ?? [] };
    return poolLimits.check(ask, cluster).length === 0 && requestValid.check(ask, cluster).length === 0;
  }

  private refusal(request: PlacementRequest, shape: Shape): string {
    const head = `Cannot place ${request.name}`;
    const known = this.refusals.get(shape);
    if (known !== undefined) return `${head}${known}`;
    const result = placeInWorld(request, this.world);
    if (result.ok) throw new Error(`placing ${request.key} alone and jointly disagree; this is a defect of the placement engine`);
    if (result.message.startsWith(head)) this.refusals.set(shape, result.message.slice(head.length));
    return result.message;
  }

  private chooserFor(shape: Shape, search: "heap" | "scan"): Chooser {
    const known = this.choosers.get(shape);
    if (known !== undefined) return known;
    const worthIt = shape.kind.worsensOnly && (this.demand.get(shape) ?? 1) >= HEAP_MINIMUM;
    const chooser = search === "heap" && worthIt ? new HeapChooser(shape) : new ScanChooser(shape);
    this.choosers.set(shape, chooser);
    return chooser;
  }

  private kindFor(request: PlacementRequest): Kind {
    const signature = this.signatures.ofKind(request);
    const known = this.kinds.get(signature);
    if (known !== undefined) return known;
    const kind = kindOf(signature, request, this.world);
    this.kinds.set(signature, kind);
    return kind;
  }

  private shapeFor(request: PlacementRequest): Shape {
    const amounts = this.signatures.ofShape(request);
    const signature = `${this.signatures.ofKind(request)}\u0002${amounts}`;
    const known = this.shapes.get(signature);
    if (known !== undefined) return known;
    const shape = new Shape(this.kindFor(request), amounts, request);
    this.shapes.set(signature, shape);
    return shape;
  }
}
