/** Deleting one of several guests of the same identity: sources of finished moves, their successors, and twins. */
import {
  cleanUpMove,
  describeIdentity,
  destroyGuest,
  findOwnedGuests,
  type Identity,
  type MarkedGuest,
  readMarkedGuest,
  sameIdentity,
} from "../migration";
import { otherGuests } from "./other-guests";
import { findSealed, findSuccessor, retireSealed } from "./sealed-sources";
import { type Session, UserError } from "./session";

/** The archive goes before its guest does: afterwards a token with rights from the pool may not delete it. */
export async function destroyWithArchives(session: Session, identity: Identity, { ref }: MarkedGuest): Promise<void> {
  // A retired source may be destroyed by its own delete and by its successor's at once; a vmid that the first has freed can
  // be somebody else's for the second.
  await session.alone(`destroy ${ref.api.clusterId}/${ref.vmid}`, async () => {
    const guest = await readMarkedGuest(ref);
    if (!guest?.mark || !sameIdentity(guest.mark, identity)) return;
    await refuseRevived(identity, guest);
    if (guest.mark.move) await cleanUpMove(ref, guest.mark.move, session.pace, session.backupServer);
    session.pace.report(`${identity.name}: destroying vm ${ref.vmid} on ${ref.api.clusterId}`);
    await destroyGuest(ref, session.pace);
  });
}

/** A retired source that somebody uses again: what it has written since is nowhere else. */
async function refuseRevived(identity: Identity, { ref, mark, config }: MarkedGuest): Promise<void> {
  if (mark?.phase !== "retired") return;
  const { status } = await ref.api.qemu.getStatus(ref.node, ref.vmid);
  if (status === "stopped" && config.values.template === "1") return;
  throw new UserError(
    `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} is the former copy of ${describeIdentity(identity)} and is not destroyed: it was unfenced or started by hand, and may hold newer data. If nobody needs it, stop it, run "qm set ${ref.vmid} --template 1" on node ${ref.node}, then run again. To keep it, remove the proxmox-federation block of its description and its fed- tag: then it is nobody's.`,
  );
}

/** The state may still know the source of a move whose end it was not told of: it is not the guest that is to be changed. */
export function refuseRetired(identity: Identity, { ref, mark }: MarkedGuest): void {
  if (mark?.phase !== "retired") return;
  const { successor } = mark;
  throw new UserError(
    `${describeIdentity(identity)} is not changed: vm ${ref.vmid} on ${ref.api.clusterId} is its former copy. It has moved on${successor ? `, to vm ${successor.vmid} on ${successor.cluster}, which cannot be seen now` : ""}. Run again when that cluster answers.`,
  );
}

/** A source that its move could not retire, and whose successor stands. @returns whether it is one: nothing is left to do then */
export async function destroyLeftBehind(session: Session, identity: Identity, guest: MarkedGuest): Promise<boolean> {
  const successor = await findSuccessor(session, identity, guest);
  if (!successor) return false;
  const retired = await retireSealed(session, guest, successor);
  if (retired && !(await leaveKeptSource(session, retired))) await destroyWithArchives(session, identity, retired);
  return true;
}

/** A second guest that did not come from this one: then this one's data exists only here. */
export async function refuseTwin(session: Session, identity: Identity, guest: MarkedGuest): Promise<void> {
  for (const other of await otherGuests(session, identity, guest)) {
    if (other.mark.phase !== "settled") continue;
    throw new UserError(
      `vm ${guest.ref.vmid} on ${guest.ref.api.clusterId} is kept: vm ${other.ref.vmid} on ${other.ref.api.clusterId} carries the same mark (${identity.name}) but was not made from it. Remove the proxmox-federation block and the fed- tag of the one that is not wanted, then run again.`,
    );
  }
}

