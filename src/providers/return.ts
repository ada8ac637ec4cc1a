/**
 * A guest that interrupted runs have taken elsewhere, and whose program wants it where the engine's state still has it: the state
 * shows no difference, although the data have to come back.
 */
import { readMarkedGuest } from "../migration";
import type { OwnedGuest, Session } from "./session";

/** Computed by `check`, kept in the outputs of the resource that has come back. */
export interface Return {
  /** Which guest comes back: cluster, vmid and generation. */
  __returns?: string;
}

interface Placed {
  placement: { cluster: string };
}

export async function findReturn(session: Session, home: OwnedGuest, planned: Placed, before: Placed | undefined): Promise<Return> {
  const { cluster } = planned.placement;
  if (home.cluster === cluster || before?.placement.cluster !== cluster) return {};
  const { node, vmid } = home.row;
  const guest = await readMarkedGuest({ api: await session.client(home.cluster), node, vmid });
  return { __returns: `${home.cluster}/${vmid}, generation ${guest?.mark?.generation ?? 0}` };
}

/** The inputs of a return that is done stay in the state; they are no reason for another one. */
export function isReturn(olds: Return, news: Return): boolean {
  return news.__returns !== undefined && news.__returns !== olds.__returns;
}
