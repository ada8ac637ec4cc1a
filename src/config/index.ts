/** `federation.yaml`: what it means, how it is loaded, where its secrets come from. */
export { DEFAULT_CAPACITY_RULES, mergeCapacityRules } from "./capacity";
export { type CredentialEnvironment, readCaFile, resolveBackupServerCredentials, resolveCredentials } from "./credentials";
export { CredentialError, type CredentialErrorCode, FederationConfigError, formatIssue } from "./errors";
export type { DocumentKind } from "./findings";
export { federationJsonSchema } from "./json-schema";
export { type LoadedFederation, type LoadOptions, loadFederation, parseFederation, safeParseFederation } from "./load";
export type * from "./model";
export type { Path, Position } from "./position";
export { formatPath } from "./position";
export { replaceFile } from "./replace-file";
export { copiesBetween, type ReplicationCopies, storesOfMember, storesOfPolicy } from "./replication-stores";
export { timeWindow } from "./schema/window";
export { type SyncedPair, syncedPairs } from "./synced-stores";
export {
  type DurationUnit,
  formatBandwidth,
  formatDuration,
  formatPercent,
  formatSize,
  parseBandwidthBitsPerSecond,
  parseDurationMs,
  parseLatencyMs,
  parsePercent,
  parseSizeBytes,
  roundedAmount,
  roundedDuration,
  roundedSize,
  UnitError,
} from "./units";
export { describeWindow, isTimezone, isWithinWindow, nextWindow, WEEKDAYS, type WindowOccurrence, windowAt } from "./windows";
