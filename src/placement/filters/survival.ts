import { count, formatCores } from "../amounts";
import type { Shortfall } from "../model";
import type { Unsurvived } from "../survival/survival";
import type { NodeFilter } from "./filter";

/**
 * Losses that pools have to survive: a newcomer, of whatever pool, may not take the room that their guests would need.
 * Guests that have a place are let through: room is kept free so that somebody who has to leave may use it.
 */
export const survival: NodeFilter = {
  name: "survive",
  dynamic: true,
  check(ask, node) {
    if (ask.world.survival === undefined || ask.prior !== undefined) return [];
    const found = ask.world.survival.findUnsurvived(ask, node);
    return found === undefined ? [] : [shortfallOf(found, node.key)];
  },
};

function shortfallOf({ kind, lost, absorbedBefore, needed, free }: Unsurvived, place: string): Shortfall {
  const guests = `${count(needed.guests, "guest")} with ${formatCores(needed.cpuMilli)} cores and ${needed.memoryMiB} MiB memory`;
  const room = `${formatCores(free.cpuMilli)} cores and ${free.memoryMiB} MiB memory free`;
  const text = absorbedBefore
    ? `on ${place} it would leave no room for the loss of ${kind} ${lost}: ${guests} would have to go where ${room} are left`
    : `the loss of ${kind} ${lost} cannot be absorbed as it is: ${guests} would have to go where ${room} are left`;
  return {
    text,
    summary: `without room for the loss of ${kind} ${lost}`,
    remedy: `add ${kind === "node" ? "a node" : "capacity in another cluster"}, free some, or change what the pool has to survive`,
    ifOthersMove: true,
  };
}
