/**
 * What `federation.yaml` means, after parsing: every size in bytes, every duration in milliseconds,
 * every reference resolved to an id that exists. The rest of the product reads this and never YAML.
 */
import type { HiddenSecret } from "./hidden-secret";

export type Tier = "primary" | "secondary" | "edge";
/** `cordoned`: nothing new lands there. `draining`: everything leaves. `lost`: gone, not contacted. */
export type ClusterState = "active" | "cordoned" | "draining" | "lost";
/** `stop-old-copies`: running copies whose successors stand elsewhere are shut down and fenced. */
export type ReturnedPolicy = "stop-old-copies";
export type Strategy = "balanced" | "performance" | "cost" | "geographic";
export type MigrationMethod = "backup-restore" | "storage" | "offline";

export interface Federation {
  /** Goes into every mark: two federations never touch each other's guests. */
  name: string;
  clusters: Cluster[];
  resourcePools: ResourcePool[];
  migration: MigrationPolicies;
  backupStores: BackupStore[];
  primaryCluster?: string;
  failoverPriority: string[];
  /** Limits of failing over, and the bridge of restore drills. Absent: none. */
  failover?: FailoverPolicy;
  syncIntervalMs: number;
  healthCheckIntervalMs: number;
  /** Proxmox pool for resources that name none. */
  defaultPool?: string;
  /** Complete: what the file leaves out has the guide's defaults. */
  placement: CompleteCapacityRules;
  /** Policy of pools that declare none of their own; already applied to them. */
  placementPolicy?: PlacementPolicy;
  /** Settings of the Proxmox CSI plugin, where its cloud-config is part of the file. */
  csi?: CsiSettings;
}

export interface FailoverPolicy {
  /** A newest backup older than this is not restored. Absent: any age. */
  maxAgeMs?: number;
  /** Bridge without a way out, on every cluster that drills restore to. */
  drillBridge?: string;
  /** File to which a line of JSON is appended for every drilled VM; relative to the federation file. Absent: beside the audit log. */
  drillLog?: string;
  /** How long a drill proves that the backups of a pool can be restored. Absent: 90 days. */
  drillPeriodMs?: number;
}

/** `features` of the Proxmox CSI plugin's cloud-config. */
export interface CsiSettings {
  /** How the plugin finds a Kubernetes node's VM. Default `default`. */
  provider: "default" | "capmox";
  /** VM id in the names of the plugin's disks. Default 9999. */
  controllerVmid: number;
}

export interface Cluster {
  id: string;
  name: string;
  provider?: string;
  location?: Location;
  /** Law that applies there, e.g. `EU`, `NL`. Free text, compared exactly. */
  jurisdiction?: string;
  /** Kubernetes topology region; default: the id. */
  region: string;
  tier: Tier;
  status: ClusterState;
  /** Of a lost cluster: somebody has made sure that its guests cannot run any more. Absent: no, and nothing is failed over. */
  fenced?: boolean;
  /** Of a cluster that is back: what happens to copies of failed-over guests that run there. Absent: refused with an error. */
  returned?: ReturnedPolicy;
  tags: string[];
  metadata: Record<string, string>;
  /** Absent: the cluster can be planned for, not contacted. */
  connection?: Connection;
  capabilities: Capabilities;
  network: ClusterNetwork;
  storage: ClusterStorage;
  /** Logical image name → volid on this cluster (`import`, `iso` or images content). */
  images: Record<string, string>;
  /** Logical template name → vmid of a Proxmox template on this cluster. */
  templates: Record<string, number>;
  /** Declared nodes: capacity for planning offline, and per-node settings. */
  nodes: NodeSettings[];
  prices: Prices;
  /** New guests get a vmid from this range (inclusive); absent: Proxmox's own. */
  vmidRange?: { first: number; last: number };
  /** Overrides of the federation's capacity rules. */
  placement: CapacityRules;
}

export interface Location {
  /** As written, e.g. `Amsterdam, NL`. */
  name: string;
  latitude?: number;
  longitude?: number;
}

export interface Connection {
  /** https://host:port, no path; tried in order. */
  apiUrls: string[];
  credentials: CredentialSource;
  tls: { fingerprint?: string; caFile?: string; verify: boolean };
  connectTimeoutMs: number;
  requestTimeoutMs: number;
}

/** Where a secret comes from. The secret itself is read by `resolveCredentials`, and shows nowhere in the model. */
export type SecretSource =
  | { kind: "environment"; variable: string }
  | { kind: "file"; path: string }
  | { kind: "pulumi"; key: string }
  /** In the file itself, as the CSI plugin's cloud-config allows. */
  | { kind: "inline"; secret: HiddenSecret };

