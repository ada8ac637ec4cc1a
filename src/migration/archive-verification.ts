/**
 * Before a live restore the backup server reads the archive: what it could not read later would be missed by a guest that runs at
 * the target already, and take along what that has written. In a warm move the backup of the running guest is verified, which costs
 * no downtime: the final one consists of the same chunks and of those that were written a moment ago.
 */
import { type Snapshot, TaskFailedError, type Upid, type Volume } from "../proxmox";
import { type ArchiveKind, archiveNote, damaged } from "./archive";
import type { MoveJournal, SyncedPlace } from "./mark";
import type { MoveState } from "./move-state";
import { type Pace, repeatAfterLostReply } from "./operations";
import { type BackupServerOf, definitionOf, type SyncServer, serverOf, snapshotOf } from "./pbs-sync";
import { describeNeed, missingPrivileges, verificationNeeds } from "./permissions";
import { storeOf } from "./route";

/** The whole archive from the datastore's disks: as long as it takes, but not for ever. */
const VERIFICATION_TIMEOUT_MS = 72 * 3600 * 1000;

/**
 * Has the archive that is restored live verified, unless the warm one was. Does nothing where no server can be asked; a verdict that
 * the server has stored is obeyed all the same.
 * @param kind of the archive; a `warm` one is verified while the source serves
 * @throws when it is damaged, or could not be verified
 */
export async function verifyForLive(move: MoveState, archive: Volume, kind: ArchiveKind): Promise<void> {
  const { route, name, backupServerOf } = move.request;
  if (route.verifiedBy === undefined) return;
  const place = move.begun.sync ?? {
    store: route.verifiedBy,
    ...(await definitionOf(move.request.source.api, storeOf(route).writeStorage)).at,
  };
  const server = await serverOf(place, backupServerOf);
  const missing = missingPrivileges(await server.getPermissions(), verificationNeeds(place));
  if (missing.length > 0) {
    move.pace.report(
      `warning: ${name} is restored live from an archive that ${place.store} does not verify: its account lacks ${missing.map(describeNeed).join(", ")}`,
    );
    return;
  }
  const snapshot = snapshotOf(archive);
  const ahead = (await listOurs(server, place, snapshot.id, move.begun.id)).filter((other) => isNoted(other, move.begun.id, "warm"));
  if (kind === "final" && ahead.some(({ verification }) => verification === "ok")) return;
  const verdictNow = async () => (await server.snapshots.find(place, snapshot))?.verification;
  if ((await verdictNow()) === undefined) {
    // Written first: whoever rolls the move back ends what nobody waits for any more.
    await move.readSource();
    await move.change({ verification: place });
    move.pace.report(`${name}: ${place.store} verifies the ${kind === "warm" ? "first" : "final"} backup`);
    await runVerification(move, server, () => server.snapshots.verify(place, snapshot));
    await move.change({ verification: undefined });
  }
  const verdict = await verdictNow();
  if (verdict === "failed") throw damaged(archive);
  if (verdict === undefined)
    throw new Error(
      `Archive ${archive.volid} is not restored live: its verification on backup store ${place.store} ended without a verdict. Look at the task there, then run again.`,
    );
}

/** A task that fails may have found damage: what it has found shows on the snapshot. */
async function runVerification(move: MoveState, server: SyncServer, start: () => Promise<Upid>): Promise<void> {
  const { pace } = move;
  const upid = await repeatAfterLostReply(pace, start);
  pace.onTask?.(upid);
  try {
    await server.tasks.wait(upid, { timeoutMs: VERIFICATION_TIMEOUT_MS, signal: pace.signal });
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error;
  }
}

/** While the server reads a snapshot it does not let go of it. Safe to repeat. */
export async function endVerification(
  vmid: number,
  { verification: place, id }: Pick<MoveJournal, "verification" | "id">,
  pace: Pace,
  backupServerOf: BackupServerOf | undefined,
): Promise<void> {
  if (!place) return;
  const server = await serverOf(place, backupServerOf);
  // `main:vm/100/65A0C3F0`, as a UPID writes it.
  const names = (await listOurs(server, place, String(vmid), id)).map(
    ({ timeSeconds }) => `vm-${vmid}-${timeSeconds.toString(16).toUpperCase().padStart(8, "0")}`,
  );
  const running = async () =>
    (await server.tasks.list({ typeFilter: "verify", running: true })).filter((task) => names.some((name) => task.id.endsWith(name)));
  for (const { upid } of await running()) await server.tasks.stop(upid);
  for (let attempt = 1; (await running()).length > 0; attempt++) {
    if (attempt > 60)
      throw new Error(
        `The verification of vm/${vmid} on backup store ${place.store} does not end after it was stopped. Look at it there, then run again.`,
      );
    await pace.sleep(1_000);
  }
}

async function listOurs(server: SyncServer, place: SyncedPlace, id: string, moveId: string): Promise<Snapshot[]> {
  const all = await server.snapshots.list(place, { type: "vm", id });
  return all.filter((snapshot) => isNoted(snapshot, moveId, "final") || isNoted(snapshot, moveId, "warm"));
}

function isNoted({ notes }: Snapshot, moveId: string, kind: ArchiveKind): boolean {
  return notes?.trim() === archiveNote(moveId, kind);
}
