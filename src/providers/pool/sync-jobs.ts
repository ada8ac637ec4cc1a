/**
 * Copies of a pool's backups at the other sites: where members have a backup server each, one sync job for each direction on the
 * server that pulls. Told from other jobs by id and comment.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type BackupStore, copiesBetween, type ReplicationCopies, storesOfPolicy } from "../../config";
import { definitionOf, pullFindings } from "../../migration";
import type { SyncJob } from "../../proxmox";
import type { Session } from "../session";
import { readSyncServer } from "../sync-facts";
import type { PoolDefinition } from "./spec";

type Replication = NonNullable<PoolDefinition["replication"]>;
export type CopyWay = ReplicationCopies<BackupStore>["ways"][number];

/** The longest that Proxmox takes, and no line break. */
const MOST_COMMENT_CHARACTERS = 128;

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Every comment of a job of the pool begins with it: nobody else's is ever changed. */
function jobMark(poolMark: string): string {
  return `proxmox-federation ${hash(poolMark)}`;
}

function jobId(poolMark: string, { source, target }: Pick<CopyWay, "source" | "target">): string {
  return `fed-sync-${hash(JSON.stringify([poolMark, source, target]))}`;
}

/** What has to be copied where; empty without `sync`. Pure. */
export function copyWays({ replication, clusters }: PoolDefinition, stores: readonly BackupStore[]): CopyWay[] {
  return replication?.sync ? copiesBetween(replication, stores, clusters).ways : [];
}

/** Why the copies cannot be set up, for the preview; `undefined` when they can. */
export async function refuseCopies(
  session: Session,
  definition: PoolDefinition,
  stores: readonly BackupStore[],
): Promise<string | undefined> {
  const { name, clusters, replication } = definition;
  if (!replication?.sync) return undefined;
  const [missing] = copiesBetween(replication, stores, clusters).missing;
  if (missing)
    return `replication of pool ${name} has sync, but the backup server of ${missing.target} cannot pull from that of ${missing.source}: give the store of ${missing.target} an api, and storages.${missing.target}.from.${missing.source}`;
  for (const way of await reachableWays(session, copyWays(definition, stores))) {
    const reason = await refuseCopy(session, way);
    if (reason !== undefined) return `replication of pool ${name} has sync, but ${reason}`;
  }
  return undefined;
}

async function refuseCopy(session: Session, way: CopyWay): Promise<string | undefined> {
  const { from, to } = way;
  const sync = { store: to.name, remote: from.name };
  const server = await readSyncServer(session, sync);
  // It may answer at the update; if not, the job is made by the next one.
  if (typeof server === "string") {
    session.pace.report(`warning: backup store ${to.name} does not answer: ${server}`);
    return undefined;
  }
  const { local, far, definition } = await placesOf(session, way);
  const findings = pullFindings(server, { from: from.name, sync, far, local, storage: definition });
  return findings.length === 0 ? undefined : findings.join("; ");
}

/** A cluster that is lost or out of reach tells nothing about its storages. */
async function reachableWays(session: Session, ways: readonly CopyWay[]): Promise<CopyWay[]> {
  const found: CopyWay[] = [];
  for (const way of ways) if ((await session.reachable(way.source)) && (await session.reachable(way.target))) found.push(way);
  return found;
}

/** Where the backups are, and where they go; `definition` is the source's storage, `owner` whom they shall belong to. */
async function placesOf(session: Session, { source, target, from, to }: CopyWay) {
  const [here, there] = await Promise.all([session.client(source), session.client(target)]);
  const [{ at: far, definition }, { at: local, definition: reading }] = await Promise.all([
    definitionOf(here, from.access[source]!.storage),
    definitionOf(there, to.access[target]!.readAs[source]!),
  ]);
  const { username } = reading.raw;
  return { far, local, definition, ...(typeof username === "string" ? { owner: username } : {}) };
}

async function jobFor(session: Session, pool: string, { sync }: Replication, poolMark: string, way: CopyWay): Promise<SyncJob> {
  const { far, local, owner } = await placesOf(session, way);
  const bitsPerSecond = sync?.maxBandwidthBitsPerSecond;
  const room = MOST_COMMENT_CHARACTERS - jobMark(poolMark).length - 1;
  return {
    id: jobId(poolMark, way),
    direction: "pull",
    local,
    remote: way.from.name,
    far,
    ...(owner === undefined ? {} : { owner }),
    // By vmid a VM that is made between two runs would be missed.
    groupFilter: ["type:vm"],
    maxDepth: 0,
    // A datastore that was emptied must not empty its copies.
    removeVanished: false,
    ...(bitsPerSecond === undefined ? {} : { limitBytesPerSecond: Math.max(1, Math.floor(bitsPerSecond / 8)) }),
    ...(sync ? { schedule: sync.schedule } : {}),
    comment: `pool ${pool}: ${way.source} to ${way.target}`.slice(0, room),
  };
}

/** Creates the job of a way, or makes it as declared. Safe to repeat. */
export async function ensureCopies(session: Session, { name, replication }: PoolDefinition, poolMark: string, way: CopyWay): Promise<void> {
  if (!replication?.sync) return;
  const server = await session.backupServer(way.to.name);
  await server.syncJobs.ensure(await jobFor(session, name, replication, poolMark, way), jobMark(poolMark));
}

export async function areCopiesAsWanted(
  session: Session,
  { name, replication }: PoolDefinition,
  poolMark: string,
  way: CopyWay,
): Promise<boolean> {
  if (!replication?.sync) return true;
  const server = await session.backupServer(way.to.name);
  const [wanted, found] = await Promise.all([
    jobFor(session, name, replication, poolMark, way),
    server.syncJobs.find(jobId(poolMark, way)),
  ]);
  return (
    found !== undefined &&
    isDeepStrictEqual(comparable(found), comparable({ ...wanted, comment: `${jobMark(poolMark)} ${wanted.comment}` }))
  );
}

/** A rate comes back rounded. */
function comparable({ limitBytesPerSecond, ...job }: SyncJob): object {
  return { ...job, limited: limitBytesPerSecond !== undefined };
}

/** Removes our jobs from the servers of the policy's stores, but those of the ways that stay. What they have copied stays too. */
export async function removeCopies(
  session: Session,
  replication: Replication | undefined,
  poolMark: string,
  staying: readonly CopyWay[],
): Promise<void> {
  if (!replication?.sync) return;
  const { backupStores, clusters } = await session.federation();
  const kept = new Set(staying.map((way) => jobId(poolMark, way)));
  const isLost = (id: string) => clusters.some((cluster) => cluster.id === id && cluster.status === "lost");
  for (const store of storesOfPolicy(replication, backupStores).filter(({ api }) => api !== undefined)) {
    // It stands where nothing is asked any more.
    if (Object.keys(store.access).every(isLost)) continue;
    const server = await session.backupServer(store.name);
    for (const job of await server.syncJobs.list())
      if (job.comment?.startsWith(`${jobMark(poolMark)} `) && !kept.has(job.id)) await server.syncJobs.delete(job.id, jobMark(poolMark));
  }
}
