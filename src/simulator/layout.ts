/** What a simulated federation is to consist of, in plain words, and how its first state is made from that. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { broadcast } from "./broadcast";
import { fingerprintOfKey } from "./guests/encryption";
import { buildBackupServer } from "./pbs/layout";
import type { BackupServerState } from "./pbs/state";
import type { AccessState, BackendState, Blocks, ClusterState, Era, FederationState, NodeState, StorageState, VolumeState } from "./state";

export interface SimulatedLayout {
  clusters: LayoutCluster[];
  backends: LayoutBackend[];
  /** Without one, a datastore is just a place that storages use. */
  backupServers?: LayoutBackupServer[];
  /** What a pair of sites has between them beside each one's uplink, and uplinks of sites that are no clusters. */
  links?: LayoutLink[];
}

/** A Proxmox Backup Server with an API of its own. */
export interface LayoutBackupServer {
  /** Also the first part of the host name in the clusters' storages, `<id>.simulated.invalid`. */
  id: string;
  /** Site of its datastores. */
  site?: string;
  /** Default 4.1.1. */
  version?: string;
  datastores: { name: string; backend: string }[];
  /** Default: a random one. */
  rootPassword?: string;
  users?: LayoutUser[];
  /** What a token may do needs entries for the token and for its user. */
  tokens?: Omit<LayoutToken, "privsep">[];
  acl?: LayoutAcl[];
}

export interface LayoutLink {
  /** One site: its uplink. Two: the link between them. */
  sites: [string] | [string, string];
  /** For both directions together. */
  bytesPerSecond: number;
}

export interface LayoutCluster {
  id: string;
  era: Era;
  /** Default: the id when there are several nodes, none for a single one. */
  clusterName?: string;
  nodes: LayoutNode[];
  storages: LayoutStorage[];
  pools?: string[];
  users?: LayoutUser[];
  tokens?: LayoutToken[];
  /** Role → privileges. */
  roles?: Record<string, string[]>;
  acl?: LayoutAcl[];
  /** Default: a random one. */
  rootPassword?: string;
  /** datacenter.cfg */
  options?: Record<string, string>;
  /** Bandwidth to other clusters. Default: unlimited. */
  uplinkBytesPerSecond?: number;
}

export interface LayoutNode {
  name: string;
  /** Default 16. */
  cores?: number;
  /** Default 64 GiB. */
  memoryBytes?: number;
  /** Default `vmbr0`. */
  bridges?: string[];
  ip?: string;
}

export interface LayoutStorage {
  storage: string;
  type: StorageState["type"];
  /** Backend id for all nodes, or by node name. */
  backend: string | Record<string, string>;
  /** Default: what the type can hold. */
  content?: string[];
  /** Default: true for network storages. */
  shared?: boolean;
  nodes?: string[];
  /** storage.cfg keys. */
  options?: Record<string, string>;
  /** pbs: any text; storages with the same one have the same client key. */
  encryptionKey?: string;
}

export interface LayoutBackend {
  id: string;
  kind: BackendState["kind"];
  /** Default 1 TiB. */
  totalBytes?: number;
  /** Default 500 MB/s. */
  bytesPerSecond?: number;
  images?: LayoutImage[];
  /** The cluster whose site it stands on, or a site of its own. Default: behind every cluster's uplink. */
  site?: string;
}

/** A file that is there from the beginning: a disk image to import or an ISO. Its contents follow from its name. */
export interface LayoutImage {
  /** `import/debian-13.qcow2`, `iso/debian.iso` */
  volname: string;
  /** Default 2 GiB. */
  sizeBytes?: number;
}

export interface LayoutUser {
  userid: string;
  password?: string;
}

export interface LayoutToken {
  /** `user@realm!name`; the user is made when it is not there. */
  tokenid: string;
  /** Default: a random one. */
  secret?: string;
  /** Default false: the token has all rights of its user. */
  privsep?: boolean;
}

