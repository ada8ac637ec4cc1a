/** Failing over: backups of lost guests, their restore, and the copies that come back. */
export { parseArchivedConfig } from "./archived-config";
export { findNewestBackup, type GuestBackup, storagesWithArchivesOf } from "./backups";
export { describeTwoRunning, fenceOldCopy, isOldCopy } from "./old-copies";
export { type FailoverRequest, restoreLostGuest } from "./restore";
