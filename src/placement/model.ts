/**
 * The data placement works on. Plain values only: no client, no clock, no file.
 * Integers throughout: milli-cores, MiB, bytes.
 */
import type { Loss, TimeWindow } from "../config/model";

export type { Loss, TimeWindow };

export interface Inventory {
  clusters: ClusterFacts[];
  links: LinkFacts[];
  /** What pools have to survive. Newcomers that would take the room for it are refused; nobody is made to leave. */
  survive?: SurvivalDemand[];
  /** Rules of pools by name: what binds their live guests after a loss, as far as nobody has asked for the guest itself. */
  poolRules?: Record<string, Rule[]>;
  /** For which moment is decided, in milliseconds since the epoch: which time windows are open then. Rules with a window need it. */
  instantMs?: number;
}

/** After any one of the losses (one node, or one cluster) the guests of the pool must find room elsewhere. */
export interface SurvivalDemand {
  pool: string;
  /** The pool's clusters: where its guests may go when one of them is lost. */
  clusters: string[];
  losses: Loss[];
}

export interface ClusterFacts {
  id: string;
  /** False: it did not answer; `unreachableReason` says how. Prior placements there stay, nothing new lands. */
  reachable: boolean;
  unreachableReason?: string;
  status: "active" | "cordoned" | "draining" | "lost";
  tier: "primary" | "secondary" | "edge";
  provider?: string;
  location?: { name: string; latitude?: number; longitude?: number };
  jurisdiction?: string;
  tags: string[];
  prices: { perCoreMonth?: number; perMemoryGiBMonth?: number; perStorageGiBMonth?: number; perEgressGiB?: number };
  maxVms?: number;
  capacityRules: Required3<CapacityFractions>;
  /** Logical storage class → storage id; the empty class `""` is the default. */
  storageClasses: Record<string, string>;
  /** Logical networks and bridge names a guest may ask for. */
  networks: string[];
  images: string[];
  templates: string[];
  nodes: NodeFacts[];
  storages: StorageFacts[];
}

export interface CapacityFractions {
  cpu: number;
  memory: number;
  storage: number;
}

export interface Required3<T> {
  overcommit: T;
  reserve: T;
  pressureThreshold: T;
}

export interface NodeFacts {
  name: string;
  online: boolean;
  status: "active" | "cordoned" | "draining";
  tags: string[];
  hardwareClass?: string;
  /** Physical. */
  cores: number;
  memoryMiB: number;
  /** Live use, where known; allocation comes from the guests. */
  usedMemoryMiB?: number;
  /** Filled in by `forecastInventory`, which has added the growth to the use. */
  forecast?: { horizonMs: number; memoryGrowthMiB: number };
  guests: GuestFacts[];
}

/** A guest that occupies a node, ours or not. */
export interface GuestFacts {
  /** Identity of a guest of ours; matches {@link PlacementRequest.key}. */
  key?: string;
  vmid: number;
  name?: string;
  cores: number;
  memoryMiB: number;
  /** Proxmox tags: what affinity rules look at. */
  tags: string[];
  pool?: string;
  running: boolean;
  /** Provisioned bytes of all its disks, as far as known; counts against the pool's storage limit. */
  diskBytes?: number;
  /** Its disks one by one, where known: growing one then asks the storage for the difference only. */
  disks?: { storage: string; sizeBytes: number }[];
}

export interface StorageFacts {
  storage: string;
  /** Nodes that see it. */
  nodes: string[];
  shared: boolean;
  totalBytes: number;
  usedBytes: number;
  /** Provisioned to guests (thin volumes count in full); absent: the sum of the guests' known disks. */
  allocatedBytes?: number;
  performanceTier?: "nvme" | "ssd" | "hdd";
  /** Filled in by `forecastInventory`. */
  forecast?: StorageForecast;
}

/** How much fuller a storage is predicted to be. */
export interface StorageForecast {
  horizonMs: number;
  growthBytes: number;
  /** True: `usedBytes` contains the growth. False: the growth counts as pressure only. */
  isCounted: boolean;
  /** When it is predicted to be full; may lie beyond the horizon or in the past. */
  fullAtMs?: number;
  /** How far off the prediction has been so far. */
  typicalErrorBytes: number;
}

export interface LinkFacts {
  from: string;
  to: string;
  latencyMs?: number;
  bandwidthBitsPerSecond?: number;
}

