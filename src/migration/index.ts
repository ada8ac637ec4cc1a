export { removeArchives } from "./archive";
export { type MoveRecord, type MoveRequest, moveByBackupRestore, TargetNotAliveError } from "./backup-restore";
export { claimGuest, findGuest } from "./claim";
export { dataDrivesOf, type GuestDrive, ownerVmidOf } from "./drives";
export { estimateMove, type MigrationSummary, type MoveEstimate, summarizeMove } from "./estimate";
export {
  describeIdentity,
  formatDescription,
  type GuestAddress,
  type Identity,
  identityTag,
  isIdentityTag,
  type Mark,
  type MoveJournal,
  type Phase,
  parseDescription,
  sameIdentity,
} from "./mark";
export { type MarkedGuest, MOVING_TAG, readMarkedGuest, tagsOf, writeMark } from "./marked-guest";
export {
  destroyGuest,
  findActiveTask,
  GuestLockedError,
  type GuestRef,
  type Pace,
  putConfig,
  refuseForeignLock,
  repeatAfterLostReply,
  runTask,
  shutDownGuest,
  startGuest,
  stopGuest,
  waitForTask,
} from "./operations";
export { findOwnedGuests, mayBeUnfinished, waitUntilCreated } from "./owned-guests";
export { describeNeed, hasPrivilege, missingPrivileges, type Need } from "./permissions";
export { type PreflightFacts, preflight } from "./preflight";
export { isRestoreWreck, rollBackMove } from "./rollback";
export { planRoute, type Route, type RouteResult } from "./route";
export { windowRefusal } from "./window";
