export type {
  ApiParams,
  CallOptions,
  ClusterStatus,
  GuestConfig,
  GuestRow,
  GuestStatus,
  HaResource,
  HaRule,
  NodeRow,
  Permissions,
  Pool,
  PoolRow,
  ProxmoxApi,
  ReplicationJob,
  ResourceRow,
  StorageDefinition,
  StorageRow,
  StorageStatus,
  TaskFilter,
  TaskResult,
  TaskStatus,
  Upid,
  Volume,
  WaitOptions,
} from "./api";
export type { Credentials } from "./authentication";
export { type BackupJob, createBackupJob, deleteBackupJob, listBackupJobs, updateBackupJob } from "./backup-jobs";
export { classifyText, type Refusal } from "./classify";
export { createProxmoxClient, type ProxmoxClientOptions } from "./client";
export { type Clock, systemClock } from "./clock";
export {
  canonicalDrive,
  type Drive,
  type DriveBus,
  type DriveFile,
  type DriveSlot,
  driveOption,
  driveSizeBytes,
  driveVolid,
  findDriveSlot,
  formatDrive,
  isCdrom,
  isCloudInit,
  parseDrive,
  withDriveOption,
} from "./drive";
export {
  AgentUnavailableError,
  AlreadyExistsError,
  AlreadyRunningError,
  AuthenticationError,
  CancelledError,
  ConnectionError,
  DigestError,
  FormatError,
  isProxmoxError,
  LockedError,
  type MissingThing,
  NotFoundError,
  NotImplementedError,
  NotRunningError,
  OutcomeUnknownError,
  ParameterError,
  PermissionError,
  ProxmoxError,
  type ProxmoxErrorCode,
  type ProxmoxErrors,
  QuorumError,
  RefusedError,
  RequestTimeoutError,
  TaskFailedError,
  TaskTimeoutError,
  TlsFingerprintError,
  UnexpectedResponseError,
} from "./errors";
export { inParallel } from "./in-parallel";
export { canonicalNet, formatNet, type Net, parseNet, withNetOption } from "./net";
export type {
  BackupGroup,
  BackupLocation,
  BackupServerApi,
  DatastoreUsage,
  Remote,
  Snapshot,
  SnapshotRef,
  SyncJob,
  SyncJobState,
} from "./pbs/api";
export { type BackupServerClientOptions, createBackupServerClient } from "./pbs/client";
export {
  formatPropertyString,
  getProperty,
  type PropertyEntry,
  type PropertyString,
  parsePropertyBoolean,
  parsePropertyString,
  setProperty,
} from "./property-string";
export { cleanCause, createRedactor, type Redact } from "./redact";
export type { RequestInfo } from "./requester";
export { type RetryWhileLockedOptions, retryWhileLocked } from "./retry";
export { formatSize, parseSize } from "./sizes";
export { formatTags, isValidTag, normalizeTags, splitTags, type TagStyle } from "./tags";
export { parseFingerprints, type TlsOptions } from "./tls";
export { formatUpid, isUpid, parseUpid, type UpidParts } from "./upid";
export { formatVolid, isVolid, ownerOf, parseVolid, parseVolname, type Volid, type Volname } from "./volid";