export type CredentialSource =
  /** tokenId is `user@realm!name`. */
  /** With `tokenIdFile` the id is read from that file and `tokenId` is empty. */
  | { kind: "token"; tokenId: string; tokenIdFile?: string; secret: SecretSource }
  /** username is `user@realm`. */
  | { kind: "password"; username: string; password: SecretSource };

export interface Capabilities {
  maxVms?: number;
  ceph?: boolean;
  ha?: boolean;
  backup?: boolean;
  liveMigration?: boolean;
  nestedVirtualization?: boolean;
}

export interface ClusterNetwork {
  publicSubnet?: string;
  privateSubnet?: string;
  vlanRange?: { first: number; last: number };
  bridges: string[];
  /** Logical network name → where it is on this cluster. */
  networks: Record<string, { bridge: string; vlan?: number; mtu?: number }>;
  uplinkBitsPerSecond?: number;
  crossConnects: CrossConnect[];
}

export interface CrossConnect {
  targetCluster: string;
  type?: "vpn" | "mpls" | "direct";
  latencyMs?: number;
  bandwidthBitsPerSecond?: number;
}

export interface ClusterStorage {
  /** Storage id used when a disk names no class. */
  primary?: string;
  /** Logical storage class → storage id on this cluster. */
  classes: Record<string, string>;
  backends: StorageBackend[];
  replicationTargets: { targetCluster: string; targetStorage: string; schedule: string; type: "async" | "sync" }[];
}

export interface StorageBackend {
  name: string;
  type?: string;
  capacityBytes?: number;
  availableBytes?: number;
  performanceTier?: "nvme" | "ssd" | "hdd";
  features: string[];
}

export interface NodeSettings {
  name: string;
  cores?: number;
  memoryBytes?: number;
  status: "active" | "cordoned" | "draining";
  tags: string[];
  hardwareClass?: string;
}

/** Prices in one currency unit of the user's choice, per month; transfer per GiB leaving the cluster. */
export interface Prices {
  perCoreMonth?: number;
  perMemoryGiBMonth?: number;
  perStorageGiBMonth?: number;
  perEgressGiB?: number;
}

/** Fractions; absent = inherit, at the top the defaults of the guide (4.0/1.0/1.5, 0.10/0.15/0.10, .75/.70/.80). */
export interface CapacityRules {
  overcommit?: { cpu?: number; memory?: number; storage?: number };
  reserve?: { cpu?: number; memory?: number; storage?: number };
  pressureThreshold?: { cpu?: number; memory?: number; storage?: number };
}

/** {@link CapacityRules} with nothing left to inherit. */
export interface CompleteCapacityRules extends CapacityRules {
  overcommit: { cpu: number; memory: number; storage: number };
  reserve: { cpu: number; memory: number; storage: number };
  pressureThreshold: { cpu: number; memory: number; storage: number };
}

/** A loss that must leave room for what it takes down. */
export type Loss = "node" | "cluster";

export interface ResourcePool {
  name: string;
  description?: string;
  clusters: string[];
  limits: PoolLimits;
  placementPolicy: PlacementPolicy;
  /** Losses whose guests of this pool the rest has to have room for; newcomers that would take that room are refused. */
  survive?: Loss[];
  /** Backups on a schedule, made by each member cluster. */
  replication?: ReplicationPolicy;
}

/** Scheduled backups of everything in a pool. */
export interface ReplicationPolicy {
  /** Calendar event of Proxmox, for example `02:00` or `*:0/30`. */
  schedule: string;
  /** Names of backup stores; each member reaches exactly one of them. */
  store: string | string[];
  /** Sync jobs by which members with a backup server each have the others' backups. */
  sync?: ReplicationSync;
  /** How old the newest backup of a guest may become. */
  rpoMs?: number;
  /** How many unprotected backups of a guest stay, at least one of them named. Absent: the storage's own retention. */
  keep?: ReplicationRetention;
}

export interface ReplicationSync {
  /** Calendar event. */
  schedule: string;
  maxBandwidthBitsPerSecond?: number;
}

export interface ReplicationRetention {
  last?: number;
  hourly?: number;
  daily?: number;
  weekly?: number;
  monthly?: number;
  yearly?: number;
}

export interface PoolLimits {
  maxVms?: number;
  maxCores?: number;
  maxMemoryBytes?: number;
  maxStorageBytes?: number;
}

export interface PlacementPolicy {
  strategy: Strategy;
  /** Cluster id → percent; 100 = neutral. */
  clusterWeights: Record<string, number>;
  rules: PlacementRule[];
  /** What holds instead while a window is open; of several open ones the first. */
  schedule?: ScheduledPolicy[];
}

/** Another strategy for some hours; what it leaves out is that of the policy. */
export interface ScheduledPolicy {
  window: TimeWindow;
  strategy?: Strategy;
  clusterWeights?: Record<string, number>;
}

