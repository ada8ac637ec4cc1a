import { poolLimits } from "../filters/pool-limits";
import type { Placement, PlacementRequest } from "../model";
import { requestDiskBytes } from "../node-state";
import { wholeNonNegative } from "../numbers";
import { compareText } from "../order";
import { placeInWorld, stayInWorld } from "../place-one";
import { occupy, restore, type Withdrawn, type World, withdraw } from "../world";
import { Kinds } from "./kind";
import { liveMatchFor } from "./live-match";
import { Searches, type ShapeSearch, type SharedSize } from "./searches";
import type { Shape } from "./shape";
import { forEachShape } from "./shape-groups";
import { StayCheck } from "./stay-check";

/** One request's part of a plan; `explainDecision` has the details. */
export interface Decision {
  key: string;
  name: string;
  outcome: "kept" | "placed" | "moved" | "rejected";
  /** Where it goes; of a rejected request the place it still is at, if any. Guests of one place may share the object: copy it to change it. */
  placement?: Placement;
  /** Why a prior placement could not stay. */
  moveReason?: string;
  /** Why it fits nowhere and what would help. */
  message?: string;
  /** Bytes a move to another cluster carries. */
  moveBytes?: number;
}

/** Bytes a move to another cluster carries: as declared, else all disks in full. */
export function bytesToMove(request: PlacementRequest): number {
  return request.moveBytes === undefined ? requestDiskBytes(request) : wholeNonNegative(request.moveBytes);
}

/** One joint placement under way: the world as decided so far, and what has been worked out about kinds of requests. */
export class PlacementRun {
  private readonly kinds: Kinds;
  private readonly stayCheck: StayCheck;
  private readonly searches: Searches;
  private readonly moveReasons = new Map<string, string>();

  /** @param search see `PlaceManyOptions` */
  constructor(
    private readonly world: World,
    search: "fast" | "scan",
  ) {
    this.kinds = new Kinds(world);
    this.searches = new Searches(world, search);
    this.stayCheck = new StayCheck(world, this.kinds);
  }

  /**
   * Decides every request that stays and returns the positions of the others: those that have to leave, all still in their
   * place, and those without a place.
   */
  keep(requests: readonly PlacementRequest[], decisions: Decision[]): { leaving: number[]; fresh: number[] } {
    const { doubtful, fresh } = this.keepSure(requests, decisions);
    // The cheapest first: each that leaves may make it possible for the dearer ones to stay.
    const inOrder = doubtful.map((index) => ({ index, request: requests[index]!, bytes: bytesToMove(requests[index]!) }));
    inOrder.sort((left, right) => left.bytes - right.bytes || compareText(left.request.key, right.request.key));
    const leaving: { index: number; withdrawn: Withdrawn[] }[] = [];
    for (const { index, request } of inOrder) {
      const withdrawn = withdraw(this.world, request.key);
      const stay = stayInWorld(request, this.world);
      if (stay.result?.ok === true) {
        const { placement, explanation } = stay.result;
        const outcome = explanation.outcome === "moved" ? "moved" : "kept";
        occupy(this.world, request, placement);
        decisions[index] = { key: request.key, name: request.name, outcome, placement, moveReason: explanation.moveReason };
      } else {
        this.moveReasons.set(request.key, stay.reason ?? "");
        leaving.push({ index, withdrawn });
      }
    }
    for (const { withdrawn } of leaving) restore(this.world, withdrawn);
    return { leaving: leaving.map(({ index }) => index), fresh };
  }

