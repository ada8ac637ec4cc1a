/**
 * Everything a simulated federation is: plain JSON, so that it can be written to disk and read back.
 * Nothing here knows HTTP.
 */

import type { BackupServerState } from "./pbs/state";
import type { Archives } from "./round-robin";

export interface FederationState {
  clusters: Record<string, ClusterState>;
  /** Physical places where bytes are: a node's disk, an NFS export, a PBS datastore. Clusters refer to them by id. */
  backends: Record<string, BackendState>;
  /** Virtual time in ms since the epoch at the moment of saving. */
  nowMs: number;
  /** Seed of everything random-looking (MACs, uuids, pids): same calls, same answers. */
  seed: number;
  /** By id. */
  backupServers?: Record<string, BackupServerState>;
  /** Bytes per virtual second of a site's uplink (`ams`) or of the link between two sites (`ams|fra`, in alphabetical order). */
  links?: Record<string, number>;
}

export type Era = "8.4" | "9.2";

export interface ClusterState {
  id: string;
  era: Era;
  /** Corosync cluster name; absent = standalone node. */
  clusterName?: string;
  nodes: Record<string, NodeState>;
  /** By vmid. */
  guests: Record<string, GuestState>;
  pools: Record<string, { comment: string; vms: number[]; storages: string[] }>;
  storages: Record<string, StorageState>;
  access: AccessState;
  /** datacenter.cfg */
  options: Record<string, string>;
  /** By UPID, newest last. */
  tasks: Record<string, TaskState>;
  ha: HaState;
  replication: Record<string, Record<string, string>>;
  /** How each replication job stands, by id. */
  replicationState?: Record<string, ReplicationState>;
  backupJobs: Record<string, Record<string, string>>;
  /** When each backup job was last run or changed, ms since the epoch: its next turn counts from there. */
  backupJobTimes?: Record<string, number>;
  /** What `/cluster/resources` shows with a delay: the last broadcast of the statistics daemon, by vmid. */
  broadcast: { atMs: number; guests: Record<string, BroadcastRow> };
  nextPid: number;
  /** Bytes per virtual second between this cluster and the others (see `network.ts`). Absent: unlimited. */
  uplinkBytesPerSecond?: number;
  /** All listeners of the cluster refuse connections. */
  down?: boolean;
  /** SHA-256 of the certificate, `AA:BB:…`; set when the cluster's servers start. */
  fingerprint?: string;
  /** What the API shows of it beside that. */
  certificate?: Record<string, string | number | string[]>;
  /** By node: share of all cores, bytes of memory. */
  nodeHistory?: Record<string, Archives>;
  /** By `node/storage`: bytes in all, bytes used. */
  storageHistory?: Record<string, Archives>;
}

export interface ReplicationState {
  /** Of the snapshot that source and target have in common; 0 = none yet. Seconds since the epoch. */
  lastSyncSeconds: number;
  lastTrySeconds: number;
  durationSeconds: number;
  failures: number;
  error?: string;
  /** Asked for: it runs at the next turn. */
  now?: boolean;
  /** Volumes the target has. */
  volids: string[];
  /** Of the last run. */
  log: string[];
}

/** By service id, `vm:100`, or name; values as the config files have them. */
export interface HaState {
  resources: Record<string, Record<string, string>>;
  /** From 9 on. */
  rules: Record<string, Record<string, string>>;
  /** Up to 8. */
  groups?: Record<string, Record<string, string>>;
  /** What the manager knows of each resource. */
  services?: Record<string, HaService>;
  /** The daemons do not run: what is asked of them is written down and nothing happens. */
  idle?: boolean;
}

export interface HaService {
  node: string;
  state: "started" | "stopped" | "migrate" | "relocate" | "fence" | "recovery" | "error";
  /** A migration that was asked for. */
  command?: { kind: "migrate" | "relocate"; node: string };
  /** Starts that failed in a row. */
  failedStarts?: number;
  /** Since when its node does not answer. */
  lostSinceMs?: number;
}

export interface BroadcastRow {
  name: string;
  status: "running" | "stopped";
  template: boolean;
  maxmem: number;
  maxdisk: number;
  maxcpu: number;
  uptimeSeconds?: number;
  /** When the guest's node sent this; a node that is gone sends no more. */
  sentAtMs?: number;
}

export interface NodeState {
  name: string;
  cores: number;
  memoryBytes: number;
  /** `offline`: its proxy does not answer and others get 595. `hanging`: it accepts and never answers (596 for others). */
  status: "online" | "offline" | "hanging";
  bridges: string[];
  ip: string;
  bootedAtMs?: number;
}

