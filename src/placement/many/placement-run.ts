import { poolLimits } from "../filters/pool-limits";
import { amountShortfalls } from "../filters/request-valid";
import type { Placement, PlacementRequest } from "../model";
import { wholeNonNegative } from "../numbers";
import { compareText } from "../order";
import { placeInWorld, stayInWorld } from "../place-one";
import { occupy, restore, type Withdrawn, type World, withdraw } from "../world";
import { BoundedScanChooser, KindFigures } from "./bounded-scan";
import { type Chooser, HeapChooser, ScanChooser } from "./chooser";
import { type Kind, kindOf } from "./kind";
import { Shape } from "./shape";
import { Signatures } from "./signature";
import { StayCheck } from "./stay-check";

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

/** A request with what is known about its like. */
export interface Wanted {
  request: PlacementRequest;
  /** Position in the plan. */
  index: number;
  /** See `Signatures.ofKind`. */
  kindNumber: number;
}

/** With fewer guests of a shape than this, building its heap costs more than looking at every node each time. */
const HEAP_MINIMUM = 4;

/** Bytes a move to another cluster carries: as declared, else all disks in full. */
export function bytesToMove(request: PlacementRequest): number {
  if (request.moveBytes !== undefined) return wholeNonNegative(request.moveBytes);
  return request.disks.reduce((sum, disk) => sum + wholeNonNegative(disk.sizeBytes), 0);
}

/** One joint placement under way: the world as decided so far, and what has been worked out about kinds of requests. */
export class PlacementRun {
  private readonly signatures = new Signatures();
  private readonly kinds = new Map<number, Kind>();
  private readonly shapes = new Map<number, Shape>();
  private readonly figures = new Map<Kind, KindFigures>();
  private readonly demand = new Map<Shape, number>();
  private readonly choosers = new Map<Shape, Chooser>();
  /** The reasons of a refusal, without the name: interchangeable requests are refused for the same ones. */
  private readonly refusals = new Map<Shape, string>();
  private readonly moveReasons = new Map<string, string>();

  constructor(
    private readonly world: World,
    private readonly search: "heap" | "scan",
  ) {}

  want(request: PlacementRequest, index: number): Wanted {
    const kindNumber = this.signatures.ofKind(request);
    return { request, index, kindNumber };
  }

  /** Decides every request that stays and returns those that have to leave, all still in their place. */
  keep(wanted: readonly Wanted[], decisions: Decision[]): Wanted[] {
    const stayCheck = new StayCheck(this.world);
    const doubtful: Wanted[] = [];
    for (const each of wanted) {
      const { request, kindNumber, index } = each;
      if (request.prior === undefined) continue;
      if (!stayCheck.surelyStays(request, kindNumber)) doubtful.push(each);
      else decisions[index] = { key: request.key, name: request.name, outcome: "kept", placement: request.prior };
    }
    // The cheapest first: each that leaves may make it possible for the dearer ones to stay.
    const inOrder = doubtful.map((each) => ({ each, bytes: bytesToMove(each.request) }));
    inOrder.sort((left, right) => left.bytes - right.bytes || compareText(left.each.request.key, right.each.request.key));
    const leaving: { each: Wanted; withdrawn: Withdrawn[] }[] = [];
    for (const { each } of inOrder) {
      const { request, index } = each;
      const withdrawn = withdraw(this.world, request.key);
      const stay = stayInWorld(request, this.world);
      if (stay.result?.ok === true) {
        const { placement, explanation } = stay.result;
        const outcome = explanation.outcome === "moved" ? "moved" : "kept";
        occupy(this.world, request, placement);
        decisions[index] = { key: request.key, name: request.name, outcome, placement, moveReason: explanation.moveReason };
      } else {
        this.moveReasons.set(request.key, stay.reason ?? "");
        leaving.push({ each, withdrawn });
      }
    }
    for (const { withdrawn } of leaving) restore(this.world, withdrawn);
    return leaving.map(({ each }) => each);
  }

  /** Fewest possible nodes first, then the bulkiest; requests of one shape stay together, in key order. */
  mostConstrainedFirst(wanted: readonly Wanted[]): Wanted[] {
    const groups = new Map<Shape, Wanted[]>();
    for (const each of wanted) {
      const shape = this.shapeFor(each.request);
      const group = groups.get(shape);
      if (group === undefined) groups.set(shape, [each]);
      else group.push(each);
    }
    const ranked = [...groups].map(([shape, members]) => {
      this.demand.set(shape, members.length);
      if (members.length > 1) members.sort((left, right) => compareText(left.request.key, right.request.key));
      return { shape, members, bulk: shape.bulk };
    });
    ranked.sort(
      (left, right) =>
        left.shape.size - right.shape.size ||
        right.bulk - left.bulk ||
        compareText(left.members[0]!.request.key, right.members[0]!.request.key),
    );
    return ranked.flatMap(({ members }) => members);
  }

