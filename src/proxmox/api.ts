/**
 * The contract between Proxmox VE and everything above it.
 *
 * Code that plans, migrates or provides programs against {@link ProxmoxApi}; the undici client in
 * this folder implements it. Methods mirror the API tree (`qemu.getConfig` is
 * `GET /nodes/{node}/qemu/{vmid}/config`). `get` fails when the thing is absent, `find` returns
 * `undefined`, `list` may be empty because of missing privileges: Proxmox filters silently.
 *
 * Every method rejects with a {@link ProxmoxError} subclass from `errors.ts`.
 */

/** Raw API values: Proxmox takes strings, numbers and 0/1; booleans are sent as 0/1, `undefined` is left out, a list repeats its key. */
export type ApiParams = Record<string, string | number | boolean | readonly string[] | undefined>;

/** A running or finished task of one node, `UPID:node:pid:pstart:starttime:type:id:user:`. */
export type Upid = string;

export interface CallOptions {
  /** Ends the call; the outcome of a write is then unknown. */
  signal?: AbortSignal;
  /** Replaces the cluster's request timeout for this call. */
  timeoutMs?: number;
}

/** A guest as `/cluster/resources` shows it. Tags, lock and pool are immediate; all else may be 10 s old. */
export interface GuestRow {
  kind: "guest";
  guestType: "qemu" | "lxc";
  vmid: number;
  node: string;
  /** Absent until the node's statistics daemon has seen a new guest. */
  name?: string;
  /** `unknown` until the statistics daemon has seen it. */
  status: "running" | "stopped" | "paused" | "unknown";
  template: boolean;
  tags: string[];
  lock?: string;
  pool?: string;
  haState?: string;
  maxCpu?: number;
  maxMemoryBytes?: number;
  memoryBytes?: number;
  maxDiskBytes?: number;
  cpu?: number;
  uptimeSeconds?: number;
}

export interface NodeRow {
  kind: "node";
  node: string;
  status: "online" | "offline" | "unknown";
  /** Absent when the token lacks Sys.Audit on the node. */
  maxCpu?: number;
  cpu?: number;
  maxMemoryBytes?: number;
  memoryBytes?: number;
}

export interface StorageRow {
  kind: "storage";
  storage: string;
  node: string;
  status: "available" | "unknown";
  shared: boolean;
  pluginType?: string;
  content: string[];
  usedBytes?: number;
  totalBytes?: number;
}

export interface PoolRow {
  kind: "pool";
  pool: string;
}

export type ResourceRow = GuestRow | NodeRow | StorageRow | PoolRow;

export interface ClusterStatus {
  /** Absent on a standalone node. */
  name?: string;
  quorate: boolean;
  nodes: { name: string; online: boolean; local: boolean; ip?: string }[];
}

/** A guest's configuration: keys as Proxmox has them, every value as a string. */
export interface GuestConfig {
  /** sha1 of the file; pass it back to refuse a write over somebody else's change. */
  digest: string;
  /** All other keys (`memory`, `scsi0`, `description`, `tags`, …). */
  values: Record<string, string>;
}

export interface GuestStatus {
  vmid: number;
  status: "running" | "stopped";
  /** QEMU's own state: `running`, `paused`, `prelaunch`, … */
  qmpStatus?: string;
  name?: string;
  lock?: string;
  template: boolean;
  uptimeSeconds: number;
  ha: { managed: boolean; state?: string };
  agentEnabled: boolean;
}

export interface Volume {
  volid: string;
  format: string;
  /** Virtual size in bytes; for an archive, its length. */
  sizeBytes: number;
  /** Bytes used on the storage, where the plugin knows. */
  usedBytes?: number;
  content?: string;
  vmid?: number;
  createdAtSeconds?: number;
  /** First line only in a listing. */
  notes?: string;
  protected: boolean;
  encrypted?: string;
  /** How a backup server's last check of an archive ended; absent: not checked. */
  verification?: "ok" | "failed";
}