export interface LayoutAcl {
  path: string;
  role: string;
  /** User, group (`@name`) or token. */
  subject: string;
  /** Default true. */
  propagate?: boolean;
}

export interface BuildOptions {
  /** Virtual time at the start, ms since the epoch. */
  nowMs: number;
  seed: number;
  /** Bytes per block of simulated disks. */
  blockBytes: number;
}

const gibibyte = 1024 ** 3;
const defaults = { cores: 16, memoryBytes: 64 * gibibyte, totalBytes: 1024 * gibibyte, bytesPerSecond: 500e6, imageBytes: 2 * gibibyte };
const networkTypes = new Set<StorageState["type"]>(["nfs", "cifs", "rbd", "pbs"]);
const defaultContent: Record<StorageState["type"], string[]> = {
  dir: ["images", "rootdir", "iso", "vztmpl", "snippets", "backup", "import"],
  nfs: ["images", "iso", "backup", "import"],
  cifs: ["images", "iso", "backup", "import"],
  lvm: ["images", "rootdir"],
  lvmthin: ["images", "rootdir"],
  zfspool: ["images", "rootdir"],
  rbd: ["images", "rootdir"],
  pbs: ["backup"],
};
/** Of every eight blocks of an image, these hold data. */
const imageFill = 3;

/** The state of a federation that was just installed. Throws when the layout contradicts itself. */
export function buildFederationState(layout: SimulatedLayout, options: BuildOptions): FederationState {
  const backends = Object.fromEntries(layout.backends.map((backend) => [backend.id, buildBackend(backend, options)]));
  const clusters: Record<string, ClusterState> = {};
  for (const [index, cluster] of layout.clusters.entries()) {
    if (clusters[cluster.id]) throw new Error(`two clusters named '${cluster.id}'`);
    clusters[cluster.id] = buildCluster(cluster, index, backends, options);
  }
  const backupServers: Record<string, BackupServerState> = {};
  for (const server of layout.backupServers ?? []) {
    if (backupServers[server.id]) throw new Error(`two backup servers named '${server.id}'`);
    backupServers[server.id] = buildBackupServer(server, backends, clusters);
  }
  return { clusters, backends, backupServers, links: buildLinks(layout.links ?? []), nowMs: options.nowMs, seed: options.seed };
}

function buildLinks(links: readonly LayoutLink[]): Record<string, number> {
  return Object.fromEntries(links.map(({ sites, bytesPerSecond }) => [[...sites].sort().join("|"), bytesPerSecond]));
}

function buildBackend(backend: LayoutBackend, options: BuildOptions): BackendState {
  const volumes = (backend.images ?? []).map((image) => buildImage(image, options));
  return {
    id: backend.id,
    kind: backend.kind,
    totalBytes: backend.totalBytes ?? defaults.totalBytes,
    bytesPerSecond: backend.bytesPerSecond ?? defaults.bytesPerSecond,
    volumes: Object.fromEntries(volumes.map((volume) => [volume.volname, volume])),
    chunks: {},
    site: backend.site,
  };
}

function buildImage(image: LayoutImage, options: BuildOptions): VolumeState {
  const [content, file = ""] = image.volname.split("/");
  if (content !== "import" && content !== "iso") throw new Error(`image '${image.volname}' is neither 'import/…' nor 'iso/…'`);
  const sizeBytes = image.sizeBytes ?? defaults.imageBytes;
  return {
    volname: image.volname,
    vmid: 0,
    format: content === "iso" ? "raw" : (/\.(raw|qcow2|vmdk)$/.exec(file)?.[1] ?? "raw"),
    sizeBytes,
    content,
    createdAtMs: options.nowMs,
    protected: false,
    blocks: blocksFromName(image.volname, Math.ceil(sizeBytes / options.blockBytes)),
    thin: true,
  };
}

/** Contents that follow from a name alone: the same image has the same blocks on every cluster. */
export function blocksFromName(name: string, blockCount: number): Blocks {
  const blocks: Blocks = {};
  for (let index = 0; index < blockCount; index += 1) {
    if (index % 8 < imageFill) blocks[index] = createHash("sha256").update(`${name}:${index}`).digest("hex").slice(0, 16);
  }
  return blocks;
}

