/** The target of a move before it holds anything: a claimed vmid, or what an interrupted run has made of it. */
import { claimGuest, findGuest } from "./claim";
import { formatDescription, type Identity, identityTag, parseDescription, sameIdentity } from "./mark";
import { MOVING_TAG, readMarkedGuest } from "./marked-guest";
import { type MoveState, withTag } from "./move-state";
import { findActiveTask, type GuestRef, putConfig, waitForTask } from "./operations";
import { findOwnedGuests, waitForCreates } from "./owned-guests";
import { isRestoreWreck } from "./restore-wreck";

const RESTORE_TIMEOUT_MS = 72 * 3600 * 1000;

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
      isOurs: (config) => isClaimOf(config.values.description, identity),
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
  if (guest.mark && sameIdentity(guest.mark, identity)) return found;
  return isRestoreWreck(guest, found.pool, target.pool) ? found : findClaim(move);
}

/** A claim whose vmid did not get into the journal any more. */
async function findClaim(move: MoveState): Promise<GuestRef | undefined> {
  const { target, identity } = move.request;
  await waitForCreates(target, move.pace);
  const owned = await findOwnedGuests(target.api, identity, move.pace);
  return owned.find(({ mark }) => mark?.phase !== "retired" && mark?.phase !== "moving")?.ref;
}

function isClaimOf(description: string | undefined, identity: Identity): boolean {
  const { mark } = parseDescription(description);
  return mark !== undefined && sameIdentity(mark, identity) && (mark.phase === "claimed" || mark.phase === "restored");
}
