/** Where the scheduled backups of a pool go, and which backup servers have to pull from each other for them. Pure. */
import { type SyncableStore, type SyncedPair, syncedPairs } from "./synced-stores";

/** What of a pool's policy tells that. */
export interface StoredPolicy {
  /** Each member reaches exactly one of them. */
  store: string | readonly string[];
}

export function storesOfPolicy<S extends { name: string }>({ store }: StoredPolicy, stores: readonly S[]): S[] {
  const names = [store].flat();
  return stores.filter(({ name }) => names.includes(name));
}

/** Those of the policy's stores that a member reaches: one, or the file is wrong. */
export function storesOfMember<S extends Pick<SyncableStore, "name" | "access">>(
  policy: StoredPolicy,
  stores: readonly S[],
  cluster: string,
): S[] {
  return storesOfPolicy(policy, stores).filter(({ access }) => Object.hasOwn(access, cluster));
}

/** One direction in which backups have to be copied. */
export interface CopyWay {
  source: string;
  target: string;
}

export interface ReplicationCopies<S extends SyncableStore> {
  ways: (CopyWay & SyncedPair<S>)[];
  /** The target's server cannot pull from the source's, as far as the stores tell. */
  missing: CopyWay[];
}

/** From each member to each other one that does not see its backups anyhow. */
export function copiesBetween<S extends SyncableStore>(
  policy: StoredPolicy,
  stores: readonly S[],
  members: readonly string[],
): ReplicationCopies<S> {
  const named = storesOfPolicy(policy, stores);
  const ways: ReplicationCopies<S>["ways"] = [];
  const missing: CopyWay[] = [];
  for (const source of members)
    for (const target of members) {
      if (source === target || named.some(({ access }) => Object.hasOwn(access, source) && Object.hasOwn(access, target))) continue;
      const [pair] = syncedPairs(named, source, target);
      if (pair) ways.push({ source, target, ...pair });
      else missing.push({ source, target });
    }
  return { ways, missing };
}