function buildCluster(cluster: LayoutCluster, index: number, backends: Record<string, BackendState>, options: BuildOptions): ClusterState {
  if (cluster.nodes.length === 0) throw new Error(`cluster '${cluster.id}' has no node`);
  const nodes: Record<string, NodeState> = {};
  for (const [position, node] of cluster.nodes.entries()) {
    nodes[node.name] = {
      name: node.name,
      cores: node.cores ?? defaults.cores,
      memoryBytes: node.memoryBytes ?? defaults.memoryBytes,
      status: "online",
      bridges: node.bridges ?? ["vmbr0"],
      ip: node.ip ?? `10.${100 + index}.0.${position + 1}`,
      bootedAtMs: options.nowMs,
    };
  }
  const state: ClusterState = {
    id: cluster.id,
    era: cluster.era,
    clusterName: cluster.clusterName ?? (cluster.nodes.length > 1 ? cluster.id : undefined),
    nodes,
    guests: {},
    pools: Object.fromEntries((cluster.pools ?? []).map((poolid) => [poolid, { comment: "", vms: [], storages: [] }])),
    storages: Object.fromEntries(cluster.storages.map((storage) => [storage.storage, buildStorage(cluster, storage, backends)])),
    access: buildAccess(cluster),
    options: { ...cluster.options },
    tasks: {},
    ha: { resources: {}, rules: {} },
    replication: {},
    backupJobs: {},
    broadcast: { atMs: options.nowMs, guests: {} },
    nextPid: 2000,
    uplinkBytesPerSecond: cluster.uplinkBytesPerSecond,
  };
  broadcast(state, options.nowMs);
  return state;
}

function buildStorage(cluster: LayoutCluster, storage: LayoutStorage, backends: Record<string, BackendState>): StorageState {
  const byNode = typeof storage.backend === "string" ? { "*": storage.backend } : storage.backend;
  for (const id of Object.values(byNode)) {
    if (!backends[id]) throw new Error(`storage '${storage.storage}' of cluster '${cluster.id}' names unknown backend '${id}'`);
  }
  const keyFingerprint = storage.encryptionKey === undefined ? undefined : fingerprintOfKey(storage.encryptionKey);
  return {
    storage: storage.storage,
    type: storage.type,
    content: storage.content ?? defaultContent[storage.type],
    backends: byNode,
    nodes: storage.nodes,
    shared: storage.shared ?? networkTypes.has(storage.type),
    disabled: false,
    options: { ...storage.options, ...(keyFingerprint === undefined ? {} : { "encryption-key": keyFingerprint }) },
    keyFingerprint,
  };
}

function buildAccess(cluster: LayoutCluster): AccessState {
  const access: AccessState = {
    ticketKey: randomBytes(32).toString("hex"),
    users: {},
    tokens: {},
    groups: {},
    roles: { ...cluster.roles },
    acl: [],
  };
  const addUser = (user: LayoutUser) => {
    access.users[user.userid] = { enabled: true, expire: 0, password: user.password, groups: [] };
  };
  addUser({ userid: "root@pam", password: cluster.rootPassword ?? randomUUID() });
  for (const user of cluster.users ?? []) addUser(user);
  for (const token of cluster.tokens ?? []) {
    const userid = token.tokenid.split("!")[0] ?? "";
    if (!access.users[userid]) addUser({ userid });
    access.tokens[token.tokenid] = { secret: token.secret ?? randomUUID(), privsep: token.privsep ?? false, expire: 0 };
  }
  for (const { path, role, subject, propagate } of cluster.acl ?? []) {
    const kind = subject.startsWith("@") ? "group" : subject.includes("!") ? "token" : "user";
    access.acl.push({ path, role, subject: subject.replace(/^@/, ""), kind, propagate: propagate ?? true });
  }
  return access;
}
