/** What a create finds: guests of its identity on the target, and the one elsewhere that is to move there. */
import { describeIdentity, type Identity, type MarkedGuest, readMarkedGuest, sameIdentity } from "../migration";
import { findSuccessor } from "./sealed-sources";
import { type Session, UserError } from "./session";

/** One more than any generation seen: a pending delete of an older one then leaves the new guest alone. */
export function nextGeneration(guests: MarkedGuest[]): number {
  return Math.max(0, ...guests.map((guest) => guest.mark?.generation ?? 0)) + 1;
}

/** The guest on another cluster that is to move here. A retired one has moved already. */
export async function findSource(
  session: Session,
  identity: Identity,
  targetCluster: string,
  here: MarkedGuest[],
): Promise<MarkedGuest | undefined> {
  const arrived = here.find((guest) => guest.mark?.phase === "settled");
  for (const owned of await session.ownedGuests(identity)) {
    if (owned.cluster === targetCluster) continue;
    const api = await session.client(owned.cluster);
    const guest = await readMarkedGuest({ api, node: owned.row.node, vmid: owned.row.vmid });
    if (!guest?.mark || !sameIdentity(guest.mark, identity)) continue;
    if (guest.mark.phase === "moving") {
      // Left behind by a move that has ended: what is to move now, if anything, is its successor.
      const successor = await findSuccessor(session, identity, guest);
      const takenOver = successor?.mark !== undefined && successor.mark.generation > guest.mark.generation + 1;
      if (successor && (takenOver || successor.ref.api.clusterId !== targetCluster)) continue;
      return guest;
    }
    if (guest.mark.phase !== "settled") continue;
    if (!arrived) return guest;
    throw new UserError(
      `${describeIdentity(identity)} exists on ${owned.cluster} (vm ${owned.row.vmid}) and on ${targetCluster} (vm ${arrived.ref.vmid}): remove the proxmox-federation block and the fed- tag of the one that is not wanted.`,
    );
  }
  return undefined;
}