export interface PoolPolicy {
  name: string;
  clusters: string[];
  strategy: "balanced" | "performance" | "cost" | "geographic";
  clusterWeights: Record<string, number>;
  rules: Rule[];
  /** Other strategies for the hours of a window; of several open ones the first counts. */
  schedule?: { window: TimeWindow; strategy?: PoolPolicy["strategy"]; clusterWeights?: Record<string, number> }[];
  /** The window whose hours set the strategy; only `activeAt` fills it in. */
  scheduledIn?: TimeWindow;
  limits: { maxVms?: number; maxCores?: number; maxMemoryMiB?: number; maxStorageBytes?: number };
}

export interface Rule {
  type: "affinity" | "anti-affinity" | "location" | "residency" | "spread";
  target: "cluster" | "node" | "tag" | "location" | "provider" | "tier" | "jurisdiction" | "storage";
  operator: "must" | "must_not" | "should" | "should_not";
  value: string;
  /** 1–100, for should and should_not. */
  weight?: number;
  scope?: "cluster" | "node";
  /** Of a spread rule: by how many guests two places may differ. Default 1. */
  maxSkew?: number;
  /** The rule holds only while this window is open. */
  window?: TimeWindow;
}

export interface PlacementRequest {
  /** Stable identity; ties are broken by a hash of it. */
  key: string;
  /** What people call it, for texts. */
  name: string;
  cores: number;
  memoryMiB: number;
  disks: { name: string; storageClass: string; sizeBytes: number }[];
  networks: string[];
  image?: string;
  template?: string;
  pool?: PoolPolicy;
  tags: string[];
  /** The guest's own rules, after the pool's. */
  rules: Rule[];
  /** Preferred place in words, e.g. `Amsterdam`. */
  location?: string;
  /** Jurisdictions or locations it must stay in. */
  residency: string[];
  pin?: { cluster?: string; node?: string };
  /** What has to be near for it to be of use; a newcomer goes nowhere else, and what has a place stays without it. */
  company?: Company;
  /** Where it is now; kept as long as every `must` holds. */
  prior?: Placement;
  /** Bytes a move to another cluster would carry. */
  moveBytes?: number;
}

/** Nodes that run what uses a disk. A disk on shared storage is as near to one as to the other that sees the storage. */
export interface Company {
  /** What runs there, for texts: `Kubernetes worker`. */
  noun: string;
  nodes: readonly { cluster: string; node: string }[];
}

export interface Placement {
  cluster: string;
  node: string;
  /** One storage id per disk, in the request's order. */
  storages: string[];
}

/** What this run has already decided and the inventory does not show yet. Replaces a guest of the same key. */
export interface Promised {
  request: PlacementRequest;
  placement: Placement;
}

export type PlacementResult =
  | { ok: true; placement: Placement; explanation: Explanation }
  | { ok: false; explanation: Explanation /** One paragraph: what, where, what to do. */; message: string };

export interface Explanation {
  /** `kept`, `placed`, `moved` or `rejected`. */
  outcome: "kept" | "placed" | "moved" | "rejected";
  /** Why a prior placement could not stay. */
  moveReason?: string;
  /** Every candidate node (clusters that fell as a whole have one entry without node). */
  candidates: CandidateReport[];
  /** Score distance to the runner-up; absent with one candidate. */
  margin?: number;
  /** Who asked, and by which strategy the candidates were scored. */
  request?: { key: string; name: string };
  strategy?: PoolPolicy["strategy"];
  /** The time window that chose the strategy, where one did: `window 22:00–06:00 UTC`. */
  strategyWindow?: string;
}

export interface CandidateReport {
  cluster: string;
  node?: string;
  /** First failing filter with every shortfall, or none. */
  rejected?: { filter: string; reasons: string[] /** The same findings as data. */; shortfalls?: Shortfall[] };
  score?: number;
  terms?: { term: string; points: number; detail: string }[];
}

/** One reason why a node or cluster cannot take the guest. */
export interface Shortfall {
  /** A sentence with place and numbers. */
  text: string;
  /** The same without the place, so that equal findings on many nodes can be counted: `draining`. */
  summary: string;
  /** What the reader can do about it. */
  remedy?: string;
  /** True: it could fit here once other guests move away. False: never, whatever else moves. */
  ifOthersMove: boolean;
  /** For amounts: what is asked and what is left, in `unit`. */
  amount?: { resource: string; unit: string; needed: number; available: number };
}
