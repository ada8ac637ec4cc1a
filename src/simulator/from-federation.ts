/** A simulated federation that looks like a parsed `federation.yaml`. */
import { randomUUID } from "node:crypto";
import type { BackupStore, Cluster, Federation, MigrationMethod, NodeSettings, StorageBackend } from "../config/model";
import type {
  LayoutBackend,
  LayoutBackupServer,
  LayoutCluster,
  LayoutImage,
  LayoutLink,
  LayoutNode,
  LayoutStorage,
  SimulatedLayout,
} from "./layout";
import { type ProvisionerOptions, provisionerAcl, provisionerRoles } from "./provisioner";
import type { Era, StorageState } from "./state";

const defaultNode = { cores: 16, memoryBytes: 64 * 1024 ** 3 };
/** Bytes per second of a disk of each kind. */
const diskSpeed = { nvme: 1e9, ssd: 500e6, hdd: 200e6 };
const storeSpeed = 200e6;
const storeBytes = 8 * 1024 ** 4;

/** Storage types of the file format → what Proxmox calls them. Anything else is a directory. */
const storageTypes: Record<string, StorageState["type"]> = {
  dir: "dir",
  directory: "dir",
  nfs: "nfs",
  cifs: "cifs",
  smb: "cifs",
  lvm: "lvm",
  "lvm-thin": "lvmthin",
  lvmthin: "lvmthin",
  zfs: "zfspool",
  zfspool: "zfspool",
  ceph: "rbd",
  rbd: "rbd",
  "ceph-rbd": "rbd",
};

/** Clusters without a connection cannot be contacted and are left out. */
export function layoutFromFederation(federation: Federation): SimulatedLayout {
  const backends = new Map<string, LayoutBackend>();
  for (const store of federation.backupStores) backends.set(storeBackendId(store), storeBackend(store));
  const reachable = federation.clusters.filter((cluster) => cluster.connection !== undefined);
  const clusters = reachable.map((cluster, index) => buildCluster(federation, cluster, index, backends));
  return { clusters, backends: [...backends.values()], backupServers: backupServersOf(federation), links: linksOf(federation) };
}

/** The server behind a store that has an API; stores with the same URL share one. */
export function simulatedBackupServerId(federation: Federation, store: BackupStore): string | undefined {
  const first = federation.backupStores.find((other) => other.api !== undefined && other.api.url === store.api?.url);
  return first && `pbs-${first.name}`;
}

function backupServersOf(federation: Federation): LayoutBackupServer[] {
  const servers = new Map<string, LayoutBackupServer>();
  for (const store of federation.backupStores) {
    const id = simulatedBackupServerId(federation, store);
    if (id === undefined || store.type !== "pbs") continue;
    const server = servers.get(id) ?? { id, site: storeSite(store), datastores: [], users: [], tokens: [], acl: [] };
    servers.set(id, server);
    server.datastores.push({ name: datastoreOf(store), backend: storeBackendId(store) });
    const credentials = store.api!.credentials;
    const userid = credentials.kind === "token" ? (credentials.tokenId.split("!")[0] ?? "") : credentials.username;
    if (credentials.kind === "token") server.tokens!.push({ tokenid: credentials.tokenId });
    else if (userid !== "root@pam") server.users!.push({ userid, password: randomUUID() });
    for (const subject of credentials.kind === "token" ? [userid, credentials.tokenId] : [userid])
      server.acl!.push(
        { path: `/datastore/${datastoreOf(store)}`, role: "DatastoreAdmin", subject },
        { path: "/remote", role: "RemoteAdmin", subject },
      );
  }
  return [...servers.values()];
}

function datastoreOf(store: BackupStore): string {
  return store.api?.datastore ?? store.name;
}

/** Where it is declared to stand; a store that only one cluster writes to stands at that cluster's site. */
function storeSite(store: BackupStore): string | undefined {
  if (store.site !== undefined) return store.site;
  const clusters = Object.keys(store.access);
  return clusters.length === 1 ? clusters[0] : undefined;
}

/** Cross connects; where both ends declare one, the slower counts. */
function linksOf(federation: Federation): LayoutLink[] {
  const links = new Map<string, LayoutLink>();
  for (const { id, network } of federation.clusters) {
    for (const { targetCluster, bandwidthBitsPerSecond } of network.crossConnects) {
      if (bandwidthBitsPerSecond === undefined) continue;
      const key = [id, targetCluster].sort().join("|");
      const bytesPerSecond = Math.min(bandwidthBitsPerSecond / 8, links.get(key)?.bytesPerSecond ?? Number.POSITIVE_INFINITY);
      links.set(key, { sites: [id, targetCluster], bytesPerSecond });
    }
  }
  return [...links.values()];
}

