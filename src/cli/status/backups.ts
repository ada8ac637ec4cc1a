/** How far the scheduled backups of a pool lag behind its guests. */
import { type Cluster, copiesBetween, type Federation, storesOfMember } from "../../config";
import { isIdentityTag, parseDescription } from "../../migration";
import { type CallOptions, type GuestRow, inParallel, type ProxmoxApi } from "../../proxmox";
import type { ClusterRows } from "../snapshot";

/** A pool of the file that is backed up on a schedule, as one cluster sees it. */
export interface BackedUpPool {
  pool: string;
  /** Storage that this cluster's backups go to. */
  storage: string;
  /** How old the newest backup of a guest may become. */
  rpoSeconds?: number;
}

export interface BackupAge {
  pool: string;
  vmid: number;
  name: string;
  /** Of the newest backup; absent: there is none. */
  ageSeconds?: number;
  rpoSeconds?: number;
  /** Pools with `sync`: what the other members have, as far as they could be asked. */
  copies?: CopyAge[];
}

export function backedUpPools({ resourcePools, backupStores }: Federation, { id }: Cluster): BackedUpPool[] {
  return resourcePools.flatMap(({ name, clusters, replication }) => {
    if (!replication || !clusters.includes(id)) return [];
    const storage = storesOfMember(replication, backupStores, id)[0]?.access[id]?.storage;
    if (storage === undefined) return [];
    return [{ pool: name, storage, ...(replication.rpoMs === undefined ? {} : { rpoSeconds: replication.rpoMs / 1000 }) }];
  });
}

/** Copies of another cluster's backups that this one keeps: pools with `sync`. */
export interface CopiedPool {
  pool: string;
  from: string;
  /** Storage under which this cluster sees them. */
  storage: string;
}

export function copiedPools({ resourcePools, backupStores }: Federation, { id }: Cluster): CopiedPool[] {
  return resourcePools.flatMap(({ name, clusters, replication }) =>
    replication?.sync
      ? copiesBetween(replication, backupStores, clusters)
          .ways.filter(({ target }) => target === id)
          .map(({ source, to }) => ({ pool: name, from: source, storage: to.access[id]!.readAs[source]! }))
      : [],
  );
}

/** What has arrived of them: when the newest backup of each vmid was made, in seconds since the epoch. */
export interface ArrivedCopies extends CopiedPool {
  newest: ReadonlyMap<number, number>;
}

export async function readCopies(
  api: ProxmoxApi,
  copied: readonly CopiedPool[],
  rows: ClusterRows,
  options: CallOptions,
): Promise<ArrivedCopies[]> {
  return Promise.all(copied.map(async (each) => ({ ...each, newest: await readNewest(api, each.storage, rows, options) })));
}

/** A copy of a guest's newest backup at another cluster. */
export interface CopyAge {
  cluster: string;
  /** Of the backup, not of its arrival; absent: none has arrived. */
  ageSeconds?: number;
}

/** Tells of each guest how old what the other clusters have of it is. Pure. */
export function withCopies(
  backups: readonly BackupAge[],
  from: string,
  arrived: readonly { cluster: string; copies: readonly ArrivedCopies[] }[],
  nowSeconds: number,
): BackupAge[] {
  return backups.map((backup) => {
    const copies = arrived.flatMap(({ cluster, copies: all }): CopyAge[] =>
      all
        .filter((each) => each.pool === backup.pool && each.from === from)
        .map(({ newest }) => {
          const atSeconds = newest.get(backup.vmid);
          return { cluster, ...(atSeconds === undefined ? {} : { ageSeconds: Math.max(0, Math.round(nowSeconds - atSeconds)) }) };
        }),
    );
    return copies.length === 0 ? backup : { ...backup, copies };
  });
}

/** One call per storage, however many guests there are, and one per disk with a life of its own. */
export async function readBackupAges(
  api: ProxmoxApi,
  pools: readonly BackedUpPool[],
  rows: ClusterRows,
  nowSeconds: number,
  options: CallOptions,
): Promise<BackupAge[]> {
  const newest = new Map<string, Promise<Map<number, number>>>();
  for (const { storage } of pools) if (!newest.has(storage)) newest.set(storage, readNewest(api, storage, rows, options));
  const ages = await Promise.all(
    pools.map(async (policy) => {
      const times = await newest.get(policy.storage)!;
      const members = rows.guests.filter(({ pool }) => pool === policy.pool);
      const owners = await findOwners(api, members, options);
      return members.flatMap((guest) => {
        if (guest.template && !owners.has(guest.vmid)) return [];
        const atSeconds = times.get(guest.vmid);
        return [ageOf(guest, atSeconds === undefined ? undefined : nowSeconds - atSeconds, policy)];
      });
    }),
  );
  return ages.flat();
}

/** Owner VMs of disks are templates like the fenced remains of moves and failovers; their marks tell them apart. */
async function findOwners(api: ProxmoxApi, members: readonly GuestRow[], options: CallOptions): Promise<Set<number>> {
  const candidates = members.filter(({ template, guestType, tags }) => template && guestType === "qemu" && tags.some(isIdentityTag));
  const found = await inParallel(candidates, async ({ node, vmid }) => {
    const { mark } = parseDescription((await api.qemu.findConfig(node, vmid, options))?.values.description);
    return mark?.kind === "disk" && mark.phase !== "retired" ? [vmid] : [];
  });
  return new Set(found.flat());
}

function ageOf({ vmid, name }: GuestRow, ageSeconds: number | undefined, { pool, rpoSeconds }: BackedUpPool): BackupAge {
  return {
    pool,
    vmid,
    name: name ?? `vm ${vmid}`,
    ...(ageSeconds === undefined ? {} : { ageSeconds: Math.max(0, Math.round(ageSeconds)) }),
    ...(rpoSeconds === undefined ? {} : { rpoSeconds }),
  };
}

async function readNewest(api: ProxmoxApi, storage: string, { storages }: ClusterRows, options: CallOptions): Promise<Map<number, number>> {
  const seen = storages.find((row) => row.storage === storage && row.status === "available");
  if (!seen) throw new Error(`storage ${storage} is not available on any node`);
  const newest = new Map<number, number>();
  for (const { vmid, createdAtSeconds } of await api.storage.listContent(seen.node, storage, { content: "backup" }, options)) {
    if (vmid === undefined || createdAtSeconds === undefined) continue;
    newest.set(vmid, Math.max(newest.get(vmid) ?? 0, createdAtSeconds));
  }
  return newest;
}

export function isLate({ ageSeconds, rpoSeconds }: Pick<BackupAge, "ageSeconds" | "rpoSeconds">): boolean {
  return rpoSeconds !== undefined && (ageSeconds === undefined || ageSeconds > rpoSeconds);
}

/** Copies that are older than the pool's rpo: as much is lost with the site. */
export function lateCopies({ copies = [], rpoSeconds }: BackupAge): CopyAge[] {
  return copies.filter(({ ageSeconds }) => isLate({ ageSeconds, rpoSeconds }));
}