export interface PlacementRule {
  type: "affinity" | "anti-affinity" | "location" | "residency" | "spread";
  target: "cluster" | "node" | "tag" | "location" | "provider" | "tier" | "jurisdiction" | "storage";
  operator: "must" | "must_not" | "should" | "should_not";
  value: string;
  /** For should and should_not, 1–100, default 50. */
  weight?: number;
  /** For anti-affinity, affinity and spread between guests. Default `node`. */
  scope?: "cluster" | "node";
  /** For spread: by how many guests two places may differ. Default 1. */
  maxSkew?: number;
  /** The rule holds only while this window is open. */
  window?: TimeWindow;
}

export interface MigrationPolicies {
  defaultMethod?: MigrationMethod;
  preMigrationChecks: (
    | "verify_network_connectivity"
    | "check_storage_compatibility"
    | "validate_vm_configuration"
    | "ensure_backup_exists"
  )[];
  paths: MigrationPath[];
  /** When moves may start, for routes without a path of their own. Absent: at any time. */
  window?: MigrationWindow;
  /** What happens to a move planned outside its window. Absent: `refuse`. */
  outsideWindow?: OutsideWindow;
  /** Longest wait for a window to open. Absent: 24 hours. */
  longestWindowWaitMs?: number;
  /** How long the stopped source of a finished move is kept. Absent: not at all. */
  keepSourceMs?: number;
  /** File to which a line of JSON is appended for every move; relative to the federation file. Absent: none is kept. */
  auditLog?: string;
  /** Moves of one link that transfer at the same time, sharing its bandwidth. Absent: 4. */
  parallelTransfersPerLink?: number;
}

/** `wait`: the update waits until it opens. `refuse`: the preview and the update say when it opens. */
export type OutsideWindow = "wait" | "refuse";

export interface MigrationPath {
  sourceCluster: string;
  targetCluster: string;
  method: MigrationMethod;
  maxBandwidthBitsPerSecond?: number;
  compression: boolean;
  encryptionRequired: boolean;
  /** Name of a backup store; absent: the only one both clusters reach. */
  backupStore?: string;
  /** When a move on this path may start; the policies' window where the path has none. Absent: at any time. */
  window?: MigrationWindow;
  /** A backup of the running guest goes ahead of the one that counts. Absent: where the store takes only what changed (PBS). */
  warm?: boolean;
  /** The target starts while its data still arrives (PBS). Absent: no. */
  liveRestore?: boolean;
  /** Instead of the policies' {@link MigrationPolicies.keepSourceMs}. */
  keepSourceMs?: number;
  /** Node of the source → node of the target that takes its part in replication jobs. Absent: the one of the same name. */
  nodeNames?: Record<string, string>;
  /** HA group or rule of the source → that of the target. Absent: the one of the same name. */
  haNames?: Record<string, string>;
}

export type Weekday = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/**
 * Local wall-clock times of a zone. A window whose end is not after its start ends on the next day;
 * `days` are the days on which it starts.
 */
export interface TimeWindow {
  days: Weekday[];
  /** Minutes after midnight, 0–1439. */
  startMinute: number;
  /** Minutes after midnight, 1–1440; 1440 is the end of the day. */
  endMinute: number;
  /** IANA name, e.g. `Europe/Amsterdam`. */
  timezone: string;
}

/** A {@link TimeWindow} in which moves may start. */
export type MigrationWindow = TimeWindow;

/** A place for archives that several clusters reach. */
export interface BackupStore {
  name: string;
  type: "pbs" | "nfs" | "cifs" | "dir";
  /** Cluster id → how that cluster reaches the store. */
  access: Record<string, BackupStoreAccess>;
  /** Type pbs: the server's own API. */
  api?: BackupServerConnection;
  /** Cluster it stands beside: between the two no link is in the way. */
  site?: string;
}

/** Reaching a Proxmox Backup Server itself, not through a cluster's storage. */
export interface BackupServerConnection extends Omit<Connection, "apiUrls"> {
  /** https://host:port, no path. */
  url: string;
  /** Absent: as the clusters' storages name it. */
  datastore?: string;
  namespace?: string;
}

export interface BackupStoreAccess {
  /** Storage id the cluster writes its own backups to. */
  storage: string;
  /** Source cluster → storage id under which this cluster sees that cluster's archives; absent: `storage`. */
  readAs: Record<string, string>;
}

/** One finding about the file: shown as `file:line:column: path: message`. */
export interface ConfigIssue {
  severity: "error" | "warning";
  file: string;
  line: number;
  column: number;
  /** `clusters[0].connection.api_url` */
  path: string;
  message: string;
  /** What to do, e.g. a similar key that exists. */
  suggestion?: string;
}

/** A resolved secret for one cluster; lives in memory only. */
export type Credentials = { kind: "token"; tokenId: string; secret: string } | { kind: "password"; username: string; password: string };
