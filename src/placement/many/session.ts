import type { Inventory, PlacementRequest, Promised } from "../model";
import { buildWorld } from "../world";
import { type Decision, PlacementRun } from "./placement-run";

/**
 * One inventory, many decisions one after the other, each seeing the ones before it: what `placeOne` with a growing list of
 * promises does, without reading the inventory again each time.
 */
export class PlacementSession {
  private readonly run: PlacementRun;
  private readonly decided = new Set<string>();

  constructor(inventory: Inventory, promised: readonly Promised[] = []) {
    const world = buildWorld(inventory, promised);
    // Opening is when it may take a while.
    world.liveByKey.prepare();
    this.run = new PlacementRun(world, "fast");
    for (const { request } of promised) this.decided.add(request.key);
  }

  /**
   * Decides one request and promises it.
   *
   * @throws RangeError for a key that has been decided: its first place is promised already
   */
  add(request: PlacementRequest): Decision {
    if (this.decided.has(request.key)) throw new RangeError(`${request.key} has been placed in this session`);
    this.decided.add(request.key);
    if (request.prior === undefined) return this.run.placeNew(request);
    const decisions: Decision[] = [];
    const { leaving } = this.run.keep([request], decisions);
    return leaving.length > 0 ? this.run.move(request) : decisions[0]!;
  }
}