/** Sources whose deletion is still outstanding would otherwise wait for a successor that is gone. */
export async function destroyRetiredSources(session: Session, identity: Identity, successor: MarkedGuest): Promise<void> {
  for (const sealed of await findSealed(session, identity, successor)) await retireSealed(session, sealed, successor);
  const retired = (await otherGuests(session, identity, successor)).filter(({ mark }) => mark.phase === "retired");
  for (const other of retired) {
    if (!isKept(session, other)) continue;
    throw new UserError(
      `${describeIdentity(identity)} is not destroyed: its former copy, vm ${other.ref.vmid} on ${other.ref.api.clusterId}, is to be kept until ${other.mark.keepUntil} (keep_source), and nobody would remove it then. Run again after that, or give it up now: pulumi config set proxmox-federation:overrideKeepSource true`,
    );
  }
  for (const other of retired) await destroyWithArchives(session, identity, other);
}

/** The former copies whose time is over; safe to repeat. */
export async function destroyExpiredSources(session: Session, identity: Identity, successor: MarkedGuest): Promise<void> {
  if (successor.mark?.phase !== "settled") return;
  for (const sealed of await findSealed(session, identity, successor)) {
    const retired = await retireSealed(session, sealed, successor);
    if (retired && !isKept(session, retired)) await destroyWithArchives(session, identity, retired);
  }
  for (const other of await otherGuests(session, identity, successor))
    if (other.mark.phase === "retired" && other.mark.keepUntil !== undefined && !isKept(session, other))
      await destroyWithArchives(session, identity, other);
}

/** A retired source that is not to be destroyed yet: says when it will be, and removes what is left of the move beside it. */
export async function leaveKeptSource(session: Session, guest: MarkedGuest): Promise<boolean> {
  if (!isKept(session, guest)) return false;
  // An interrupted move may have left its archives; they would outlast it by as long as the source is kept.
  if (guest.mark?.move) await cleanUpMove(guest.ref, guest.mark.move, session.pace, session.backupServer);
  session.pace.report(
    `${guest.mark?.name}: vm ${guest.ref.vmid} on ${guest.ref.api.clusterId} stays, stopped and fenced, until ${guest.mark?.keepUntil} (keep_source); the first update after that removes it`,
  );
  return true;
}

/**
 * Guests that came after this retired one and have moved on themselves, in runs that were interrupted: no state knows of them, so
 * nobody else would remove them.
 */
export async function destroyRetiredBetween(session: Session, identity: Identity, guest: MarkedGuest): Promise<void> {
  for (const other of await otherGuests(session, identity, guest)) {
    const between = other.mark?.phase === "retired" && other.mark.generation > guest.mark!.generation && !isKept(session, other);
    if (between && (await hasArrivedSince(session, identity, other))) await destroyWithArchives(session, identity, other);
  }
}

/** This run may have moved it on: then the first look does not know the guest that came of it. */
async function hasArrivedSince(session: Session, identity: Identity, guest: MarkedGuest): Promise<boolean> {
  for (const [cluster, { reachable }] of (await session.snapshot()).clusters) {
    if (!reachable) continue;
    const owned = await findOwnedGuests(await session.client(cluster), identity, session.pace);
    if (owned.some(({ mark }) => mark?.phase === "settled" && mark.generation > guest.mark!.generation)) return true;
  }
  return false;
}

function isKept(session: Session, { mark }: MarkedGuest): boolean {
  if (mark?.phase !== "retired" || mark.keepUntil === undefined || session.overrideKeepSource) return false;
  return Date.parse(mark.keepUntil) > session.pace.nowMs();
}

export async function refuseWithoutSuccessor(session: Session, identity: Identity, guest: MarkedGuest): Promise<void> {
  // It may have moved on meanwhile: any later generation that stands will do.
  const others = await otherGuests(session, identity, guest);
  if (others.some(({ mark }) => mark.phase === "settled" && mark.generation > guest.mark!.generation)) return;
  const { successor } = guest.mark!;
  const found = successor && (await session.locate(successor.cluster, successor.vmid));
  const target = found && (await readMarkedGuest(found));
  if (target?.mark && sameIdentity(target.mark, identity) && target.mark.phase === "settled") return;
  if (await hasArrivedSince(session, identity, guest)) return;
  throw new UserError(
    `vm ${guest.ref.vmid} on ${guest.ref.api.clusterId} is the source of a move and is kept: its successor ${successor ? `(vm ${successor.vmid} on ${successor.cluster})` : ""} is not there as it should be. Look at both before you delete one by hand.`,
  );
}
