/** The Proxmox pool a guest is in. */
import type { GuestRef } from "../../migration";
import type { Session } from "../session";

/** Safe to repeat. */
export async function putIntoPool(session: Session, { api, vmid }: GuestRef, pool: string): Promise<void> {
  const row = (await session.locate(api.clusterId, vmid))?.row;
  if (row && row.pool !== pool) await api.pools.addGuest(pool, vmid, { allowMove: true });
}
