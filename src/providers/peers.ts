/**
 * Provider side of the joint plan: before a resource is placed, those declared before it are, in the program's order. So
 * every check comes to the same answer whenever the engine happens to call it.
 */

import type { Federation, ResourcePool } from "../config";
import { type Identity, identityTag } from "../migration";
import { type Company, type Placement, type PlacementResult, type Promised, placeOne } from "../placement";
import type { Declared, DeclaredDeployment, DeclaredPeer, DeclaredVolumeSet } from "./declaration-order";
import { type JointPlan, planDeployment } from "./deployment";
import { toDiskRequest } from "./disk/request";
import { diskSchema } from "./disk/spec";
import type { IdentityInput, Inputs } from "./inputs";
import { resolvePool } from "./pool/resolve";
import { type Session, UserError } from "./session";
import { toRequest } from "./vm/request";
import { vmSchema } from "./vm/spec";
import { planVolumeSet } from "./volume/set-plan";
import { findWorkers } from "./volume/workers";
import { anyUnreachable, findWhereabouts, priorOf } from "./whereabouts";

export interface AlreadyPlanned {
  /** What counts as taken when this resource is placed. */
  promised: Promised[];
  /** The joint plan's answer for a member of a deployment; absent where its own check has to find one. */
  decided?: PlacementResult;
}

/** What the run has planned before this resource, and together with it. */
export async function alreadyPlanned(session: Session, inputs: Inputs, ownPool: ResourcePool, key: string): Promise<AlreadyPlanned> {
  const before = await declaredBefore(session, inputs, ownPool);
  if (typeof inputs.__together !== "string") return { promised: before };
  const { stack } = inputs.__identity as IdentityInput;
  const joint = await planTogether(
    session,
    JSON.parse(inputs.__together) as DeclaredDeployment | DeclaredVolumeSet,
    stack,
    ownPool,
    before,
  );
  const others = joint.promised.filter(({ request }) => request.key !== key);
  return { promised: [...before, ...others], decided: joint.resultOf(key) };
}

async function declaredBefore(session: Session, inputs: Inputs, ownPool: ResourcePool): Promise<Promised[]> {
  const unordered = [...session.unordered.values()];
  if (typeof inputs.__before !== "string") return [...session.promised.values(), ...unordered];
  const { stack } = inputs.__identity as IdentityInput;
  const before: Promised[] = [];
  for (const entry of JSON.parse(inputs.__before) as Declared[])
    before.push(...(await promisesOf(session, entry, stack, ownPool, [...before, ...unordered])));
  return [...before, ...unordered];
}

/** Keeps a decision for those that are declared later; one outside the order counts for all. */
export function promise(session: Session, inputs: Inputs, promised: Promised): void {
  const { key } = promised.request;
  const ordered = typeof inputs.__before !== "string" || inputs.__ordered === true;
  (ordered ? session.promised : session.unordered).set(key, promised);
}

function planTogether(
  session: Session,
  entry: DeclaredDeployment | DeclaredVolumeSet,
  stack: string,
  pool: ResourcePool,
  before: Promised[],
): Promise<JointPlan> {
  return entry.kind === "deployment"
    ? planDeployment(session, entry, stack, pool, before)
    : planVolumeSet(session, entry, stack, pool, before);
}

async function promisesOf(
  session: Session,
  entry: Declared,
  stack: string,
  ownPool: ResourcePool,
  before: Promised[],
): Promise<Promised[]> {
  if (entry.kind === "deployment" || entry.kind === "volume-set") {
    const pool = await poolOf(session, entry.pool, ownPool);
    return pool ? (await planTogether(session, entry, stack, pool, before)).promised : [];
  }
  const promised = await promiseOf(session, entry, stack, ownPool, before);
  return promised ? [promised] : [];
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
  const pool = await poolOf(session, peer.pool, ownPool);
  if (!pool) return undefined;
  const here = await findWhereabouts(session, identity);
  // An existing VM is taken over where it is; until then it counts as what it is, somebody's.
  if (!here.home && peer.args.adopt !== undefined) return undefined;
  // It may live on a cluster that does not answer: only its own check, which knows the state, can tell.
  if (!here.home && (await anyUnreachable(session, pool))) return undefined;
  const attachTo =
    peer.attachedTo === undefined
      ? undefined
      : session.promised.get(identityTag({ ...identity, kind: "vm", name: peer.attachedTo }))?.placement;
  if (peer.attachedTo !== undefined && !attachTo) return undefined;
  const company = peer.workers && (await findWorkers(session, peer.workers));
  const prior = priorOf(here);
  const request = requestOf(inRegion(whereItIs(peer, prior), await session.federation()), pool, key, { prior, attachTo, company });
  if (!request) return undefined;
  const result = placeOne(request, await session.inventory(), before);
  if (!result.ok) return undefined;
  const promised = { request, placement: result.placement };
  session.promised.set(key, promised);
  return promised;
}

/** A replicated volume is made in one zone, and is later where its pod was last. */
function whereItIs(peer: DeclaredPeer, prior: Placement | undefined): DeclaredPeer {
  return peer.isReplicated && prior ? { ...peer, args: { ...peer.args, pin: { node: prior.node } } } : peer;
}

/** A region that is no cluster's stays as it is and is refused as a cluster's id would be. */
function inRegion(peer: DeclaredPeer, { clusters }: Federation): DeclaredPeer {
  if (peer.region === undefined) return peer;
  const cluster = clusters.find(({ region }) => region === peer.region)?.id ?? peer.region;
  return { ...peer, args: { ...peer.args, pin: { ...(peer.args.pin as object | undefined), cluster } } };
}

/** The peer's own check reports what is wrong with it; here it only does not count. */
function requestOf(
  peer: DeclaredPeer,
  pool: ResourcePool,
  key: string,
  { prior, attachTo: at, company }: { prior?: Placement; attachTo?: Placement; company?: Company },
) {
  if (peer.kind === "disk") {
    const attachTo = at && { cluster: at.cluster, node: at.node, vmid: 0 };
    // One that was taken over and has an owner by now counts like every other.
    const { adopt: _taken, ...args } = peer.args;
    const parsed = diskSchema.safeParse({ name: peer.name, ...args, attachTo });
    return parsed.success ? toDiskRequest(parsed.data, pool, key, prior, company) : undefined;
  }
  const parsed = vmSchema.safeParse({ name: peer.name, ...peer.args });
  return parsed.success ? toRequest(parsed.data, pool, key, prior) : undefined;
}

async function poolOf(session: Session, name: string | undefined, ownPool: ResourcePool): Promise<ResourcePool | undefined> {
  if (name === ownPool.name) return ownPool;
  try {
    return await resolvePool(session, name, {});
  } catch (error) {
    // A pool that only the program defines: its definition comes with the peer's own check.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