  move(request: PlacementRequest): Decision {
    const withdrawn = withdraw(this.world, request.key);
    const decision: Decision = {
      key: request.key,
      name: request.name,
      outcome: "moved",
      moveReason: this.moveReasons.get(request.key),
    };
    const found = this.findNewPlace(request);
    if (found.placement !== undefined) {
      const moveBytes = found.placement.cluster === request.prior?.cluster ? 0 : bytesToMove(request);
      return { ...decision, placement: found.placement, moveBytes };
    }
    restore(this.world, withdrawn);
    return { ...decision, outcome: "rejected", placement: request.prior, message: found.message };
  }

  placeNew(request: PlacementRequest): Decision {
    const { placement, message } = this.choose(request, this.search);
    if (placement === undefined) return { key: request.key, name: request.name, outcome: "rejected", message };
    return { key: request.key, name: request.name, outcome: "placed", placement };
  }

  private findNewPlace(request: PlacementRequest): Found {
    const kind = this.kindFor(request);
    // Guests that leave make room, so scores may rise again: no heap here.
    if (!kind.nodes.some((node) => node.cluster.facts.id === request.prior?.cluster)) return this.choose(request, "scan");
    // Inside its cluster a guest holds disks and is preferred before every score: the full decision knows how.
    const result = placeInWorld(request, this.world);
    if (!result.ok) return { message: result.message };
    occupy(this.world, request, result.placement, kind.ask.rules.apart);
    return { placement: result.placement };
  }

  private choose(request: PlacementRequest, search: "heap" | "scan"): Found {
    const shape = this.shapeFor(request);
    const index = this.isAllowed(request, shape.kind) ? this.chooserFor(shape, search).choose() : undefined;
    return index === undefined ? { message: this.refusal(request, shape) } : { placement: shape.place(request, index) };
  }

  private isAllowed(request: PlacementRequest, kind: Kind): boolean {
    const [cluster] = this.world.clusters;
    if (cluster === undefined || !kind.hasSoundRules || amountShortfalls(request).length > 0) return false;
    if (!kind.hasPoolLimits) return true;
    return poolLimits.check({ ...kind.ask, request, held: this.world.liveByKey.get(request.key) ?? [] }, cluster).length === 0;
  }

  private refusal(request: PlacementRequest, shape: Shape): string {
    const head = `Cannot place ${request.name}`;
    const known = this.refusals.get(shape);
    if (known !== undefined) return `${head}${known}`;
    const result = placeInWorld(request, this.world);
    if (result.ok) throw new Error(`placing ${request.key} alone and jointly disagree; this is a defect of the placement engine`);
    // Texts about the request itself name it further on as well.
    if (!result.message.slice(head.length).includes(request.name)) this.refusals.set(shape, result.message.slice(head.length));
    return result.message;
  }

  private chooserFor(shape: Shape, search: "heap" | "scan"): Chooser {
    const known = this.choosers.get(shape);
    if (known !== undefined) return known;
    const chooser = this.newChooser(shape, search);
    this.choosers.set(shape, chooser);
    return chooser;
  }

  private newChooser(shape: Shape, search: "heap" | "scan"): Chooser {
    if (this.search === "scan") return new ScanChooser(shape);
    const isHeapWorthIt = shape.kind.worsensOnly && (this.demand.get(shape) ?? 1) >= HEAP_MINIMUM;
    if (search === "heap" && isHeapWorthIt) return new HeapChooser(shape);
    const figures = this.figures.get(shape.kind) ?? new KindFigures(shape.kind);
    this.figures.set(shape.kind, figures);
    return new BoundedScanChooser(shape, figures);
  }

  private kindFor(request: PlacementRequest): Kind {
    const signature = this.signatureOf(request);
    const known = this.kinds.get(signature);
    if (known !== undefined) return known;
    const kind = kindOf(request, this.world);
    this.kinds.set(signature, kind);
    return kind;
  }

  private signatureOf(request: PlacementRequest): number {
    const kind = this.signatures.ofKind(request);
    return request.prior === undefined ? kind : this.signatures.ofLeaving(kind, request.prior.cluster);
  }

  private shapeFor(request: PlacementRequest): Shape {
    const signature = this.signatures.ofShape(this.signatureOf(request), request);
    const known = this.shapes.get(signature);
    if (known !== undefined) return known;
    const shape = new Shape(this.kindFor(request), request);
    this.shapes.set(signature, shape);
    return shape;
  }
}

interface Found {
  placement?: Placement;
  /** Why there is none. */
  message?: string;
}
