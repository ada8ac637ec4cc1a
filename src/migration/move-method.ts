/**
 * How the data of a guest gets from one cluster to another. The frame ({@link moveGuest}) does what every move has in common:
 * journal, resuming, verification, start, retirement, rollback. A method brings the data over and takes it away again.
 *
 * A method keeps no state of its own: what must survive a kill is on the guests and in the journal. Each of its functions
 * may be called again after any interruption and does only what is missing.
 */
import type { MigrationMethod } from "../config";
import type { MoveJournal, MoveStep } from "./mark";
import type { MoveState } from "./move-state";
import type { GuestRef, Pace } from "./operations";
import type { BackupServerOf } from "./pbs-sync";
import type { RollbackRequest } from "./rollback";

export interface MoveMethod {
  readonly name: MigrationMethod;

  /**
   * Steps whose work is good only while the source has stood still behind its fence ever since. A source found unfenced at
   * one of them begins anew: what was carried over is older than what it holds.
   */
  readonly fencedSteps: ReadonlySet<MoveStep>;

  /**
   * Set: the source is left under a lock that no token can take away. From step `finishing` on nothing is written to it any more;
   * how far the move has come then shows on the target.
   */
  readonly sealsSource?: true;

  /** First act on the journal of an interrupted run: finds out what has become of work that went on by itself. */
  takeUp?(move: MoveState): Promise<void>;

  /**
   * Finds the target of an interrupted run, or takes a vmid for it. The journal names the vmid, and the guest carries our mark
   * with phase `claimed`, before this resolves. It never touches a guest that is not ours.
   * A method whose target is made by Proxmox itself only takes a free vmid: until our guest is there, it is anybody's.
   */
  takeTarget(move: MoveState): Promise<GuestRef>;

  /**
   * Carries the guest over. Before: the source serves (or stood still already). Afterwards: the source is stopped and fenced
   * (`stopAndFenceSource`), the target holds all data and carries our mark with phase `restored`. Queues (`inTurn`) are the
   * method's business: it knows what a guest waits for, and must not let it wait switched off.
   *
   * A method whose target may run before this resolves writes step `finishing` before that moment, and takes it back only
   * when the target has failed for certain: from `finishing` on nothing is rolled back and the source is not started.
   */
  carry(move: MoveState, target: GuestRef): Promise<void>;

  /** Whether step `finishing` can be undone, because the target has not come to be. Absent: never. */
  canRollBack?(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<boolean>;

  /**
   * First act of a rollback, before the source serves again: ends what still works on the source for this move (a backup).
   */
  stopWork(source: GuestRef, journal: MoveJournal, pace: Pace): Promise<void>;

  /** Removes what the move has made at the target: only what is proven to be ours. */
  removeTarget(request: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<void>;

  /**
   * Last act of a move and of a rollback: removes what lies beside both guests (archives).
   * @param backupServerOf asked only where archives were synced
   */
  cleanUp(source: GuestRef, journal: MoveJournal, pace: Pace, backupServerOf: BackupServerOf | undefined): Promise<void>;
}
