/** By which method, through which store and how fast a guest may go from one cluster to another. Pure. */
import {
  type BackupStore,
  type Federation,
  type MigrationMethod,
  type MigrationPath,
  type MigrationWindow,
  type OutsideWindow,
  type SyncedPair,
  syncedPairs,
} from "../config";

/** Kept in the plan: a route of an older version lacks what came later, and then means what it meant. */
export interface Route {
  source: string;
  target: string;
  method: MigrationMethod;
  /** Absent for methods that need none. */
  store?: RouteStore;
  /** A backup of the running guest goes ahead of the one that counts. Absent: no. */
  warm?: boolean;
  /** A running guest is started as its restore begins, and runs while its data arrive. Absent: no. */
  live?: boolean;
  /** Backup store whose server verifies the archive before a live restore. Absent: none has an API. */
  verifiedBy?: string;
  /** The lowest limit on the way; absent when nothing is declared. */
  bitsPerSecond?: number;
  /** Which declaration set the limit. */
  limitedBy?: string;
  /** Every declared limit on the way; moves that share one share its bandwidth. */
  links?: RouteLink[];
  compression: boolean;
  /** Archives must be proven to be encrypted. Absent: no. */
  encrypted?: boolean;
  /** When the move may start; absent: at any time. */
  window?: MigrationWindow;
  /** Absent: `refuse`. */
  outsideWindow?: OutsideWindow;
  longestWindowWaitMs?: number;
  /** How long the stopped source is kept after the move. Absent: until its delete. */
  keepSourceMs?: number;
  /** Node of the source → node of the target, for replication; others keep their name. */
  nodeNames?: Record<string, string>;
  /** HA group or rule of the source → that of the target; others keep their name. */
  haNames?: Record<string, string>;
}

export interface RouteLink {
  /** The same for every move that uses the link. */
  key: string;
  bitsPerSecond: number;
  /** For people. */
  what: string;
}

export interface RouteStore {
  name: string;
  type: BackupStore["type"];
  /** Storage id on the source that the archive is written to. */
  writeStorage: string;
  /** Storage id on the target under which that archive is seen. */
  readStorage: string;
  /** The end of the way it stands beside: between the two there is no link. Absent: unknown. */
  beside?: "source" | "target";
  /** The target does not read this store, but one of its own that the archive is pulled to. Absent: both use this one. */
  sync?: RouteSync;
}

export interface RouteSync {
  /** The target's store; `readStorage` is in it. */
  store: string;
  /** Under this name the target's backup server knows the source's (its `remote.cfg`). */
  remote: string;
}

export type RouteResult = { ok: true; route: Route } | { ok: false; reason: string };

/** Methods this version can move by. */
export const SUPPORTED_METHODS: readonly MigrationMethod[] = ["backup-restore", "storage", "offline"];

/** Whether Proxmox sends the guest itself, without a store between. */
export function isRemote({ method }: Pick<Route, "method">): boolean {
  return method === "storage" || method === "offline";
}

const LONGEST_WINDOW_WAIT_MS = 24 * 3600 * 1000;

export function planRoute(federation: Federation, source: string, target: string): RouteResult {
  const { paths, defaultMethod, keepSourceMs } = federation.migration;
  const path = paths.find((candidate) => candidate.sourceCluster === source && candidate.targetCluster === target);
  const method = path?.method ?? defaultMethod;
  const way = `from ${source} to ${target}`;
  if (method === undefined)
    return refuse(`no migration path is allowed ${way}: add it to migration_policies.paths or set migration_policies.default_method`);
  if (!SUPPORTED_METHODS.includes(method))
    return refuse(`method ${method} ${way} is not supported by this version: set method: backup-restore in migration_policies.paths`);
  const store = isRemote({ method }) ? undefined : findStore(federation, path, source, target);
  if (typeof store === "string") return refuse(store);
  if (path?.encryptionRequired && !store)
    return refuse(
      `the path ${way} requires encryption, and method ${method} leaves the target's disks as they are: use method: backup-restore with a PBS store with a client key`,
    );
  if (path?.encryptionRequired && store && store.type !== "pbs")
    return refuse(
      `the path ${way} requires encryption, and backup store ${store.name} (${store.type}) cannot encrypt: use a PBS store with a client key`,
    );
  if (path?.liveRestore && store?.type !== "pbs")
    return refuse(
      `the path ${way} asks for live_restore, which only a Proxmox Backup Server can serve, ${store ? `and backup store ${store.name} is of type ${store.type}` : `and method ${method} has no store`}: remove live_restore, or use method: backup-restore with a PBS store`,
    );
  const links = linksOf(federation, path, source, target);
  const slowest = links.reduce<RouteLink | undefined>(
    (lowest, link) => (lowest && lowest.bitsPerSecond <= link.bitsPerSecond ? lowest : link),
    undefined,
  );
  const keepMs = path?.keepSourceMs ?? keepSourceMs;
  return {
    ok: true,
    route: {
      source,
      target,
      method,
      ...(store ? { store } : {}),
      // On a directory store every backup reads and writes everything: a warm pass gains nothing (live finding 16).
      ...(store?.type === "pbs" && (path?.warm ?? true) ? { warm: true } : {}),
      ...(path?.liveRestore ? { live: true, ...verifierOf(federation, store) } : {}),
      compression: path?.compression ?? true,
      ...(path?.encryptionRequired ? { encrypted: true } : {}),
      ...windowOf(path, federation),
      links,
      ...(keepMs === undefined ? {} : { keepSourceMs: keepMs }),
      ...(path?.nodeNames ? { nodeNames: path.nodeNames } : {}),
      ...(path?.haNames ? { haNames: path.haNames } : {}),
      ...(slowest ? { bitsPerSecond: slowest.bitsPerSecond, limitedBy: slowest.what } : {}),
    },
  };
}

