/** What a move has left beside its guests, removed before the guest that knows of it goes. */
import type { MoveJournal } from "./mark";
import { methodOf } from "./methods";
import type { GuestRef, Pace } from "./operations";
import type { BackupServerOf } from "./pbs-sync";

/** Safe to repeat. The archive goes before its guest does: afterwards a token with rights from the pool may not delete it. */
export function cleanUpMove(source: GuestRef, journal: MoveJournal, pace: Pace, backupServerOf: BackupServerOf): Promise<void> {
  return methodOf(journal).cleanUp(source, journal, pace, backupServerOf);
}
