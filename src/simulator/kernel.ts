/**
 * What an operation of the simulator gets and what it returns. The server in front of it does
 * HTTP, authentication, faults and parameter verification; an operation does one API method.
 */
import type { Peers } from "./peers";
import type { BackendState, ClusterState, FederationState, GuestState, StorageState, VolumeState } from "./state";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** One API method. `path` as in the schema: `/nodes/{node}/qemu/{vmid}/config`. */
export interface Route {
  method: Method;
  path: string;
  /** Parameter table; see `parameters.ts`. Path variables included. */
  parameters: ParameterTable;
  /** Permission check before parameters are verified; throws {@link ApiError} 403. Absent: any authenticated user. */
  permission?: (call: Call) => void;
  /** Tokens get 403 when false. Default true. */
  tokenAllowed?: boolean;
  /** Executed on the named node; when that node is offline the caller gets 595, when it hangs 596. Default: true if the path has {node}. */
  onNode?: boolean;
  /** Returns the answer's `data`, or an {@link ApiReply} for what lies beside it. Quorum: see `quorum.ts`. */
  handler: (call: Call) => unknown | Promise<unknown>;
}

/** An answer with more than `data`: row counts of a list, or plain text instead of JSON. */
export class ApiReply {
  constructor(
    readonly data: unknown,
    readonly extra: { total?: number; changes?: number; text?: string } = {},
  ) {}
}

export type ParameterTable = Record<string, ParameterRule>;

export interface ParameterRule {
  type: "string" | "integer" | "number" | "boolean" | "list";
  optional?: boolean;
  default?: string | number | boolean;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  minLength?: number;
  enum?: readonly string[];
  pattern?: RegExp;
  /**
   * Returns Proxmox's error text, or undefined when the value is good. `parameters.ts` writes
   * `invalid format - ` before it and a line feed after it. For a list it is asked item by item.
   */
  format?: (value: string) => string | undefined;
  requires?: string;
  /** Stands for `key0`, `key1`, … up to this many (the table's key ends in `[n]`). */
  family?: number;
}

export interface Call {
  world: World;
  cluster: ClusterState;
  /** The node that answers. */
  localNode: string;
  method: Method;
  path: string;
  pathVariables: Record<string, string>;
  /** Verified parameters, path variables included; numbers as numbers, booleans as booleans. */
  params: Record<string, string | number | boolean | string[]>;
  user: AuthenticatedUser;
  /** Throws `403 Permission check failed (path, a|b)` unless the user has one (`any`) or all (`all`, the default) of the privileges. */
  requirePrivilege(path: string, privileges: string[], mode?: "any" | "all"): void;
  hasPrivilege(path: string, privilege: string): boolean;
  /** Starts a worker and returns its UPID. `work` runs in virtual time; its error text becomes the exit status. */
  startTask(spec: WorkerSpec, work: (task: TaskContext) => Promise<void>): string;
}

export interface WorkerSpec {
  type: string;
  id?: string;
  node?: string;
  /** What the call has done ahead for its worker; a worker that fails or is stopped before its work takes it back, a killed one does not. */
  takeBack?: (task: TaskContext) => void;
}

export interface AuthenticatedUser {
  /** `root@pam` or `iac@pve!tok`. */
  authid: string;
  userid: string;
  isToken: boolean;
  /** Only the ticket of root@pam; never a token. */
  isRoot: boolean;
}

export interface TaskContext {
  readonly upid: string;
  log(line: string): void;
  /** Adds `WARN: …` to the log and makes the exit status `WARNINGS: n`. */
  warn(line: string): void;
  /** Virtual time passes; rejects with `TaskInterrupted` when the task is stopped or its worker killed. */
  pass(virtualMs: number): Promise<void>;
  /**
   * Moving bytes through one or more shared resources (`backend:<id>`, `link:<…>`), each with its own bandwidth.
   * `kind` says how they count in the task's traffic; default: read and written at once.
   */
  transfer(
    bytes: number,
    through: string[],
    limitBytesPerSecond?: number,
    onProgress?: (doneBytes: number) => void,
    kind?: TransferKind,
    /** Ends the transfer too: the other side is gone. */
    stop?: AbortSignal,
  ): Promise<void>;
  /** True when the worker was killed outright (SIGKILL): no clean-up runs. */
  readonly killed: boolean;
}

export type TransferKind = "read" | "write" | "copy";

/** The running simulator: state plus what cannot be stored. */
export interface World {
  readonly state: FederationState;
  readonly clock: Clock;
  /** Bytes per block of every simulated disk. */
  readonly blockBytes: number;
  /** Deterministic pseudo-random hex digits. */
  randomHex(digits: number): string;
  /** Waits up to 10 s of virtual time as `lock_file` does, then throws `can't lock file '…' - got timeout`. */
  withGuestLock<T>(cluster: ClusterState, vmid: number, work: () => Promise<T> | T): Promise<T>;
  /** Guest lock that a worker holds over its whole life; returns the release. */
  holdGuestLock(cluster: ClusterState, vmid: number): Promise<() => void>;
  /** vzdump: one per node, waits. */
  withNodeLock<T>(cluster: ClusterState, node: string, name: string, onWait: () => void, work: () => Promise<T>): Promise<T>;
  /** The network to other clusters. */
  readonly peers: Peers;
  /** Appends to the event log that the admin API shows (guest started, stopped, destroyed, volume freed, …). */
  event(kind: string, detail: Record<string, unknown>): void;
  /** State has changed and is to be saved when a state directory is set. */
  touch(): void;
}

export interface Clock {
  /** Virtual ms since the epoch. */
  nowMs(): number;
  /** Resolves after virtual time has passed; real time is virtual / timeScale. */
  sleep(virtualMs: number, signal?: AbortSignal): Promise<void>;
}

/** An error answer: status and the reason phrase, exactly as Proxmox writes them. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Only with 400 `Parameter verification failed.` */
    readonly errors?: Record<string, string>,
  ) {
    super(message);
  }
}

export class TaskInterrupted extends Error {}

export type { BackendState, ClusterState, FederationState, GuestState, StorageState, VolumeState };