function buildCluster(federation: Federation, cluster: Cluster, index: number, backends: Map<string, LayoutBackend>): LayoutCluster {
  const era = eraOf(cluster, index);
  const nodes = nodesOf(cluster);
  const storages = storagesOf(federation, cluster, nodes, backends);
  addImages(cluster, nodes, storages, backends);
  const ids = storages.map((storage) => storage.storage);
  return {
    id: cluster.id,
    era,
    nodes,
    storages,
    roles: provisionerRoles(era),
    uplinkBytesPerSecond: uplinkOf(cluster),
    ...credentialsOf(cluster, ids, { remoteMigration: takesRemoteMigrations(federation, cluster.id) }),
  };
}

/** As `metadata.pve_version` says, else 9 and 8 in turn, so that every federation of two meets both. */
function eraOf(cluster: Cluster, index: number): Era {
  const declared = cluster.metadata.pve_version;
  if (declared !== undefined) return declared.startsWith("8") ? "8.4" : "9.2";
  return index % 2 === 0 ? "9.2" : "8.4";
}

function nodesOf(cluster: Cluster): LayoutNode[] {
  const bridges = new Set(["vmbr0", ...cluster.network.bridges]);
  for (const network of Object.values(cluster.network.networks)) bridges.add(network.bridge);
  const declared: Pick<NodeSettings, "name" | "cores" | "memoryBytes">[] =
    cluster.nodes.length > 0 ? cluster.nodes : [{ name: `${cluster.id}-1` }];
  return declared.map((node) => ({ ...defaultNode, ...definedOnly(node), name: node.name, bridges: [...bridges] }));
}

function definedOnly(node: { cores?: number; memoryBytes?: number }): { cores?: number; memoryBytes?: number } {
  return {
    ...(node.cores === undefined ? {} : { cores: node.cores }),
    ...(node.memoryBytes === undefined ? {} : { memoryBytes: node.memoryBytes }),
  };
}

function storagesOf(federation: Federation, cluster: Cluster, nodes: LayoutNode[], backends: Map<string, LayoutBackend>): LayoutStorage[] {
  const storages = new Map<string, LayoutStorage>();
  const add = (storage: LayoutStorage) => {
    if (!storages.has(storage.storage)) storages.set(storage.storage, storage);
  };
  for (const store of federation.backupStores) for (const storage of storeStorages(store, federation, cluster.id)) add(storage);
  for (const backend of cluster.storage.backends) add(diskStorage(cluster, backend, nodes, backends));
  // Storages that are only named somewhere still have to exist.
  const named = [cluster.storage.primary, ...Object.values(cluster.storage.classes), "local"];
  for (const name of named) {
    if (name !== undefined && !storages.has(name)) add(diskStorage(cluster, { name, features: [] }, nodes, backends));
  }
  return [...storages.values()];
}

function diskStorage(cluster: Cluster, backend: StorageBackend, nodes: LayoutNode[], backends: Map<string, LayoutBackend>): LayoutStorage {
  const type = storageTypes[backend.type?.toLowerCase() ?? ""] ?? "dir";
  const shared = type === "nfs" || type === "cifs" || type === "rbd";
  const place = (suffix: string): string => {
    const id = `${cluster.id}:${backend.name}${suffix}`;
    backends.set(id, {
      id,
      kind: type === "dir" || type === "nfs" || type === "cifs" ? "directory" : "block",
      totalBytes: backend.capacityBytes,
      bytesPerSecond: diskSpeed[backend.performanceTier ?? "ssd"],
    });
    return id;
  };
  return {
    storage: backend.name,
    type,
    shared,
    backend: shared ? place("") : Object.fromEntries(nodes.map((node) => [node.name, place(`@${node.name}`)])),
    options: optionsOf(type, backend.name),
  };
}

function optionsOf(type: StorageState["type"], name: string): Record<string, string> {
  switch (type) {
    case "dir":
      return { path: name === "local" ? "/var/lib/vz" : `/srv/${name}` };
    case "nfs":
      return { path: `/mnt/pve/${name}`, server: "nas.simulated.invalid", export: `/export/${name}` };
    case "cifs":
      return { path: `/mnt/pve/${name}`, server: "nas.simulated.invalid", share: name };
    case "lvm":
      return { vgname: name };
    case "lvmthin":
      return { vgname: name, thinpool: "data" };
    case "zfspool":
    case "rbd":
      return { pool: name };
    case "pbs":
      return {};
  }
}

