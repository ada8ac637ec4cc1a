/** The target of a move before it holds anything: a claimed vmid, or what an interrupted run has made of it. */
import type { GuestConfig } from "../proxmox";
import { RESTORE_TIMEOUT_MS } from "./archive";
import { claimGuest, findGuest } from "./claim";
import { dataDrivesOf } from "./drives";
import { carriesMark, formatDescription, type Identity, identityTag, sameIdentity } from "./mark";
import { type MarkedGuest, MOVING_TAG, readMarkedGuest } from "./marked-guest";
import { type MoveState, withTag } from "./move-state";
import { destroyGuest, findActiveTask, type GuestRef, isRunning, putConfig, waitForTask } from "./operations";
import { findOwnedGuests, waitForCreates } from "./owned-guests";
import { isRestoreWreck } from "./restore-wreck";
import { isStranded, strandedAt } from "./stranded";

/** A tiny marked guest: a failed restore wipes description and tags, and is known by its pool and the journal (live finding 5). */
export async function claimTarget(move: MoveState): Promise<GuestRef> {
  const { target, name, identity, text, source, route } = move.request;
  const known = await findTarget(move);
  if (known) {
    if (known.vmid !== move.begun.target.vmid) await journalTarget(move, known);
    return known;
  }
  move.pace.report(`${name}: claiming a vmid on ${route.target}`);
  const claim = await claimGuest(
    {
      api: target.api,
      node: target.node,
      preferredVmid: source.vmid,
      vmidRange: target.vmidRange,
      params: { name, memory: 16, pool: target.pool, description: formatDescription(text, move.targetMark("claimed")) },
      isOurs: (config) => isClaimOf(config, identity),
    },
    move.pace,
  );
  await putConfig(claim, { set: { tags: withTag([identityTag(identity)], MOVING_TAG).join(";") } }, move.pace);
  await journalTarget(move, claim);
  return claim;
}

function journalTarget(move: MoveState, { api, node, vmid }: GuestRef): Promise<void> {
  return move.change({ target: { cluster: api.clusterId, node, vmid } });
}

/** The target of an interrupted run: our claim, what a failed restore left of it, or the restored guest. */
async function findTarget(move: MoveState): Promise<GuestRef | undefined> {
  const { vmid } = move.begun.target;
  const { target, identity, name } = move.request;
  if (vmid === undefined) return findClaim(move);
  const found = await findGuest(target.api, vmid);
  if (!found) return findClaim(move);
  const restore = await findActiveTask(found, "qmrestore");
  if (restore) {
    move.pace.report(`${name}: a restore is still running, waiting for it`);
    // Its outcome shows in the guest's configuration, which is read next.
    await waitForTask(found.api, restore, { timeoutMs: RESTORE_TIMEOUT_MS }, move.pace).catch(() => undefined);
  }
  const guest = await readMarkedGuest(found);
  if (!guest) return findClaim(move);
  if (await isStranded(guest, identity, { pool: found.pool, expectedPool: target.pool })) {
    move.tellStranded(await strandedAt(found));
    const { vmid: _stranded, ...place } = move.begun.target;
    await move.change({ target: place, stranded: move.stranded });
    return findClaim(move);
  }
  refuseTwin(move, guest);
  if (guest.mark && sameIdentity(guest.mark, identity)) return (await isSpoilt(move, guest)) ? findClaim(move) : found;
  return isRestoreWreck(guest, found.pool, target.pool) ? found : findClaim(move);
}

/** Before its last step a move has settled nothing: whoever carries our mark as settled was restored or cloned by hand. */
function refuseTwin({ begun, request: { identity, name } }: MoveState, { mark, ref }: MarkedGuest): void {
  if (mark?.phase !== "settled" || begun.step === "finishing" || !sameIdentity(mark, identity)) return;
  throw new Error(
    `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} carries the mark of ${name} too, and this move has not made it. Remove the proxmox-federation block of its description and its fed- tag, then run again.`,
  );
}

/** Removes what a live restore that has failed leaves: a claim with half a disk. Nothing is ever restored over a disk. */
async function isSpoilt(move: MoveState, { ref, mark, config }: MarkedGuest): Promise<boolean> {
  const mayRun = move.begun.live && move.begun.step === "finishing";
  if (mark?.phase !== "claimed" || mayRun || dataDrivesOf(config).length === 0) return false;
  if (await isRunning(ref))
    throw new Error(
      `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} was started by hand: it is what a failed live restore of ${move.request.name} has left, on a disk that is incomplete. Stop it, then run again; it is removed then.`,
    );
  await destroyGuest(ref, move.pace);
  return true;
}

/** A claim whose vmid did not get into the journal any more. */
async function findClaim(move: MoveState): Promise<GuestRef | undefined> {
  const { target, identity } = move.request;
  await waitForCreates(target, move.pace);
  for (const guest of await findOwnedGuests(target.api, identity, move.pace)) {
    if (guest.mark?.phase === "retired" || guest.mark?.phase === "moving") continue;
    refuseTwin(move, guest);
    if (await isStranded(guest, identity, { expectedPool: target.pool })) move.tellStranded(await strandedAt(guest.ref));
    else if (!(await isSpoilt(move, guest))) return guest.ref;
  }
  return undefined;
}

/**
 * A restore with `force` takes away what it finds. The claim may have waited for hours: for a turn, the backup, the store.
 * @throws when the vmid holds anything but our claim, or what a failed restore has left of it
 */
export async function requireClaim(move: MoveState, target: GuestRef): Promise<void> {
  const { identity, name, target: place } = move.request;
  const found = await findGuest(target.api, target.vmid);
  const guest = found && (await readMarkedGuest(found));
  const isClaim = guest?.mark?.phase === "claimed" && sameIdentity(guest.mark, identity) && dataDrivesOf(guest.config).length === 0;
  if (isClaim || (guest && isRestoreWreck(guest, found.pool, place.pool))) return;
  throw new Error(
    `vm ${target.vmid} on ${target.api.clusterId}/${target.node} is not the claim of ${name} any more: somebody has removed it, replaced it or given it a disk, and nothing is restored over it. Run again: another vmid is taken then.`,
  );
}

function isClaimOf({ values }: GuestConfig, identity: Identity): boolean {
  return values.lock !== "create" && carriesMark(values.description, identity, ["claimed", "restored"]);
}
