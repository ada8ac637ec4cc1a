/** Taking a disk out of every guest before its owner goes, which would pull it from under them without a word (live finding 20). */
import type { MarkedGuest, Pace } from "../../migration";
import { UserError } from "../session";
import { detachVolume, findReferences, type Reference } from "./attachment";
import { volidOf } from "./owner";

/** @throws UserError when a guest that is not ours uses it */
export async function releaseDisk(name: string, owner: MarkedGuest, pace: Pace): Promise<void> {
  await detachFrom(owner, pace, ({ guest, slot }, volid) =>
    guest.mark
      ? undefined
      : `Disk ${name} (${volid}) is used by vm ${guest.ref.vmid} on ${guest.ref.api.clusterId} as ${slot}, which is not ours. Detach it there, then run again.`,
  );
}

/** Only old copies of ours, which stand still and are fenced, let go of an outdated disk. @throws UserError for any other guest */
export async function releaseOldCopy(old: MarkedGuest, pace: Pace): Promise<void> {
  await detachFrom(old, pace, ({ guest, slot }, volid) =>
    guest.mark?.phase === "retired" && guest.mark.outdatedSince !== undefined
      ? undefined
      : `The outdated disk ${volid} is kept: vm ${guest.ref.vmid} on ${guest.ref.api.clusterId} has it as ${slot}. Detach it there, then run again.`,
  );
}

async function detachFrom(
  owner: MarkedGuest,
  pace: Pace,
  refuse: (reference: Reference, volid: string) => string | undefined,
): Promise<void> {
  const volid = volidOf(owner);
  if (volid === undefined) return;
  const references = await findReferences(owner.ref.api, volid, owner.ref.vmid);
  for (const reference of references) {
    const refusal = refuse(reference, volid);
    if (refusal !== undefined) throw new UserError(refusal);
  }
  for (const { guest } of references) await detachVolume(guest.ref, volid, pace);
}