export interface StorageStatus {
  type: string;
  active: boolean;
  enabled: boolean;
  shared: boolean;
  content: string[];
  totalBytes: number;
  usedBytes: number;
  availableBytes: number;
}

/** A storage definition, `GET /storage`. Unknown keys stay in `raw`. */
export interface StorageDefinition {
  storage: string;
  type: string;
  content: string[];
  nodes?: string[];
  shared: boolean;
  raw: Record<string, unknown>;
}

export interface Pool {
  pool: string;
  comment?: string;
  members: { kind: "guest"; vmid: number; node: string }[];
  storages: string[];
}

export interface TaskStatus {
  upid: Upid;
  node: string;
  type: string;
  /** The vmid, volume or empty. */
  id: string;
  user: string;
  status: "running" | "stopped";
  /** Only when stopped: `OK`, `WARNINGS: n`, or the error text. */
  exitStatus?: string;
  startTimeSeconds: number;
  endTimeSeconds?: number;
}

export interface TaskResult {
  upid: Upid;
  /** Number of warnings: the task succeeded all the same. */
  warnings: number;
  /** Whole log. */
  log: string[];
}

export interface WaitOptions {
  /** How long to wait; the task itself goes on. Default 1 hour. */
  timeoutMs?: number;
  /** Stops waiting; with `stopOnAbort` the task is stopped too. */
  signal?: AbortSignal;
  stopOnAbort?: boolean;
  /** New log lines as they come. */
  onLog?: (lines: string[]) => void;
}

export interface TaskFilter {
  vmid?: number;
  typeFilter?: string;
  /** Running tasks (`active`), finished ones (`archive`) or both. Default `all`. */
  source?: "active" | "archive" | "all";
  sinceSeconds?: number;
  limit?: number;
}

/** A guest under high availability. */
export interface HaResource {
  vmid: number;
  /** Requested: `started`, `stopped`, `disabled`, or `ignored`: HA keeps its hands off. */
  state: string;
  comment?: string;
  /** Up to Proxmox VE 8. */
  group?: string;
  maxRelocate?: number;
  maxRestart?: number;
  /** From Proxmox VE 9 on. */
  failback?: boolean;
}

/** A rule that names resources, from Proxmox VE 9 on. */
export interface HaRule {
  rule: string;
  /** `node-affinity` or `resource-affinity`. */
  type: string;
  /** `vm:100`, … */
  resources: string[];
}

/** Replication of a guest's disks to another node of its cluster. */
export interface ReplicationJob {
  vmid: number;
  /** Number of the job of that guest. */
  job: number;
  targetNode: string;
  /** Calendar event; absent: every quarter of an hour. */
  schedule?: string;
  rateMBps?: number;
  comment?: string;
  disabled: boolean;
}

/**
 * What a token may do: path → privileges. Inherited privileges are already resolved by Proxmox per listed path.
 * A listed privilege is held on that path; `true` says that it also counts for the paths below.
 */
export type Permissions = Record<string, Record<string, boolean>>;

/** One Proxmox VE cluster through its API. */
export interface ProxmoxApi {
  readonly clusterId: string;

  getVersion(o?: CallOptions): Promise<{ version: string; release: string; major: number; minor: number }>;
  getClusterStatus(o?: CallOptions): Promise<ClusterStatus>;
  /** One call for the whole cluster: guests, nodes, storages (one row per node) and pools. */
  listResources(o?: CallOptions): Promise<ResourceRow[]>;
  /** Lowest free vmid of the datacenter's range. Not a reservation: the create itself is the claim. */
  getNextVmid(o?: CallOptions): Promise<number>;
  /** Effective privileges of the credentials in use. */
  getPermissions(o?: CallOptions): Promise<Permissions>;
  listStorageDefinitions(o?: CallOptions): Promise<StorageDefinition[]>;
  /** Bridges and VNets of a node that the credentials may use. */
  listBridges(node: string, o?: CallOptions): Promise<string[]>;

