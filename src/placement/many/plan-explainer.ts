import { withoutPromise } from "../lift";
import type { Inventory, PlacementRequest, PlacementResult, Promised } from "../model";
import { explainInWorld } from "../place-one";
import { buildWorld, type World } from "../world";
import type { Decision } from "./placement-run";

/**
 * Explains decisions of one plan in full, each seen from the finished plan, in which all other requests have their place.
 * That plan is worked out once, when the first explanation is asked for, and shared by all of them.
 */
export class PlanExplainer {
  private readonly positions: ReadonlyMap<string, number>;
  private finished: World | undefined;

  /** @param before decided before the plan and not yet in the inventory */
  constructor(
    private readonly plan: { decisions: readonly Decision[] },
    private readonly requests: readonly PlacementRequest[],
    private readonly inventory: Inventory,
    private readonly before: readonly Promised[] = [],
  ) {
    this.positions = new Map(requests.map(({ key }, position) => [key, position]));
  }

  /** `undefined` for a key that is not in the plan. */
  decisionOf(key: string): Decision | undefined {
    const position = this.positions.get(key);
    return position === undefined ? undefined : this.plan.decisions[position];
  }

  /** Every candidate with score or reason; `undefined` for a key that is not in the plan. */
  explain(key: string): PlacementResult | undefined {
    const decision = this.decisionOf(key);
    const request = this.requests[this.positions.get(key) ?? -1];
    if (request === undefined || decision === undefined) return undefined;
    this.finished ??= buildWorld(this.inventory, this.promises());
    const world = this.finished;
    const { placement } = decision;
    if (world.survival !== undefined || (placement === undefined && this.isElsewhere(key, world))) {
      const others = this.promises().filter((promise) => promise.request.key !== key);
      return explainInWorld(request, buildWorld(this.inventory, others, key), decision);
    }
    const explain = () => explainInWorld(request, world, decision);
    return placement === undefined ? explain() : withoutPromise(world, request, placement, explain);
  }

  private promises(): Promised[] {
    const planned = this.requests.flatMap((request, position) => {
      const placement = this.plan.decisions[position]?.placement;
      return placement === undefined ? [] : [{ request, placement }];
    });
    return [...this.before, ...planned];
  }

  /** Whether a request without a place is in the world all the same: live, or promised before. */
  private isElsewhere(key: string, world: World): boolean {
    return world.liveByKey.locate(key).length > 0 || this.before.some(({ request }) => request.key === key);
  }
}