function storeBackendId(store: BackupStore): string {
  return `store:${store.name}`;
}

function storeBackend(store: BackupStore): LayoutBackend {
  return {
    id: storeBackendId(store),
    kind: store.type === "pbs" ? "pbs" : "directory",
    totalBytes: storeBytes,
    bytesPerSecond: storeSpeed,
    site: storeSite(store),
  };
}

/**
 * How one cluster sees a backup store: its own storage, and on a PBS one more per other cluster's namespace. A store whose
 * clusters read each other's archives where they write their own has no namespaces.
 */
function storeStorages(store: BackupStore, federation: Federation, clusterId: string): LayoutStorage[] {
  const access = store.access[clusterId];
  if (!access) return [];
  const server = `${simulatedBackupServerId(federation, store) ?? "pbs"}.simulated.invalid`;
  const hasNamespaces = Object.values(store.access).some(({ readAs }) => Object.keys(readAs).length > 0);
  const mount = (storage: string, namespace: string): LayoutStorage => ({
    storage,
    type: store.type,
    shared: true,
    backend: storeBackendId(store),
    content: ["backup"],
    options:
      store.type === "pbs"
        ? { server, datastore: datastoreOf(store), ...(hasNamespaces ? { namespace } : {}) }
        : optionsOf(store.type, storage),
  });
  const contactable = new Set(federation.clusters.filter((cluster) => cluster.connection !== undefined).map((cluster) => cluster.id));
  contactable.delete(clusterId);
  const others = Object.entries(access.readAs).filter(([source, storage]) => contactable.has(source) && storage !== access.storage);
  return [mount(access.storage, clusterId), ...others.map(([source, storage]) => mount(storage, source))];
}

/** Images are files on directory storages; a storage that only an image names is made for it. */
function addImages(cluster: Cluster, nodes: LayoutNode[], storages: LayoutStorage[], backends: Map<string, LayoutBackend>): void {
  for (const volid of Object.values(cluster.images)) {
    const colon = volid.indexOf(":");
    const storageId = volid.slice(0, colon);
    const image: LayoutImage = { volname: volid.slice(colon + 1) };
    if (!/^(import|iso)\//.test(image.volname)) continue;
    let storage = storages.find((candidate) => candidate.storage === storageId);
    if (!storage) {
      storage = diskStorage(cluster, { name: storageId, features: [] }, nodes, backends);
      storages.push(storage);
    }
    const ids = typeof storage.backend === "string" ? [storage.backend] : Object.values(storage.backend);
    for (const id of new Set(ids)) {
      const backend = backends.get(id);
      if (backend && !backend.images?.some((present) => present.volname === image.volname))
        backend.images = [...(backend.images ?? []), image];
    }
  }
}

/** The slower of the uplink and the fastest cross connect; bytes per second. */
function uplinkOf(cluster: Cluster): number | undefined {
  const links = cluster.network.crossConnects.map((link) => link.bandwidthBitsPerSecond).filter((bits) => bits !== undefined);
  const fastest = links.length > 0 ? Math.max(...links) : undefined;
  const limits = [cluster.network.uplinkBitsPerSecond, fastest].filter((bits) => bits !== undefined);
  return limits.length > 0 ? Math.min(...limits) / 8 : undefined;
}

/** The account the file names, with a provisioner's rights; its secret is new. */
function credentialsOf(
  cluster: Cluster,
  storages: readonly string[],
  options: ProvisionerOptions,
): Pick<LayoutCluster, "tokens" | "users" | "acl"> {
  const credentials = cluster.connection?.credentials;
  if (!credentials) return {};
  if (credentials.kind === "token") {
    const userid = credentials.tokenId.split("!")[0] ?? "";
    return { tokens: [{ tokenid: credentials.tokenId }], acl: provisionerAcl(userid, storages, options) };
  }
  // root@pam is there already and may do everything.
  if (credentials.username === "root@pam") return {};
  return {
    users: [{ userid: credentials.username, password: randomUUID() }],
    acl: provisionerAcl(credentials.username, storages, options),
  };
}

/** Whether a path or the default method may bring guests in by remote migration. */
function takesRemoteMigrations({ migration: { paths, defaultMethod } }: Federation, clusterId: string): boolean {
  const byRemote = (method: MigrationMethod | undefined) => method === "storage" || method === "offline";
  return byRemote(defaultMethod) || paths.some((path) => path.targetCluster === clusterId && byRemote(path.method));
}
