import type { Ask } from "../ask";
import { guestAffinity } from "../filters/guest-affinity";
import type { Placement, PlacementRequest } from "../model";
import { type Load, requestDiskBytes } from "../node-state";
import { POINTS_PER_WEIGHT, satisfiesPreference } from "../scores/preferences";
import { skewBeyond } from "../spread";
import { addToStorage, occupyNode, settle } from "../world";
import type { Kind } from "./kind";
import { Size } from "./size";

/** Requests of one kind and one size: interchangeable. */
export class Shape {
  readonly load: Load;
  /** False: the amounts are none, or a rule means nothing; refused everywhere. */
  readonly isSound: boolean;
  /** Present where pools have to survive losses and the request is a newcomer. */
  private readonly survivalAsk: Ask | undefined;

  /** @param size of the request, where another kind with the same candidates has it already */
  constructor(
    readonly kind: Kind,
    request: PlacementRequest,
    readonly size: Size = new Size(kind.candidates, kind.ask, request),
  ) {
    const { ask, tags } = kind;
    if (ask.world.survival !== undefined && ask.prior === undefined)
      this.survivalAsk = { ...ask, request: { ...request, pool: ask.request.pool } };
    this.load = {
      tags,
      cpuMilli: size.cpu,
      memoryMiB: size.memoryMiB,
      pool: ask.request.pool?.name,
      diskBytes: requestDiskBytes(request),
    };
    this.isSound = kind.hasSoundRules && size.isSound;
  }

  /** How many nodes there are to choose from. */
  get nodeCount(): number {
    return this.kind.candidates.nodes.length;
  }

  /** Puts one more guest of the shape on that node and returns where that is. */
  place(request: PlacementRequest, index: number): Placement {
    const { candidates, ask } = this.kind;
    const { classBytes } = this.size;
    const placement = candidates.placementAt(index);
    const node = candidates.nodes[index]!;
    // The request itself is not read, only what all of the shape have in common: reading costs most where there are many.
    if (ask.world.survival !== undefined || ask.world.liveByKey.locate(request.key).length > 0) {
      occupyNode(ask.world, request, placement, node, ask.rules.apart);
    } else {
      settle(ask.world, request, this.load, node, ask.rules.apart);
      for (let slot = 0; slot < classBytes.length; slot++) {
        const storage = candidates.storages[index * classBytes.length + slot];
        if (storage !== undefined) addToStorage(storage, classBytes[slot]!);
      }
    }
    return placement;
  }

  /**
   * Who wins among equals: the nodes lie on a ring by their hashes, and each kind begins somewhere else on it. The same for
   * all amounts: the unit they are given in must not decide between equals.
   */
  tie(index: number): number {
    return (this.kind.candidates.nodeHashes[index]! + this.kind.hash) >>> 0;
  }

  score(index: number): number {
    const { ask, candidates, softGuestRules } = this.kind;
    let points = this.size.score(index);
    for (const applies of softGuestRules) {
      if (satisfiesPreference(ask, applies, candidates.nodes[index]!)) points += applies.weight * POINTS_PER_WEIGHT;
    }
    return points;
  }

  fits(index: number): boolean {
    return this.size.fits(index) && this.isWelcome(index);
  }

  /** What other guests say, and what pools have to survive. */
  isWelcome(index: number): boolean {
    const { ask, candidates, apart, own } = this.kind;
    const node = candidates.nodes[index]!;
    for (const { guests, scope } of apart) if (guests.countAround(node, scope) > 0) return false;
    for (const tag of own) if (tag.isRefusedOn(node)) return false;
    if (ask.rules.together.length > 0 && guestAffinity.check(ask, node).length > 0) return false;
    if (ask.rules.spread.length > 0 && ask.rules.spread.some((applies) => skewBeyond(ask, applies, node) !== undefined)) return false;
    return this.survivalAsk === undefined || ask.world.survival?.findUnsurvived(this.survivalAsk, node) === undefined;
  }
}
