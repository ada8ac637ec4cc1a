/** ResourcePool: the Proxmox pool of that name on every member cluster. */
import { type BackupStore, type ResourcePool, storesOfMember } from "../../config";
import { isOutage } from "../../inventory";
import type { BackupJob, ProxmoxApi } from "../../proxmox";
import { AlreadyExistsError } from "../../proxmox";
import { engineInputs, hasUnknown, type IdentityInput, type Inputs, userInputs, withoutUndefined } from "../inputs";
import { type CheckFailure, toFailures } from "../schema";
import { type Session, UserError } from "../session";
import { ensureJob, isJobAsWanted, jobOf, missingForJob, refuseReplication, removeJob } from "./backup-job";
import { changedCopies, isLost, settleCopies } from "./copies";
import { type PoolDefinition, poolDefinition, resourcePoolSchema } from "./spec";
import { refuseCopies, removeCopies } from "./sync-jobs";

interface PoolInputs {
  /** Everything a FederatedVM needs to know of the pool. */
  definition: PoolDefinition;
}

interface PoolOutputs extends PoolInputs {
  /** Clusters on which the Proxmox pool exists. */
  present: string[];
  /** Clusters that could not be reached; the next update tries again. */
  pending: string[];
}

const COMPUTED_KEYS = ["definition"];

export async function checkPool(session: Session, news: Inputs): Promise<{ inputs: Inputs; failures: CheckFailure[] }> {
  const own = userInputs(news, COMPUTED_KEYS);
  const identity = news.__identity as IdentityInput;
  if (hasUnknown(own)) return { inputs: { ...own, ...engineInputs(news) }, failures: [] };
  const parsed = resourcePoolSchema.safeParse({ name: identity.name, ...own });
  if (!parsed.success) return { inputs: news, failures: toFailures(parsed.error) };
  const federation = await session.federation();
  const declared = federation.resourcePools.find((pool) => pool.name === parsed.data.name);
  if (!declared && !parsed.data.clusters)
    return failed(
      news,
      "clusters",
      `pool ${parsed.data.name} is not in resource_pools of federation.yaml: add it there, or give clusters here`,
    );
  const definition = poolDefinition.safeParse({ ...(declared ? toWords(declared) : {}), ...own, name: parsed.data.name });
  if (!definition.success) return { inputs: news, failures: toFailures(definition.error) };
  const unknown = definition.data.clusters.filter((id) => !federation.clusters.some((cluster) => cluster.id === id));
  if (unknown.length > 0)
    return failed(
      news,
      "clusters",
      `unknown clusters ${unknown.join(", ")} (known: ${federation.clusters.map((cluster) => cluster.id).join(", ")})`,
    );
  const refusal =
    refuseReplication(definition.data, federation.backupStores) ??
    (await refuseWithoutRights(session, definition.data)) ??
    (await refuseCopies(session, definition.data, federation.backupStores));
  if (refusal !== undefined) return failed(news, "", refusal);
  // One look, so that a wrong credential shows in the preview and not half-way through the update.
  await session.snapshot();
  return { inputs: withoutUndefined({ ...own, ...engineInputs(news), definition: definition.data }), failures: [] };
}

async function refuseWithoutRights(session: Session, { name, clusters, replication }: PoolDefinition): Promise<string | undefined> {
  if (!replication) return undefined;
  const findings: string[] = [];
  for (const id of clusters) {
    if (!(await session.reachable(id))) continue;
    const permissions = await session.once(`permissions ${id}`, async () => (await session.client(id)).getPermissions());
    const missing = missingForJob(permissions, name, (await storeFor(session, replication, id)).access[id]!.storage);
    if (missing.length > 0) findings.push(`${id}: ${missing.join(", ")}`);
  }
  if (findings.length === 0) return undefined;
  return `replication of pool ${name} needs privileges that the tokens lack: ${findings.join("; ")}. Grant them (docs/failover.md), or remove replication and set the backup jobs up by hand`;
}

async function storeFor(session: Session, replication: NonNullable<PoolDefinition["replication"]>, cluster: string): Promise<BackupStore> {
  const [store] = storesOfMember(replication, (await session.federation()).backupStores, cluster);
  if (!store)
    throw new UserError(
      `Of backup store ${[replication.store].flat().join(", ")} none is left in federation.yaml that ${cluster} reaches. Put it back, or change replication.`,
    );
  return store;
}

async function jobFor(
  session: Session,
  { name, replication }: PoolDefinition,
  mark: string,
  cluster: string,
): Promise<BackupJob | undefined> {
  return replication && jobOf(name, replication, mark, await storeFor(session, replication, cluster), cluster);
}

function failed(news: Inputs, property: string, reason: string): { inputs: Inputs; failures: CheckFailure[] } {
  return { inputs: news, failures: [{ property, reason }] };
}

function toWords(pool: ResourcePool): Inputs {
  const { limits } = pool;
  return withoutUndefined({
    description: pool.description,
    clusters: pool.clusters,
    limits: { maxVms: limits.maxVms, maxCores: limits.maxCores, maxMemory: limits.maxMemoryBytes, maxStorage: limits.maxStorageBytes },
    placementPolicy: pool.placementPolicy,
    replication: pool.replication,
  });
}

export function diffPool(oldOutputs: Inputs, newInputs: Inputs): { changes: boolean; replaces: string[] } {
  if (hasUnknown(newInputs) || newInputs.definition === undefined) return { changes: true, replaces: [] };
  const olds = oldOutputs as unknown as PoolOutputs;
  const news = newInputs as unknown as PoolInputs;
  const replaces = olds.definition.name === news.definition.name ? [] : ["name"];
  const changes = replaces.length > 0 || olds.pending.length > 0 || canonical(olds.definition) !== canonical(news.definition);
  return { changes, replaces };
}

