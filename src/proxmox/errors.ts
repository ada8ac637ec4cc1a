/**
 * Everything that can go wrong with a Proxmox VE API: one tree, one base class, a stable `code` each.
 * Branch on `code` (or {@link isProxmoxError}), never on the text.
 */

/** Survives two copies of this package in one process, where `instanceof` does not. */
const brand: unique symbol = Symbol.for("proxmox-federation.ProxmoxError");

/** Which call failed. `path` is below `/api2/json` and carries no query: parameters may be secret. */
export interface CallContext {
  /** Its id; of something else than a cluster, together with `system`. */
  cluster: string;
  /** What stands before the id in messages. Default `cluster`. */
  system?: string;
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
}

/** What an error says. Texts must have passed the redactor: nothing here is cleaned again. */
export interface ErrorDetails {
  /** What failed, as a sentence without a full stop. */
  summary: string;
  context: CallContext;
  /** Proxmox's own words. */
  proxmoxMessage?: string;
  /** HTTP status, where there was an answer. */
  status?: number;
  /** What to do, as a sentence. */
  advice?: string;
  cause?: Error;
}

/** The node a path names, if it names one. */
export function nodeOfPath(path: string): string | undefined {
  const node = /^\/nodes\/([^/]+)/.exec(path)?.[1];
  return node === undefined ? undefined : decodeURIComponent(node);
}

function composeMessage(details: ErrorDetails): string {
  const { cluster, system = "cluster", method, path } = details.context;
  const node = nodeOfPath(path);
  const where = `${system} ${cluster}${node === undefined ? "" : `, node ${node}`}, ${method} ${path}`;
  const parts = [`${details.summary} (${where})`];
  if (details.proxmoxMessage) parts.push(`: ${details.proxmoxMessage}`);
  const sentence = parts.join("");
  return details.advice === undefined ? sentence : `${sentence}${/[.!?]$/.test(sentence) ? "" : "."} ${details.advice}`;
}

export abstract class ProxmoxError extends Error {
  abstract readonly code: ProxmoxErrorCode;
  readonly [brand] = true;
  readonly cluster: string;
  readonly node?: string;
  readonly method: CallContext["method"];
  readonly path: string;
  readonly status?: number;
  readonly proxmoxMessage?: string;

