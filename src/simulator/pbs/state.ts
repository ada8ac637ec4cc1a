/** A Proxmox Backup Server as plain JSON, part of the federation's state. */
import type { TaskState } from "../state";

export interface BackupServerState {
  /** Unique among servers and clusters; also the name of its only node. */
  id: string;
  version: string;
  /** What `GET /nodes/{node}/identity` says: the same for everybody who looks. */
  instanceId: string;
  /** Where it stands (see `network.ts`). */
  site?: string;
  /** By name. */
  datastores: Record<string, DatastoreState>;
  access: BackupServerAccess;
  /** By name: other servers to pull from and push to. */
  remotes: Record<string, RemoteState>;
  /** By id: keys as in sync.cfg. */
  syncJobs: Record<string, JobConfig>;
  verifyJobs: Record<string, JobConfig>;
  /** Last run of a job, by `sync:<id>` or `verify:<id>`. */
  jobRuns: Record<string, string>;
  /** By UPID, newest last. */
  tasks: Record<string, TaskState>;
  nextPid: number;
  /** SHA-256 of the certificate, `AA:BB:…`; set when its listener starts. */
  fingerprint?: string;
  /** The listener refuses connections, and storages on it cannot be activated. */
  down?: boolean;
}

export interface DatastoreState {
  /** The backend with its volumes and chunks. */
  backend: string;
  comment?: string;
  /** Namespaces that exist, without the root; parents before children. */
  namespaces: string[];
  /** Owner by group (`<namespace>:vm/100`); absent: root@pam. */
  owners: Record<string, string>;
  /** Notes of groups. */
  groupNotes: Record<string, string>;
  lastGarbageCollection?: { upid: string; removedChunks: number };
}

export interface RemoteState {
  host: string;
  port?: number;
  authId: string;
  password: string;
  fingerprint?: string;
  comment?: string;
}

export type JobConfig = Record<string, string | number | boolean | string[]>;

export interface BackupServerAccess {
  /** Signs tickets; made when the server is built. */
  ticketKey: string;
  /** userid → */
  users: Record<string, { password?: string }>;
  /** `user@realm!name` → */
  tokens: Record<string, { secret: string }>;
  acl: { path: string; authid: string; role: string; propagate: boolean }[];
}

/** The host name that storages of a layout use for it. */
export function backupServerHost(id: string): string {
  return `${id}.simulated.invalid`;
}