/** Equal definitions have equal text, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

export async function createPool(session: Session, inputs: Inputs): Promise<{ id: string; outs: Inputs }> {
  const { definition } = inputs as unknown as PoolInputs;
  return { id: definition.name, outs: await ensureMembers(session, inputs, undefined) };
}

export async function updatePool(session: Session, oldOutputs: Inputs, inputs: Inputs): Promise<{ outs: Inputs }> {
  return { outs: await ensureMembers(session, inputs, oldOutputs as unknown as PoolOutputs) };
}

async function ensureMembers(session: Session, inputs: Inputs, before: PoolOutputs | undefined): Promise<Inputs> {
  const { definition } = inputs as unknown as PoolInputs;
  const comment = await commentOf(session, inputs);
  const present: string[] = [];
  const pending: string[] = [];
  for (const id of definition.clusters) {
    if (await isLost(session, id)) {
      (before?.present.includes(id) ? present : pending).push(id);
      continue;
    }
    try {
      const api = await session.client(id);
      await ensurePool(api, definition, comment);
      const job = await jobFor(session, definition, comment, id);
      if (job) await ensureJob(api, job);
      else if (before?.definition.replication) await removeJob(api, comment);
      present.push(id);
    } catch (error) {
      if (!isOutage(error)) throw error;
      session.pace.report(`warning: pool ${definition.name} is not set up on ${id} yet: ${error.message}`);
      pending.push(id);
    }
  }
  for (const id of (before?.present ?? []).filter((known) => !definition.clusters.includes(known)))
    await removePool(session, id, before?.definition ?? definition, comment);
  const late = await settleCopies(session, definition, before?.definition, comment, pending);
  return withoutUndefined({ ...inputs, present, pending: [...new Set([...pending, ...late])] });
}

const MARK = "proxmox-federation";

/** The mark of a pool is its comment; the description follows it. */
async function commentOf(session: Session, inputs: Inputs): Promise<string> {
  const { name: federation } = await session.federation();
  const { stack, name } = inputs.__identity as IdentityInput;
  return `${MARK} ${federation} ${stack} ${name}`;
}

async function ensurePool(api: ProxmoxApi, definition: PoolDefinition, mark: string): Promise<void> {
  const comment = definition.description === undefined ? mark : `${mark}: ${definition.description}`;
  const existing = (await api.pools.find(definition.name)) ?? (await createUnlessThere(api, definition.name, comment));
  if (!existing) return;
  if (!isMarked(existing.comment, mark))
    throw new UserError(
      `Pool ${definition.name} on cluster ${api.clusterId} exists and is not ours (its comment: ${JSON.stringify(existing.comment ?? "")}). Choose another name, or set its comment to "${mark}" to hand it over.`,
    );
  if (existing.comment !== comment) await api.pools.setComment(definition.name, comment);
}

async function createUnlessThere(api: ProxmoxApi, name: string, comment: string) {
  try {
    await api.pools.create(name, comment);
    return undefined;
  } catch (error) {
    if (error instanceof AlreadyExistsError) return api.pools.find(name);
    // A reply that was lost: the pool is there or it is not.
    const found = await api.pools.find(name);
    if (found) return found;
    throw error;
  }
}

function isMarked(comment: string | undefined, mark: string): boolean {
  return comment === mark || (comment?.startsWith(`${mark}: `) ?? false);
}

export async function readPool(session: Session, id: string, props: Inputs): Promise<{ id: string; props: Inputs }> {
  const olds = props as unknown as PoolOutputs;
  const mark = await commentOf(session, props);
  const present: string[] = [];
  const missing: string[] = [];
  const changed: string[] = [];
  for (const cluster of olds.present) {
    if (!(await session.reachable(cluster))) {
      present.push(cluster);
      continue;
    }
    const api = await session.client(cluster);
    const pool = await api.pools.find(olds.definition.name);
    const job = await jobFor(session, olds.definition, mark, cluster);
    const isComplete = job === undefined || (await isJobAsWanted(api, job));
    if (pool && isMarked(pool.comment, mark)) {
      present.push(cluster);
      if (!isComplete) changed.push(cluster);
    } else missing.push(cluster);
  }
  if (present.length === 0 && missing.length > 0) return { id: "", props: {} };
  changed.push(...(await changedCopies(session, olds.definition, mark, present)));
  return { id, props: withoutUndefined({ ...props, present, pending: [...new Set([...olds.pending, ...missing, ...changed])] }) };
}

export async function deletePool(session: Session, props: Inputs): Promise<void> {
  const { definition, present, pending } = props as unknown as PoolOutputs;
  const mark = await commentOf(session, props);
  await removeCopies(session, definition.replication, mark, []);
  for (const cluster of new Set([...present, ...pending])) await removePool(session, cluster, definition, mark);
}

async function removePool(session: Session, cluster: string, { name, replication }: PoolDefinition, mark: string): Promise<void> {
  if (await isLost(session, cluster)) {
    session.pace.report(`warning: pool ${name} stays on ${cluster}, which is lost: remove it there by hand when it is back`);
    return;
  }
  const api = await session.client(cluster);
  if (replication) await removeJob(api, mark);
  const pool = await api.pools.find(name);
  if (!pool || !isMarked(pool.comment, mark)) return;
  if (pool.members.length > 0)
    throw new UserError(
      `Pool ${name} on cluster ${cluster} still holds guests: ${pool.members.map((member) => member.vmid).join(", ")}. Move or remove them, then run again.`,
    );
  try {
    await api.pools.delete(name);
  } catch (error) {
    if (await api.pools.find(name)) throw error;
  }
}