  readonly pools: {
    find(pool: string, o?: CallOptions): Promise<Pool | undefined>;
    create(pool: string, comment: string, o?: CallOptions): Promise<void>;
    setComment(pool: string, comment: string, o?: CallOptions): Promise<void>;
    addGuest(pool: string, vmid: number, o?: CallOptions & { allowMove?: boolean }): Promise<void>;
    /** Only an empty pool goes. */
    delete(pool: string, o?: CallOptions): Promise<void>;
  };

  readonly qemu: {
    list(node: string, o?: CallOptions): Promise<GuestRow[]>;
    getConfig(node: string, vmid: number, o?: CallOptions): Promise<GuestConfig>;
    /** `undefined` when no such guest is on that node; nothing else is swallowed. */
    findConfig(node: string, vmid: number, o?: CallOptions): Promise<GuestConfig | undefined>;
    /** Changes that wait for the next start: key → value, `undefined` value = will be deleted. */
    listPending(node: string, vmid: number, o?: CallOptions): Promise<{ key: string; value?: string; pending?: string; delete: boolean }[]>;
    getStatus(node: string, vmid: number, o?: CallOptions): Promise<GuestStatus>;
    /** Create, or restore when `archive` is among the parameters. The vmid is claimed before this returns. */
    create(node: string, params: ApiParams & { vmid: number }, o?: CallOptions): Promise<Upid>;
    clone(node: string, vmid: number, params: ApiParams & { newid: number }, o?: CallOptions): Promise<Upid>;
    /** Synchronous change (PUT). For disk allocation use `startConfigUpdate`: PUT dies at the proxy's 30 s. */
    updateConfig(node: string, vmid: number, params: ApiParams, o?: CallOptions): Promise<void>;
    /** Asynchronous change (POST); `undefined` when Proxmox needed no task. */
    startConfigUpdate(node: string, vmid: number, params: ApiParams, o?: CallOptions): Promise<Upid | undefined>;
    resizeDisk(node: string, vmid: number, disk: string, sizeBytes: number, o?: CallOptions): Promise<Upid | undefined>;
    moveDisk(node: string, vmid: number, params: ApiParams & { disk: string }, o?: CallOptions): Promise<Upid>;
    getMigratePreconditions(
      node: string,
      vmid: number,
      target: string,
      o?: CallOptions,
    ): Promise<{
      running: boolean;
      allowedNodes?: string[];
      localDisks: { volid: string; driveName?: string; sizeBytes?: number }[];
      localResources: string[];
      notAllowedNodes?: Record<string, unknown>;
    }>;
    migrate(node: string, vmid: number, params: ApiParams & { target: string }, o?: CallOptions): Promise<Upid>;
    /** To another cluster. The parameters hold a token of that cluster: it is taken out of every error. */
    remoteMigrate(
      node: string,
      vmid: number,
      params: ApiParams & { "target-endpoint": string; "target-storage": string; "target-bridge": string },
      o?: CallOptions,
    ): Promise<Upid>;
    start(node: string, vmid: number, o?: CallOptions): Promise<Upid>;
    /** Pulls the plug. */
    stop(node: string, vmid: number, o?: CallOptions): Promise<Upid>;
    /** Asks the guest; `forceStop` pulls the plug after `timeoutSeconds`. */
    shutdown(node: string, vmid: number, params: { timeoutSeconds?: number; forceStop?: boolean }, o?: CallOptions): Promise<Upid>;
    reboot(node: string, vmid: number, params: { timeoutSeconds?: number }, o?: CallOptions): Promise<Upid>;
    /** `destroy-unreferenced-disks` is never sent: it destroys other guests' volumes. */
    delete(node: string, vmid: number, params: { purge?: boolean }, o?: CallOptions): Promise<Upid>;
    /** True when the guest agent answers a ping. */
    pingAgent(node: string, vmid: number, o?: CallOptions): Promise<boolean>;
    /** Addresses the guest agent reports, loopback left out; `undefined` when it does not answer. */
    findAgentAddresses(node: string, vmid: number, o?: CallOptions): Promise<string[] | undefined>;
  };

