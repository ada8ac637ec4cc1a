/** What an interrupted move has made at its target, removed together with its source. */
import {
  destroyGuest,
  findGuest,
  findOwnedGuests,
  type Identity,
  isRestoreWreck,
  type MarkedGuest,
  readMarkedGuest,
  reclaimOrphans,
} from "../migration";
import type { Session } from "./session";

/** The stack gives up the guest as a whole: what an interrupted move has made of it elsewhere goes too. */
export async function destroyUnfinishedTarget(session: Session, identity: Identity, source: MarkedGuest, pool: string): Promise<void> {
  const target = source.mark?.move?.target;
  if (!target) return;
  const api = await session.client(target.cluster);
  const found = target.vmid === undefined ? undefined : await findGuest(api, target.vmid);
  const guest = found && (await readMarkedGuest(found));
  if (guest && isRestoreWreck(guest, found.pool, pool)) {
    await reclaimOrphans(found, session.pace);
    await destroyGuest(found, session.pace);
  }
  for (const ours of await findOwnedGuests(api, identity, session.pace))
    if (ours.ref.vmid !== source.ref.vmid || ours.ref.api.clusterId !== source.ref.api.clusterId)
      await destroyGuest(ours.ref, session.pace);
}
