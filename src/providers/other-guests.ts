/** The other guests of an identity: what a move or a failover has left, and twins. */
import { type Identity, type Mark, type MarkedGuest, readMarkedGuest, sameIdentity } from "../migration";
import type { Session } from "./session";

/** As they are now: the first look may be old. */
export async function otherGuests(
  session: Session,
  identity: Identity,
  { ref: own }: MarkedGuest,
): Promise<(MarkedGuest & { mark: Mark })[]> {
  const others: (MarkedGuest & { mark: Mark })[] = [];
  for (const { cluster, row } of await session.ownedGuests(identity)) {
    if (cluster === own.api.clusterId && row.vmid === own.vmid) continue;
    const ref = await session.locate(cluster, row.vmid);
    const other = ref && (await readMarkedGuest(ref));
    if (other?.mark && sameIdentity(other.mark, identity)) others.push({ ...other, mark: other.mark });
  }
  return others;
}
