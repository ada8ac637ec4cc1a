import { count, formatCores } from "../amounts";
import type { Shortfall } from "../model";
import { compareText } from "../order";
import { NO_ROOM } from "../survival/rescue";
import type { Unsurvived } from "../survival/survival";
import type { NodeFilter } from "./filter";

/**
 * Losses that pools have to survive: a newcomer, of whatever pool, may not take the room that their guests would need, nor be
 * where their rules do not allow them to go then. Guests that have a place are let through: room is kept free so that
 * somebody who has to leave may use it.
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

function shortfallOf(found: Unsurvived, place: string): Shortfall {
  const { kind, lost, absorbedBefore, homeless } = found;
  const isRoom = homeless.obstacles.every((obstacle) => obstacle === NO_ROOM);
  const why = isRoom ? roomWords(found) : obstacleWords(found);
  return {
    text: absorbedBefore
      ? `on ${place} it would leave no ${isRoom ? "room" : "way out"} for the loss of ${kind} ${lost}: ${why}`
      : `the loss of ${kind} ${lost} cannot be absorbed as it is: ${why}`,
    summary: isRoom
      ? `without room for the loss of ${kind} ${lost}`
      : `without a way out for ${homeless.name} after the loss of ${kind} ${lost}`,
    remedy: isRoom
      ? `add ${kind === "node" ? "a node" : "capacity in another cluster"}, free some, or change what the pool has to survive`
      : `add a ${kind} that ${homeless.name} may go to, ease its rules, or change what the pool has to survive`,
    ifOthersMove: true,
  };
}

function roomWords({ needed, free }: Unsurvived): string {
  const guests = `${count(needed.guests, "guest")} with ${formatCores(needed.cpuMilli)} cores and ${needed.memoryMiB} MiB memory`;
  return `${guests} would have to go where ${formatCores(free.cpuMilli)} cores and ${free.memoryMiB} MiB memory free are left`;
}

/** `db-1 would find no place (2 nodes with a guest tagged db on the same node, 1 without room)`. */
function obstacleWords({ homeless: { name, obstacles } }: Unsurvived): string {
  const counts = new Map<string, number>();
  for (const obstacle of obstacles) counts.set(obstacle, (counts.get(obstacle) ?? 0) + 1);
  const ranked = [...counts].sort(([left, many], [right, more]) => more - many || compareText(left, right));
  const words = ranked.map(([obstacle, times], index) => `${index === 0 ? count(times, "node") : times} ${obstacle}`);
  return `${name} would find no place${words.length === 0 ? "" : ` (${words.join(", ")})`}`;
}
