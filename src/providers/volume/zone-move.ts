/** Taking the owner of a volume's disk to its zone. */
import type { GuestRef, MarkedGuest } from "../../migration";
import { requireOwner } from "../disk/create";
import { moveToNode } from "../disk/node-move";
import { volidOf } from "../disk/owner";
import { UserError } from "../session";
import type { VolumeContext } from "./context";
import { guestUseOf } from "./guest-use";

/**
 * Proxmox migrates the stopped owner whoever else runs on its disk, and frees the source under that guest. What Kubernetes
 * knows of a use it tells only by a PersistentVolume that is found, so the guests themselves are looked at once more.
 *
 * @throws UserError with the guests that have the disk
 */
export async function moveToZone({ session, spec }: VolumeContext, owner: GuestRef, zone: string): Promise<MarkedGuest> {
  const { clusterId } = owner.api;
  const here = (await session.locate(clusterId, owner.vmid)) ?? owner;
  const volid = volidOf(await requireOwner(here));
  const guests = here.node === zone || volid === undefined ? [] : await (await guestUseOf(session, clusterId)).find(volid, here.node);
  if (guests.length > 0)
    throw new UserError(
      `The disk of volume ${spec.name} (${volid}) cannot go from ${clusterId}/${here.node} to ${zone}: ${guests.join(", ")} has it. Scale the workload down, wait until it is detached, then run again.`,
    );
  return moveToNode(session, here, zone, spec.name);
}
