/** Backup servers of which one pulls from the other: what a move goes through where no store is shared. Pure. */

/** What of a store, as written or as parsed, tells that. */
export interface SyncableStore {
  name: string;
  type: string;
  /** The server can be told to sync. */
  api?: unknown;
  /** Cluster id → source cluster → storage under which it sees that cluster's archives. */
  access: Record<string, { readAs: Record<string, string> }>;
}

export interface SyncedPair<S extends SyncableStore> {
  /** Of the source: its archives are written here. */
  from: S;
  /** Of the target: they are pulled to here, by a sync job of this server. */
  to: S;
}

/** Stores as they are written in the file. */
export function toSyncable(
  stores: readonly (Omit<SyncableStore, "access"> & { storages: Record<string, string | { from?: Record<string, string> }> })[],
): SyncableStore[] {
  return stores.map(({ name, type, api, storages }) => ({
    name,
    type,
    api,
    access: Object.fromEntries(
      Object.entries(storages).map(([id, given]) => [id, { readAs: typeof given === "string" ? {} : (given.from ?? {}) }] as const),
    ),
  }));
}

/** Pairs of stores of type pbs by which archives of `source` come to `target`: each of the two clusters reaches only its own. */
export function syncedPairs<S extends SyncableStore>(stores: readonly S[], source: string, target: string): SyncedPair<S>[] {
  const servers = stores.filter(({ type }) => type === "pbs");
  const reaches = ({ access }: S, cluster: string): boolean => Object.hasOwn(access, cluster);
  const pulling = servers.filter(
    (store) => store.api !== undefined && !reaches(store, source) && store.access[target]?.readAs[source] !== undefined,
  );
  const writing = servers.filter((store) => reaches(store, source) && !reaches(store, target));
  return writing.flatMap((from) => pulling.map((to) => ({ from, to })));
}
