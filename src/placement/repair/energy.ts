import { costParts } from "./cost";
import type { RepairModel } from "./model";

/** Of the middle one of its kind: bytes inside clusters next to bytes between them, and the moves themselves. */
const LOCAL_SHARE = 0.04;
const LINK_MOVE = 0.01;
const LOCAL_MOVE = 0.002;

/**
 * What each place costs as one number, for a search that takes a worse one now and then: bytes in shares of the middle one of
 * their kind, the same whatever unit they are counted in. `nowhere` says how many times the dearest move it is to have no place.
 */
export function placeEnergies({ items }: RepairModel, nowhere: number): Float64Array {
  const parts = items.map(({ options }) => options.map(({ cost }) => costParts(cost)));
  const links = positive(parts.flatMap((options) => options.map(({ linkBytes }) => linkBytes)));
  const locals = positive(parts.flatMap((options) => options.map(({ localMiB }) => localMiB)));
  const localShare = links.middle > 0 ? LOCAL_SHARE : 1;
  const share = (amount: number, { middle }: Spread) => (middle > 0 ? amount / middle : 0);
  const dearest = links.middle > 0 ? share(links.largest, links) : 1;
  return Float64Array.from(
    items.flatMap(({ isTroubled }, item) => {
      const moves = parts[item]!.map(
        ({ linkBytes, linkMoves, localMiB, localMoves }) =>
          share(linkBytes, links) + localShare * share(localMiB, locals) + LINK_MOVE * linkMoves + LOCAL_MOVE * localMoves,
      );
      return isTroubled ? [...moves, nowhere * dearest] : moves;
    }),
  );
}

interface Spread {
  middle: number;
  largest: number;
}

function positive(amounts: readonly number[]): Spread {
  const sorted = amounts.filter((amount) => amount > 0).sort((left, right) => left - right);
  return { middle: sorted[sorted.length >> 1] ?? 0, largest: sorted.at(-1) ?? 0 };
}
