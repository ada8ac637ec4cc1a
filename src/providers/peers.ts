/**
 * Provider side of the joint plan: before a resource is placed, those declared before it are, in the program's order. So
 * every check comes to the same answer whenever the engine happens to call it.
 */

import type { ResourcePool } from "../config";
import { type Identity, identityTag } from "../migration";
import { type Placement, type Promised, placeOne } from "../placement";
import type { DeclaredPeer } from "./declaration-order";
import { toDiskRequest } from "./disk/request";
import { diskSchema } from "./disk/spec";
import type { IdentityInput, Inputs } from "./inputs";
import { resolvePool } from "./pool/resolve";
import { type Session, UserError } from "./session";
import { toRequest } from "./vm/request";
import { vmSchema } from "./vm/spec";
import { findWhereabouts, type Whereabouts } from "./whereabouts";

/** What counts as taken when this resource is placed. */
export async function promisedBefore(session: Session, inputs: Inputs, ownPool: ResourcePool): Promise<Promised[]> {
  const unordered = [...session.unordered.values()];
  if (typeof inputs.__before !== "string") return [...session.promised.values(), ...unordered];
  const { stack } = inputs.__identity as IdentityInput;
  const before: Promised[] = [];
  for (const peer of JSON.parse(inputs.__before) as DeclaredPeer[]) {
    const promised = await promiseOf(session, peer, stack, ownPool, [...before, ...unordered]);
    if (promised) before.push(promised);
  }
  return [...before, ...unordered];
}

/** Keeps a decision for those that are declared later; one outside the order counts for all. */
export function promise(session: Session, inputs: Inputs, promised: Promised): void {
  const { key } = promised.request;
  const ordered = typeof inputs.__before !== "string" || inputs.__ordered === true;
  (ordered ? session.promised : session.unordered).set(key, promised);
}

async function promiseOf(
  session: Session,
  peer: DeclaredPeer,
  stack: string,
  ownPool: ResourcePool,
  before: Promised[],
): Promise<Promised | undefined> {
  const { name: federation } = await session.federation();
  const identity: Identity = { federation, stack, kind: peer.kind, name: peer.name };
  const key = identityTag(identity);
  const known = session.promised.get(key);
  if (known) return known;
  const pool = await poolOf(session, peer, ownPool);
  if (!pool) return undefined;
  const here = await findWhereabouts(session, identity);
  // It may live on a cluster that does not answer: only its own check, which knows the state, can tell.
  if (!here.home && (await anyUnreachable(session, pool))) return undefined;
  const attachTo =
    peer.attachedTo === undefined
      ? undefined
      : session.promised.get(identityTag({ ...identity, kind: "vm", name: peer.attachedTo }))?.placement;
  if (peer.attachedTo !== undefined && !attachTo) return undefined;
  const request = requestOf(peer, pool, key, priorOf(here), attachTo);
  if (!request) return undefined;
  const result = placeOne(request, await session.inventory(), before);
  if (!result.ok) return undefined;
  const promised = { request, placement: result.placement };
  session.promised.set(key, promised);
  return promised;
}

/** The peer's own check reports what is wrong with it; here it only does not count. */
function requestOf(peer: DeclaredPeer, pool: ResourcePool, key: string, prior: Placement | undefined, at: Placement | undefined) {
  if (peer.kind === "disk") {
    const attachTo = at && { cluster: at.cluster, node: at.node, vmid: 0 };
    const parsed = diskSchema.safeParse({ name: peer.name, ...peer.args, attachTo });
    return parsed.success ? toDiskRequest(parsed.data, pool, key, prior) : undefined;
  }
  const parsed = vmSchema.safeParse({ name: peer.name, ...peer.args });
  return parsed.success ? toRequest(parsed.data, pool, key, prior) : undefined;
}

function priorOf(here: Whereabouts): Placement | undefined {
  return here.home && { cluster: here.home.cluster, node: here.home.row.node, storages: [] };
}

async function poolOf(session: Session, peer: DeclaredPeer, ownPool: ResourcePool): Promise<ResourcePool | undefined> {
  if (peer.pool === ownPool.name) return ownPool;
  try {
    return await resolvePool(session, peer.pool, {});
  } catch (error) {
    // A pool that only the program defines: its definition comes with the peer's own check.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

async function anyUnreachable(session: Session, pool: ResourcePool): Promise<boolean> {
  const { clusters } = await session.snapshot();
  return pool.clusters.some((id) => clusters.get(id)?.reachable === false);
}
