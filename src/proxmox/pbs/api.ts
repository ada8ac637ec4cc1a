/**
 * The contract between Proxmox Backup Server and everything above it; as `ProxmoxApi` for clusters.
 * `get` fails when the thing is absent, `find` returns `undefined`, `list` shows what the token may see.
 * Every method rejects with a {@link ProxmoxError} subclass from `errors.ts`.
 */
import type { CallOptions, Permissions, ProxmoxApi, TaskStatus, Upid } from "../api";

/** A place for backups inside a datastore; `namespace` "" is the root. */
export interface BackupLocation {
  datastore: string;
  namespace: string;
}

export interface BackupGroup {
  type: "vm" | "ct" | "host";
  /** Of a guest its vmid. */
  id: string;
}

export interface SnapshotRef extends BackupGroup {
  timeSeconds: number;
}

export interface Snapshot extends SnapshotRef {
  /** Sum of the images' sizes; absent while the backup runs. */
  sizeBytes?: number;
  owner?: string;
  /** First line of the notes. */
  notes?: string;
  protected: boolean;
  /** Of the key it is encrypted with. */
  keyFingerprint?: string;
  verification?: "ok" | "failed";
  files: string[];
}

export interface DatastoreUsage {
  totalBytes: number;
  usedBytes: number;
  availableBytes: number;
}

/** Another backup server, as this one knows it. */
export interface Remote {
  name: string;
  host: string;
  /** Default 8007. */
  port?: number;
  /** User or token it logs in as. */
  authId: string;
  fingerprint?: string;
  comment?: string;
}

export interface SyncJob {
  id: string;
  /** Default `pull`. */
  direction?: "pull" | "push";
  local: BackupLocation;
  /** Absent: another datastore of the same server. */
  remote?: string;
  far: BackupLocation;
  /** Who owns what arrives; default root@pam, which only administrators may leave so. */
  owner?: string;
  /** `group:vm/100`, `type:vm`, `regex:…`; empty: everything. */
  groupFilter?: readonly string[];
  /** Levels of namespaces below; default: all. */
  maxDepth?: number;
  /** Only the newest so many of each group. */
  transferLast?: number;
  removeVanished?: boolean;
  /** Bytes per second. */
  limitBytesPerSecond?: number;
  /** Calendar event; absent: runs only when told to. */
  schedule?: string;
  comment?: string;
}

export interface SyncJobState {
  lastRunUpid?: Upid;
  /** Absent while it runs. */
  lastRunExitStatus?: string;
  lastRunEndSeconds?: number;
}

/** One Proxmox Backup Server through its API. */
export interface BackupServerApi {
  readonly serverId: string;

  getVersion(o?: CallOptions): Promise<{ version: string; release: string; major: number; minor: number }>;
  /** The same by whatever address it is reached; `undefined` from servers that do not tell (before 4.1). */
  findInstanceId(o?: CallOptions): Promise<string | undefined>;
  /** Effective privileges of the credentials in use. */
  getPermissions(o?: CallOptions): Promise<Permissions>;

  readonly datastores: {
    list(o?: CallOptions): Promise<{ name: string; comment?: string }[]>;
    getUsage(datastore: string, o?: CallOptions): Promise<DatastoreUsage>;
    /** Without the root. */
    listNamespaces(datastore: string, o?: CallOptions): Promise<string[]>;
    /** Creates what is missing of the path; safe to repeat. */
    ensureNamespace(at: BackupLocation, o?: CallOptions): Promise<void>;
  };

  readonly snapshots: {
    list(at: BackupLocation, filter?: Partial<BackupGroup>, o?: CallOptions): Promise<Snapshot[]>;
    find(at: BackupLocation, ref: SnapshotRef, o?: CallOptions): Promise<Snapshot | undefined>;
    setProtected(at: BackupLocation, ref: SnapshotRef, isProtected: boolean, o?: CallOptions): Promise<void>;
    getNotes(at: BackupLocation, ref: SnapshotRef, o?: CallOptions): Promise<string>;
    setNotes(at: BackupLocation, ref: SnapshotRef, notes: string, o?: CallOptions): Promise<void>;
    /** Starts a task that reads the whole snapshot; its verdict shows in {@link Snapshot.verification}. One with a verdict is left as it is. */
    verify(at: BackupLocation, ref: SnapshotRef, o?: CallOptions): Promise<Upid>;
    /** One that is gone already is fine; a protected one is refused. */
    delete(at: BackupLocation, ref: SnapshotRef, o?: CallOptions): Promise<void>;
  };

  readonly remotes: {
    find(name: string, o?: CallOptions): Promise<Remote | undefined>;
    create(remote: Remote & { password: string }, o?: CallOptions): Promise<void>;
    delete(name: string, o?: CallOptions): Promise<void>;
  };

  readonly syncJobs: {
    list(o?: CallOptions): Promise<SyncJob[]>;
    find(id: string, o?: CallOptions): Promise<SyncJob | undefined>;
    /**
     * Creates the job, or changes it to what is asked; safe to repeat. Its comment begins with `mark`;
     * one of that id without the mark is somebody else's and is refused with RefusedError.
     */
    ensure(job: SyncJob, mark: string, o?: CallOptions): Promise<void>;
    getState(id: string, o?: CallOptions): Promise<SyncJobState>;
    /** Starts it. A lost answer is looked for, not repeated; LockedError when a run is under way. */
    run(id: string, o?: CallOptions): Promise<Upid>;
    /** One that is gone is fine; one without the mark is refused with RefusedError. */
    delete(id: string, mark: string, o?: CallOptions): Promise<void>;
  };

  readonly tasks: Omit<ProxmoxApi["tasks"], "list"> & {
    /** Newest first; of others only with Sys.Audit on `/system/tasks`. */
    list(
      filter?: { typeFilter?: string; running?: boolean; sinceSeconds?: number; limit?: number },
      o?: CallOptions,
    ): Promise<TaskStatus[]>;
  };

  /** Any other call. Writes are never repeated. */
  request: ProxmoxApi["request"];

  close(): Promise<void>;
}
