import type { PlacementRequest } from "../model";
import type { World } from "../world";
import { BoundedScanChooser } from "./bounded-scan";
import type { Candidates } from "./candidates";
import { type Chooser, ScanChooser } from "./chooser";
import type { Kind } from "./kind";
import { NodeFigures } from "./node-figures";
import { Ranking } from "./ranking";
import { Shape } from "./shape";
import type { ShapeGroup } from "./shape-groups";
import { Size } from "./size";

/** With fewer requests than this, ranking the nodes for them costs more than looking at every node's bound each time. */
const RANKING_MINIMUM = 32;

/** The search for places for the guests of one shape. */
export class ShapeSearch {
  /** The reasons of a refusal, without the name: interchangeable requests are refused for the same ones. */
  refusal: string | undefined;

  constructor(
    readonly shape: Shape,
    readonly chooser: Chooser,
  ) {}
}

/** What shapes of one size share. */
export interface SharedSize {
  size: Size;
  ranking?: Ranking;
}

/** Picks for each shape the cheapest way to search, and keeps what shapes can share. */
export class Searches {
  private readonly scans = new Map<Candidates, Chooser>();

  /** @param search see `PlaceManyOptions` */
  constructor(
    private readonly world: World,
    private readonly search: "fast" | "scan",
  ) {}

  forOne(request: PlacementRequest, kind: Kind): ShapeSearch {
    return this.scanning(new Shape(kind, request));
  }

  /**
   * @param example any request of the group
   * @param sizes by number; the same list for all groups of one visit
   */
  forGroup(example: PlacementRequest, { kind, start, end, sizeNumber, requestsOfSize }: ShapeGroup, sizes: SharedSize[]): ShapeSearch {
    if (!kind.worsensOnly || requestsOfSize < RANKING_MINIMUM || this.search === "scan") return this.forOne(example, kind);
    sizes[sizeNumber] ??= { size: new Size(kind.candidates, kind.ask, example) };
    const shared = sizes[sizeNumber];
    const shape = new Shape(kind, example, shared.size);
    if (end - start >= RANKING_MINIMUM) return new ShapeSearch(shape, new Ranking(kind.candidates, shape));
    // Points for the company of others are the kind's own.
    if (kind.softGuestRules.length > 0) return this.scanning(shape);
    shared.ranking ??= new Ranking(kind.candidates, shared.size);
    return new ShapeSearch(shape, shared.ranking);
  }

  private scanning(shape: Shape): ShapeSearch {
    const { candidates } = shape.kind;
    let scan = this.scans.get(candidates);
    if (scan === undefined) {
      scan = this.search === "scan" ? new ScanChooser() : new BoundedScanChooser(new NodeFigures(candidates, this.world.changes));
      this.scans.set(candidates, scan);
    }
    return new ShapeSearch(shape, scan);
  }
}