/** The server that the target restores from. */
function verifierOf({ backupStores }: Federation, store: RouteStore | undefined): Pick<Route, "verifiedBy"> {
  const name = store?.sync?.store ?? store?.name;
  const api = backupStores.find((candidate) => candidate.name === name)?.api;
  return name === undefined || api === undefined ? {} : { verifiedBy: name };
}

function windowOf(
  path: MigrationPath | undefined,
  { migration }: Federation,
): Pick<Route, "window" | "outsideWindow" | "longestWindowWaitMs"> {
  const window = path?.window ?? migration.window;
  if (!window) return {};
  return {
    window,
    outsideWindow: migration.outsideWindow ?? "refuse",
    longestWindowWaitMs: migration.longestWindowWaitMs ?? LONGEST_WINDOW_WAIT_MS,
  };
}

/** The store of a route whose method needs one. */
export function storeOf(route: Route): RouteStore {
  if (!route.store) throw new Error(`the route from ${route.source} to ${route.target} (${route.method}) has no backup store`);
  return route.store;
}

function refuse(reason: string): RouteResult {
  return { ok: false, reason };
}

function findStore(federation: Federation, path: MigrationPath | undefined, source: string, target: string): RouteStore | string {
  const wanted = path?.backupStore;
  const shared = federation.backupStores.filter(
    (store) => store.access[source] && store.access[target] && (wanted === undefined || store.name === wanted),
  );
  const pairs = syncedPairs(federation.backupStores, source, target).filter(
    ({ from, to }) => wanted === undefined || from.name === wanted || to.name === wanted,
  );
  if (shared.length > 1)
    return `several backup stores are reached by both ${source} and ${target} (${shared.map(({ name }) => name).join(", ")}): name one as backup_store of the path`;
  if (shared.length === 1) return sharedStore(shared[0]!, source, target);
  if (pairs.length > 1)
    return `archives of ${source} come to ${target} by several pairs of backup stores (${pairs.map(({ from, to }) => `${from.name} and ${to.name}`).join("; ")}): name one as backup_store of the path`;
  if (pairs.length === 1) return syncedStore(pairs[0]!, source, target);
  return wanted === undefined
    ? `no backup store is reached by both ${source} and ${target}: add one to backup_stores, or let the Proxmox Backup Server of ${target} pull from that of ${source} (api, and storages.${target}.from.${source})`
    : `backup store ${wanted} is not reached by both ${source} and ${target}: add both under backup_stores[].storages`;
}

function sharedStore(store: BackupStore, source: string, target: string): RouteStore {
  const reading = store.access[target]!;
  return {
    name: store.name,
    type: store.type,
    writeStorage: store.access[source]!.storage,
    readStorage: reading.readAs[source] ?? reading.storage,
    ...(store.site === source ? { beside: "source" as const } : store.site === target ? { beside: "target" as const } : {}),
  };
}

/** The link is between the two servers: each counts as standing beside its own cluster. */
function syncedStore({ from, to }: SyncedPair<BackupStore>, source: string, target: string): RouteStore {
  return {
    name: from.name,
    type: from.type,
    writeStorage: from.access[source]!.storage,
    readStorage: to.access[target]!.readAs[source]!,
    sync: { store: to.name, remote: from.name },
  };
}

function linksOf(federation: Federation, path: MigrationPath | undefined, source: string, target: string): RouteLink[] {
  const from = federation.clusters.find((cluster) => cluster.id === source);
  const to = federation.clusters.find((cluster) => cluster.id === target);
  // A link declared on one side counts for both directions unless the other side says otherwise.
  const link =
    from?.network.crossConnects.find((connect) => connect.targetCluster === target) ??
    to?.network.crossConnects.find((connect) => connect.targetCluster === source);
  const declared: [string, number | undefined, string][] = [
    [`path ${source} > ${target}`, path?.maxBandwidthBitsPerSecond, "the path's max_bandwidth"],
    [`cross-connect ${[source, target].sort().join(" - ")}`, link?.bandwidthBitsPerSecond, "the cross-connect"],
    [`uplink ${source}`, from?.network.uplinkBitsPerSecond, `the uplink of ${source}`],
    [`uplink ${target}`, to?.network.uplinkBitsPerSecond, `the uplink of ${target}`],
  ];
  return declared.flatMap(([key, bitsPerSecond, what]) => (bitsPerSecond === undefined ? [] : [{ key, bitsPerSecond, what }]));
}