  /** Decides those that surely stay and returns the positions of the others, with a place and without. */
  private keepSure(requests: readonly PlacementRequest[], decisions: Decision[]): { doubtful: number[]; fresh: number[] } {
    const match = liveMatchFor(requests, this.world);
    const inCompany: number[] = [];
    const doubtful: number[] = [];
    const fresh: number[] = [];
    for (let index = 0; index < requests.length; index++) {
      const request = requests[index]!;
      const { prior } = request;
      if (prior === undefined) {
        fresh.push(index);
        continue;
      }
      const stays = this.stayCheck.stays(request, prior, match);
      if (stays === "no") doubtful.push(index);
      else decisions[index] = { key: request.key, name: request.name, outcome: "kept", placement: prior };
      if (stays === "alone") inCompany.push(index);
    }
    const keys = match.doubtfulKeys();
    if (keys.size > 0) {
      requests.forEach(({ key }, index) => {
        if (decisions[index] === undefined || !keys.has(key)) return;
        delete decisions[index];
        doubtful.push(index);
      });
    }
    for (const index of inCompany) {
      if (decisions[index] === undefined || this.stayCheck.keepsCompany(requests[index]!)) continue;
      delete decisions[index];
      doubtful.push(index);
    }
    return { doubtful, fresh };
  }

  /** Finds new places for those that have to leave. */
  moveAll(requests: readonly PlacementRequest[], leaving: readonly number[], decisions: Decision[]): void {
    forEachShape(requests, leaving, this.kinds, ({ members, start, end }) => {
      for (let at = start; at < end; at++) decisions[members[at]!] = this.move(requests[members[at]!]!);
    });
  }

  /** Finds places for new requests. */
  placeAll(requests: readonly PlacementRequest[], fresh: readonly number[], decisions: Decision[]): void {
    const sizes: SharedSize[] = [];
    forEachShape(requests, fresh, this.kinds, (group) => {
      const { members, start, end } = group;
      const search = this.searches.forGroup(requests[members[start]!]!, group, sizes);
      for (let at = start; at < end; at++) decisions[members[at]!] = this.placeNew(requests[members[at]!]!, search);
    });
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

  /** @param search what is known of the request's shape; absent for a single request */
  placeNew(request: PlacementRequest, search = this.searchFor(request)): Decision {
    const { placement, message } = this.choose(request, search);
    if (placement === undefined) return { key: request.key, name: request.name, outcome: "rejected", message };
    return { key: request.key, name: request.name, outcome: "placed", placement };
  }

  private searchFor(request: PlacementRequest): ShapeSearch {
    return this.searches.forOne(request, this.kinds.newcomerKindOf(request));
  }

  private findNewPlace(request: PlacementRequest): Found {
    const search = this.searchFor(request);
    const { candidates, ask } = search.shape.kind;
    if (!candidates.segments.some(({ cluster }) => cluster.facts.id === request.prior?.cluster)) return this.choose(request, search);
    // Inside its cluster a guest holds disks and is preferred before every score: the full decision knows how.
    const result = placeInWorld(request, this.world);
    if (!result.ok) return { message: result.message };
    occupy(this.world, request, result.placement, ask.rules.apart);
    return { placement: result.placement };
  }

  private choose(request: PlacementRequest, search: ShapeSearch): Found {
    const { shape, chooser } = search;
    const index = this.isAllowed(request, shape) ? chooser.choose(shape) : undefined;
    return index === undefined ? { message: this.refusal(request, search) } : { placement: shape.place(request, index) };
  }

  private isAllowed(request: PlacementRequest, { kind, isSound }: Shape): boolean {
    const [cluster] = this.world.clusters;
    if (cluster === undefined || !isSound) return false;
    if (!kind.hasPoolLimits) return true;
    return poolLimits.check({ ...kind.ask, request, held: this.world.liveByKey.get(request.key) ?? [] }, cluster).length === 0;
  }

  private refusal(request: PlacementRequest, search: ShapeSearch): string {
    const head = `Cannot place ${request.name}`;
    if (search.refusal !== undefined) return `${head}${search.refusal}`;
    const result = placeInWorld(request, this.world);
    if (result.ok) throw new Error(`placing ${request.key} alone and jointly disagree; this is a defect of the placement engine`);
    // Texts about the request itself name it further on as well.
    if (!result.message.slice(head.length).includes(request.name)) search.refusal = result.message.slice(head.length);
    return result.message;
  }
}

interface Found {
  placement?: Placement;
  /** Why there is none. */
  message?: string;
}
