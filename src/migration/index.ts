export { claimGuest, findGuest } from "./claim";
export { cleanUpMove } from "./clean-up";
export { locationOf } from "./datastore";
export { dataDrivesOf, type GuestDrive, ownerVmidOf } from "./drives";
export { encryptionFindings } from "./encryption";
export { estimateMove, type MigrationSummary, type MoveEstimate, summarizeMove } from "./estimate";
export { type Grant, LinkBudget, type LinkShare } from "./link-budget";
export {
  carriesMark,
  describeIdentity,
  type FailoverNote,
  FREE_STACK,
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
export { type MarkedGuest, MOVING_TAG, readMarkedGuest, tagsOf, withoutOurTags, writeMark } from "./marked-guest";
export { joinAtTarget, listHaNames, type Membership, membershipFindings, readMembership, type TargetSide } from "./membership";
export { moveGuest, TargetNotAliveError } from "./move";
export type { MoveMethod } from "./move-method";
export type { MoveRecord, MoveRequest, MoveResult } from "./move-request";
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
  stopTask,
  waitForTask,
} from "./operations";
export { findOwnedGuests, mayBeUnfinished, offlineNodes, waitForCreates, waitUntilCreated } from "./owned-guests";
export { type BackupServerOf, definitionOf } from "./pbs-sync";
export { describeNeed, hasPrivilege, membershipNeeds, missingPrivileges, type Need, nodeMoveNeeds, verificationNeeds } from "./permissions";
export { type PreflightFacts, preflight, pullFindings, type RemoteFacts, type StorageRoom, type SyncFacts } from "./preflight";
export type { RemoteEndpoint } from "./remote-endpoint";
export { isRestoreWreck, reclaimOrphans } from "./restore-wreck";
export { type RollbackRequest, rollBackMove } from "./rollback";
export { isRemote, planRoute, type Route, type RouteLink, type RouteResult, type RouteSync, SUPPORTED_METHODS, storeOf } from "./route";
export { describeSealed, isLeftBehind, SEALED_FENCE } from "./sealed-source";
export { describeStranded, findKilledCreate, strandedAt } from "./stranded";
export { awaitWindow, describeWindow, windowRefusal } from "./window";
