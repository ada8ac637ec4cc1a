import { checkNodeFailover } from "../analysis/failover";
import type { Inventory, PlacementRequest } from "../model";

/** True when every guest of these clusters that finds a place if its node is lost still does. */
export function keepsFailover(
  requests: readonly PlacementRequest[],
  before: Inventory,
  after: Inventory,
  clusters: ReadonlySet<string>,
): boolean {
  const homelessIn = (inventory: Inventory) => {
    const part = { ...inventory, clusters: inventory.clusters.filter(({ id }) => clusters.has(id)) };
    return checkNodeFailover(requests, part).flatMap(({ homeless }) => homeless);
  };
  const known = new Set(homelessIn(before));
  return homelessIn(after).every((name) => known.has(name));
}
