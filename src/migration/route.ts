/** By which method, through which store and how fast a guest may go from one cluster to another. Pure. */
import type { BackupStore, Federation, MigrationMethod, MigrationPath, MigrationWindow } from "../config";

export interface Route {
  source: string;
  target: string;
  method: MigrationMethod;
  store: RouteStore;
  /** The lowest limit on the way; absent when nothing is declared. */
  bitsPerSecond?: number;
  /** Which declaration set the limit. */
  limitedBy?: string;
  compression: boolean;
  /** When the move may start; absent: at any time. */
  window?: MigrationWindow;
}

export interface RouteStore {
  name: string;
  type: BackupStore["type"];
  /** Storage id on the source that the archive is written to. */
  writeStorage: string;
  /** Storage id on the target under which that archive is seen. */
  readStorage: string;
}

export type RouteResult = { ok: true; route: Route } | { ok: false; reason: string };

export function planRoute(federation: Federation, source: string, target: string): RouteResult {
  const { paths, defaultMethod } = federation.migration;
  const path = paths.find((candidate) => candidate.sourceCluster === source && candidate.targetCluster === target);
  const method = path?.method ?? defaultMethod;
  const way = `from ${source} to ${target}`;
  if (method === undefined)
    return refuse(`no migration path is allowed ${way}: add it to migration_policies.paths or set migration_policies.default_method`);
  if (method !== "backup-restore")
    return refuse(`method ${method} ${way} is not supported by this version: set method: backup-restore in migration_policies.paths`);
  const store = findStore(federation, path, source, target);
  if (typeof store === "string") return refuse(store);
  if (path?.encryptionRequired && store.type !== "pbs")
    return refuse(
      `the path ${way} requires encryption, and backup store ${store.name} (${store.type}) cannot encrypt: use a PBS store with a client key`,
    );
  if (path?.encryptionRequired)
    return refuse(
      `the path ${way} requires encryption, which this version cannot prove for backup store ${store.name}: set encryption_required: false or wait`,
    );
  return {
    ok: true,
    route: {
      source,
      target,
      method,
      store,
      compression: path?.compression ?? true,
      window: path?.window ?? federation.migration.window,
      ...limitOf(federation, path, source, target),
    },
  };
}

function refuse(reason: string): RouteResult {
  return { ok: false, reason };
}

function findStore(federation: Federation, path: MigrationPath | undefined, source: string, target: string): RouteStore | string {
  const shared = federation.backupStores.filter((store) => store.access[source] && store.access[target]);
  const wanted = path?.backupStore === undefined ? shared : shared.filter((store) => store.name === path.backupStore);
  if (wanted.length === 0)
    return path?.backupStore === undefined
      ? `no backup store is reached by both ${source} and ${target}: add one to backup_stores`
      : `backup store ${path.backupStore} is not reached by both ${source} and ${target}: add both under backup_stores[].storages`;
  if (wanted.length > 1)
    return `several backup stores are reached by both ${source} and ${target} (${wanted.map((store) => store.name).join(", ")}): name one as backup_store of the path`;
  const store = wanted[0]!;
  const reading = store.access[target]!;
  return {
    name: store.name,
    type: store.type,
    writeStorage: store.access[source]!.storage,
    readStorage: reading.readAs[source] ?? reading.storage,
  };
}

function limitOf(
  federation: Federation,
  path: MigrationPath | undefined,
  source: string,
  target: string,
): { bitsPerSecond?: number; limitedBy?: string } {
  const from = federation.clusters.find((cluster) => cluster.id === source);
  const to = federation.clusters.find((cluster) => cluster.id === target);
  // A link declared on one side counts for both directions unless the other side says otherwise.
  const link =
    from?.network.crossConnects.find((connect) => connect.targetCluster === target) ??
    to?.network.crossConnects.find((connect) => connect.targetCluster === source);
  const limits: [number | undefined, string][] = [
    [path?.maxBandwidthBitsPerSecond, "the path's max_bandwidth"],
    [link?.bandwidthBitsPerSecond, "the cross-connect"],
    [from?.network.uplinkBitsPerSecond, `the uplink of ${source}`],
    [to?.network.uplinkBitsPerSecond, `the uplink of ${target}`],
  ];
  const known = limits.filter((limit): limit is [number, string] => limit[0] !== undefined);
  if (known.length === 0) return {};
  const [bitsPerSecond, limitedBy] = known.reduce((lowest, limit) => (limit[0] < lowest[0] ? limit : lowest));
  return { bitsPerSecond, limitedBy };
}