  readonly storage: {
    getStatus(node: string, storage: string, o?: CallOptions): Promise<StorageStatus>;
    listContent(node: string, storage: string, filter: { content?: string; vmid?: number }, o?: CallOptions): Promise<Volume[]>;
    /** Allocates synchronously and returns the volid. */
    allocate(
      node: string,
      storage: string,
      params: { filename: string; vmid: number; sizeBytes: number; format?: string },
      o?: CallOptions,
    ): Promise<string>;
    findVolume(node: string, volid: string, o?: CallOptions): Promise<Volume | undefined>;
    setVolumeAttributes(node: string, volid: string, params: { notes?: string; protected?: boolean }, o?: CallOptions): Promise<void>;
    /** Deleting a volume that is gone ends OK. */
    deleteVolume(node: string, volid: string, o?: CallOptions): Promise<Upid | undefined>;
  };

  readonly backup: {
    /** `undefined` when Proxmox answered `OK` without a task: the guest is not on that node. */
    start(node: string, params: ApiParams & { vmid: number; storage: string }, o?: CallOptions): Promise<Upid | undefined>;
    /** The guest configuration inside an archive. */
    extractConfig(node: string, volid: string, o?: CallOptions): Promise<string>;
  };

  readonly tasks: {
    getStatus(upid: Upid, o?: CallOptions): Promise<TaskStatus>;
    getLog(upid: Upid, o?: CallOptions & { start?: number; limit?: number }): Promise<string[]>;
    list(node: string, filter: TaskFilter, o?: CallOptions): Promise<TaskStatus[]>;
    stop(upid: Upid, o?: CallOptions): Promise<void>;
    /** Resolves when the task succeeded, rejects with TaskFailedError (with the log's tail) or TaskTimeoutError. */
    wait(upid: Upid, o?: WaitOptions): Promise<TaskResult>;
  };

  /** High availability. Reads need Sys.Audit on /, writes Sys.Console on /. */
  readonly ha: {
    /** `undefined` when HA does not manage the guest. */
    findResource(vmid: number, o?: CallOptions): Promise<HaResource | undefined>;
    addResource(resource: HaResource, o?: CallOptions): Promise<void>;
    setState(vmid: number, state: string, o?: CallOptions): Promise<void>;
    /** Empty up to Proxmox VE 8. */
    listRules(o?: CallOptions): Promise<HaRule[]>;
    /** Replaces the rule's resources. */
    setRuleMembers(rule: Pick<HaRule, "rule" | "type">, resources: readonly string[], o?: CallOptions): Promise<void>;
    /** Names; refused from Proxmox VE 9 on. */
    listGroups(o?: CallOptions): Promise<string[]>;
  };

  readonly replication: {
    /** Jobs of the guests that the token may audit; those under removal are left out. */
    list(o?: CallOptions): Promise<ReplicationJob[]>;
    create(job: ReplicationJob, o?: CallOptions): Promise<void>;
    /** Only asked for: the guest's node removes replicas and job at its next turn, within a minute or so. Absent is success. */
    remove(job: Pick<ReplicationJob, "vmid" | "job">, o?: CallOptions): Promise<void>;
    /** Whether the guest has any job, those under removal among them: Proxmox does not destroy it before they are gone. */
    isReplicated(vmid: number, o?: CallOptions): Promise<boolean>;
  };

  /** Any other call. Writes are never repeated. */
  request<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, params?: ApiParams, o?: CallOptions): Promise<T>;

  close(): Promise<void>;
}