  constructor(details: ErrorDetails) {
    super(composeMessage(details), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.cluster = details.context.cluster;
    this.method = details.context.method;
    this.path = details.context.path;
    const node = nodeOfPath(details.context.path);
    if (node !== undefined) this.node = node;
    if (details.status !== undefined) this.status = details.status;
    if (details.proxmoxMessage !== undefined) this.proxmoxMessage = details.proxmoxMessage;
  }
}

/** No daemon ever saw the request (refused, DNS, TLS handshake, 595), or a read lost its connection: safe to repeat. */
export class ConnectionError extends ProxmoxError {
  readonly code = "CONNECTION";
  /** What each endpoint said, in the order tried. */
  readonly endpoints: readonly { url: string; reason: string }[];
  constructor(details: ErrorDetails & { endpoints?: readonly { url: string; reason: string }[] }) {
    super(details);
    this.endpoints = details.endpoints ?? [];
  }
}

/** The server showed another certificate than the configured one. Nothing was sent to it. */
export class TlsFingerprintError extends ProxmoxError {
  readonly code = "TLS_FINGERPRINT";
  readonly endpoint: string;
  readonly expected: readonly string[];
  readonly found: string;
  constructor(details: ErrorDetails & { endpoint: string; expected: readonly string[]; found: string }) {
    super(details);
    this.endpoint = details.endpoint;
    this.expected = details.expected;
    this.found = details.found;
  }
}

/** A write went out and its answer did not come back. Look what happened before repeating it. */
export class OutcomeUnknownError extends ProxmoxError {
  readonly code = "OUTCOME_UNKNOWN";
}

/** A read took too long. */
export class RequestTimeoutError extends ProxmoxError {
  readonly code = "TIMEOUT";
}

/** The caller's AbortSignal ended the call or the wait. */
export class CancelledError extends ProxmoxError {
  readonly code = "CANCELLED";
  /** True when a write was already on its way: it may have been done. */
  readonly outcomeUnknown: boolean;
  constructor(details: ErrorDetails & { outcomeUnknown: boolean }) {
    super(details);
    this.outcomeUnknown = details.outcomeUnknown;
  }
}

/** 401, or a login that cannot work with a password alone. */
export class AuthenticationError extends ProxmoxError {
  readonly code = "AUTHENTICATION";
}

/** The credentials lack a privilege, or only root@pam itself may do this. */
export class PermissionError extends ProxmoxError {
  readonly code = "PERMISSION";
  /** ACL path Proxmox checked, e.g. `/vms/100`. */
  readonly aclPath?: string;
  /** Privileges it asked for. With {@link anyOf}, one of them is enough. */
  readonly privileges: readonly string[];
  readonly anyOf: boolean;
  constructor(details: ErrorDetails & { aclPath?: string; privileges: readonly string[]; anyOf: boolean }) {
    super(details);
    if (details.aclPath !== undefined) this.aclPath = details.aclPath;
    this.privileges = details.privileges;
    this.anyOf = details.anyOf;
  }
}

/** Proxmox, or this client before sending, refused a parameter. */
export class ParameterError extends ProxmoxError {
  readonly code = "PARAMETER";
  /** Parameter → what is wrong with it. */
  readonly errors: Readonly<Record<string, string>>;
  constructor(details: ErrorDetails & { errors: Readonly<Record<string, string>> }) {
    super(details);
    this.errors = details.errors;
  }
}

/** What may be missing. */
export type MissingThing =
  | "guest"
  | "storage"
  | "volume"
  | "pool"
  | "node"
  | "task"
  // Of a backup server:
  | "datastore"
  | "snapshot"
  | "remote"
  | "sync job";

/** The named thing is not there. Only for texts that say exactly that about exactly this thing. */
export class NotFoundError extends ProxmoxError {
  readonly code = "NOT_FOUND";
  readonly what: MissingThing;
  /** vmid, storage id, volid, pool, node name, UPID; a backup server's names. */
  readonly id: string;
  constructor(details: ErrorDetails & { what: MissingThing; id: string }) {
    super(details);
    this.what = details.what;
    this.id = details.id;
  }
}

/** The vmid, volume, pool, … is taken. */
export class AlreadyExistsError extends ProxmoxError {
  readonly code = "ALREADY_EXISTS";
}

/** A guest's `lock`, or a lock file somebody else holds. */
export class LockedError extends ProxmoxError {
  readonly code = "LOCKED";
  /** Value of the guest's `lock` (`backup`, `migrate`, …). */
  readonly lock?: string;
  /** True when a lock file could not be had in time: the call did nothing and may be repeated. */
  readonly lockFile: boolean;
  constructor(details: ErrorDetails & { lock?: string; lockFile: boolean }) {
    super(details);
    if (details.lock !== undefined) this.lock = details.lock;
    this.lockFile = details.lockFile;
  }
}

/** The configuration changed since its `digest` was read. */
export class DigestError extends ProxmoxError {
  readonly code = "DIGEST";
}

/** The cluster has no quorum: reads work, changes do not. */
export class QuorumError extends ProxmoxError {
  readonly code = "NO_QUORUM";
}

export class NotRunningError extends ProxmoxError {
  readonly code = "NOT_RUNNING";
}

export class AlreadyRunningError extends ProxmoxError {
  readonly code = "ALREADY_RUNNING";
}

/** The guest agent is not configured or does not answer. */
export class AgentUnavailableError extends ProxmoxError {
  readonly code = "AGENT_UNAVAILABLE";
}

/** This version of Proxmox has no such call. */
export class NotImplementedError extends ProxmoxError {
  readonly code = "NOT_IMPLEMENTED";
}

/** Proxmox answered and said no, for a reason none of the other classes stands for. */
export class RefusedError extends ProxmoxError {
  readonly code = "REFUSED";
}

/** The answer is not one of a Proxmox API: HTML, a redirect, broken JSON, or too big. */
export class UnexpectedResponseError extends ProxmoxError {
  readonly code = "UNEXPECTED_RESPONSE";
}

/** A task ended, and not well. */
export class TaskFailedError extends ProxmoxError {
  readonly code = "TASK_FAILED";
  readonly upid: string;
  readonly exitStatus: string;
  /** Last lines of the task's log, at most 15; empty where the log could not be read. */
  readonly logTail: readonly string[];
  /** What the exit status means, where it is one of the known texts. */
  readonly reason?: ProxmoxErrorCode;
  constructor(details: ErrorDetails & { upid: string; exitStatus: string; logTail: readonly string[]; reason?: ProxmoxErrorCode }) {
    super(details);
    this.upid = details.upid;
    this.exitStatus = details.exitStatus;
    this.logTail = details.logTail;
    if (details.reason !== undefined) this.reason = details.reason;
  }
}

/** A task was still running when the wait ended. It goes on. */
export class TaskTimeoutError extends ProxmoxError {
  readonly code = "TASK_TIMEOUT";
  readonly upid: string;
  constructor(details: ErrorDetails & { upid: string }) {
    super(details);
    this.upid = details.upid;
  }
}

/** Error class by code. */
export interface ProxmoxErrors {
  CONNECTION: ConnectionError;
  TLS_FINGERPRINT: TlsFingerprintError;
  OUTCOME_UNKNOWN: OutcomeUnknownError;
  TIMEOUT: RequestTimeoutError;
  CANCELLED: CancelledError;
  AUTHENTICATION: AuthenticationError;
  PERMISSION: PermissionError;
  PARAMETER: ParameterError;
  NOT_FOUND: NotFoundError;
  ALREADY_EXISTS: AlreadyExistsError;
  LOCKED: LockedError;
  DIGEST: DigestError;
  NO_QUORUM: QuorumError;
  NOT_RUNNING: NotRunningError;
  ALREADY_RUNNING: AlreadyRunningError;
  AGENT_UNAVAILABLE: AgentUnavailableError;
  NOT_IMPLEMENTED: NotImplementedError;
  REFUSED: RefusedError;
  UNEXPECTED_RESPONSE: UnexpectedResponseError;
  TASK_FAILED: TaskFailedError;
  TASK_TIMEOUT: TaskTimeoutError;
}

export type ProxmoxErrorCode = keyof ProxmoxErrors;

/** Recognizes errors of any copy of this package; with `code`, of that class only. */
export function isProxmoxError(value: unknown): value is ProxmoxError;
export function isProxmoxError<C extends ProxmoxErrorCode>(value: unknown, code: C): value is ProxmoxErrors[C];
export function isProxmoxError(value: unknown, code?: ProxmoxErrorCode): boolean {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as { [brand]?: unknown; code?: unknown };
  return candidate[brand] === true && (code === undefined || candidate.code === code);
}

/** A text that is not what its format says: property strings, volids, UPIDs, sizes. */
export class FormatError extends Error {
  readonly code = "FORMAT";
  constructor(
    readonly format: string,
    readonly value: string,
    reason: string,
  ) {
    super(`"${value}" is not a valid ${format}: ${reason}`);
    this.name = "FormatError";
  }
}