export interface GuestState {
  vmid: number;
  node: string;
  /** Config file: keys in order, values as Proxmox writes them. `description` unescaped. */
  config: Record<string, string>;
  pending: Record<string, { value?: string; delete?: "soft" | "force" }>;
  snapshots: Record<string, { config: Record<string, string>; snaptime: number; parent?: string; description?: string; vmstate?: boolean }>;
  running: boolean;
  /** QEMU's state while running: `running`, `paused`, `prelaunch`. */
  qmpStatus: "running" | "paused" | "prelaunch" | "stopped";
  startedAtMs?: number;
  /** What runs, may differ from config until the next start. */
  runningConfig?: Record<string, string>;
  /** The guest agent answers only this long after a start. */
  agentReadyAtMs?: number;
  /** No operating system inside that answers ACPI or the agent: a shutdown times out. */
  unresponsive?: boolean;
  /** What this QEMU process remembers of its backups to datastores, by drive key; gone with the process. */
  backupMemory?: Record<string, BackedUpDrive>;
}

/** A drive as the process last backed it up. Its bitmap counts only if the datastore's newest backup still shows this. */
export interface BackedUpDrive {
  /** Checksum over the drive's blocks at that time. */
  checksum: string;
  sizeBytes: number;
  /** Fingerprint of the encryption key in use. */
  keyFingerprint?: string;
}

export interface StorageState {
  storage: string;
  type: "dir" | "nfs" | "cifs" | "lvm" | "lvmthin" | "zfspool" | "rbd" | "pbs";
  content: string[];
  /** Node → backend id; `*` = one backend for all nodes (shared). */
  backends: Record<string, string>;
  nodes?: string[];
  shared: boolean;
  disabled: boolean;
  /** storage.cfg keys as written (path, pool, server, datastore, namespace, prune-backups, …). */
  options: Record<string, string>;
  /** pbs: fingerprint of the client key that backups here are encrypted with, `aa:bb:…`. */
  keyFingerprint?: string;
}

export interface BackendState {
  id: string;
  kind: "directory" | "block" | "pbs";
  totalBytes: number;
  /** By volname as the backend sees it (`100/vm-100-disk-0.qcow2`, `vzdump-qemu-100-….vma.zst`, `ns:vm/100/2026-…`). */
  volumes: Record<string, VolumeState>;
  /** PBS: content ids of chunks already there. */
  chunks: Record<string, true>;
  /** Bytes per virtual second; reading and writing. */
  bytesPerSecond: number;
  /** Bytes taken by something else than the volumes here: how a test makes a storage full. */
  reservedBytes?: number;
  /** Where it stands: a cluster's id, or a place of its own. Absent: somewhere behind each cluster's uplink. */
  site?: string;
}

/** Contents of a disk: block index → content id (16 hex digits). A missing index is a block of zeros. */
export type Blocks = Record<number, string>;

export interface VolumeState {
  volname: string;
  vmid: number;
  format: string;
  sizeBytes: number;
  content: "images" | "backup" | "iso" | "import" | "rootdir" | "vztmpl" | "snippets";
  createdAtMs: number;
  notes?: string;
  protected: boolean;
  /** Archive on a datastore: the last verification. */
  verification?: { state: "ok" | "failed"; upid: string };
  /** images and import: what the disk holds. */
  blocks: Blocks;
  /** Blocks written since this disk's last backup to a datastore; absent = no bitmap. */
  dirty?: Record<number, true>;
  /** backup: the guest configuration in the archive and each disk's blocks by drive key. */
  archive?: {
    config: string;
    disks: Record<string, { blocks: Blocks; sizeBytes: number; format: string; storage: string }>;
    /** Length of an archive file; bytes that travelled to a datastore. */
    writtenBytes: number;
    /** Datastore: the client key it is encrypted with. */
    keyFingerprint?: string;
  };
  /** Linked clone: volname of the base. */
  base?: string;
  /** Space is taken when blocks are written, whatever the kind of the backend. */
  thin?: boolean;
  /** Snapshots inside the volume, by name. */
  snapshots?: Record<string, { blocks: Blocks; sizeBytes: number }>;
}

export interface TaskState {
  upid: string;
  node: string;
  type: string;
  id: string;
  /** `user@realm` or `user@realm!token`. */
  user: string;
  startMs: number;
  endMs?: number;
  exitStatus?: string;
  log: string[];
  traffic?: TaskTraffic;
}

/** Bytes a worker has moved; those of an interrupted transfer as far as it got. */
export interface TaskTraffic {
  /** Out of the disks or archives it reads. */
  readBytes: number;
  /** Into the disks or archives it makes. */
  writtenBytes: number;
  /** Over a network, whether inside a site or between two. */
  networkBytes: number;
  /** By resource: `backend:<id>`, `link:<…>`, `lan:<cluster>`. */
  byResource: Record<string, number>;
}

export interface AccessState {
  /** Signs tickets; made when the cluster is built. */
  ticketKey: string;
  /** userid → */
  users: Record<string, { enabled: boolean; expire: number; password?: string; comment?: string; email?: string; groups: string[] }>;
  /** `user@realm!name` → */
  tokens: Record<string, { secret: string; privsep: boolean; expire: number; comment?: string }>;
  groups: Record<string, { comment: string; users: string[] }>;
  /** Roles beside the built-in ones. */
  roles: Record<string, string[]>;
  acl: { path: string; subject: string; kind: "user" | "group" | "token"; role: string; propagate: boolean }[];
}
