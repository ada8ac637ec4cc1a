/** Changes in place: node, disks, hardware, power. Compares with the live guest, so a repeated update ends the same. */
import {
  dataDrivesOf,
  type GuestRef,
  type Mark,
  type MarkedGuest,
  type Pace,
  readMarkedGuest,
  refuseForeignLock,
  rollBackMove,
  runTask,
  sameIdentity,
  writeMark,
} from "../../migration";
import { settleOldCopies } from "../failover/old-copies";
import type { Inputs } from "../inputs";
import { putIntoPool } from "../pool/membership";
import { destroyExpiredSources, refuseRetired } from "../predecessors";
import { type Session, UserError } from "../session";
import { awaitTasks } from "../tasks-under-way";
import { describeAbandonedCopy, findAbandonedCopies } from "./abandoned-copies";
import { applyPower, applyShape, waitUntilAlive } from "./apply";
import { contextOf, describe, type VmContext } from "./create";
import { toMarkDemands } from "./demands";
import { compareShapes, describeDifference } from "./shape";
import { placementOf, readVmInputs, readVmOutputs } from "./state";

export async function updateVm(session: Session, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const context = await contextOf(session, newInputs);
  const olds = readVmOutputs(oldOutputs);
  const { pace } = session;
  refuseRetired(context.identity, await findOwn(context, olds.__at.cluster, olds.vmid));
  await undoUnfinishedMove(context, olds.__at.cluster, olds.vmid);
  await awaitTasks((await findOwn(context, olds.__at.cluster, olds.vmid)).ref, ["qmigrate"], pace);
  let guest = await findOwn(context, olds.__at.cluster, olds.vmid);
  refuseForeignLock(guest.ref, guest.config);
  const { node } = placementOf(readVmInputs(newInputs));
  if (guest.ref.node !== node) guest = { ...guest, ref: await migrateToNode(context, guest, node) };
  const options = { formerKeys: Object.keys(olds.__desired.scalars), shutdown: context.spec.shutdown };
  await applyShape(guest.ref, context.desired, options, pace);
  const generation = guest.mark!.generation;
  const mark: Mark = { ...guest.mark!, phase: "settled", demands: toMarkDemands(context.desired.demands) };
  guest = await writeMark(guest, { mark, text: context.desired.text, tags: context.desired.tags }, pace);
  await putIntoPool(session, guest.ref, readVmInputs(newInputs).__pool);
  await applyPower(guest.ref, context.desired, options, pace);
  if (context.desired.running)
    await waitUntilAlive(guest.ref, { expected: context.spec.agent, timeoutSeconds: context.spec.agentTimeoutSeconds }, pace);
  await destroyExpiredSources(context.session, context.identity, guest);
  await settleOldCopies(context.session, context.identity, guest, context.spec.shutdown);
  const outs = await describe(context, guest.ref, generation, olds.lastMove);
  const left = compareShapes(context.desired, readVmOutputs(outs).__observed);
  if (left.length > 0)
    throw new Error(
      `vm ${guest.ref.vmid} on ${olds.__at.cluster} is not as declared after the update: ${left.map(describeDifference).join("; ")}.`,
    );
  return { outs };
}

/** The guest of the state, on whatever node it is, provided it still is ours. */
export async function findOwn(context: VmContext, cluster: string, vmid: number): Promise<MarkedGuest> {
  const ref = await context.session.locate(cluster, vmid);
  const guest = ref && (await readMarkedGuest(ref));
  if (!guest)
    throw new UserError(`VM ${context.identity.name} (vm ${vmid}) is no longer on ${cluster}. Run "pulumi refresh" and then "pulumi up".`);
  if (!guest.mark || !sameIdentity(guest.mark, context.identity))
    throw new UserError(
      `vm ${vmid} on ${cluster} does not carry the mark of ${context.identity.name} and is not touched. Run "pulumi refresh".`,
    );
  return guest;
}

async function undoUnfinishedMove(context: VmContext, cluster: string, vmid: number): Promise<void> {
  const { session, identity, inputs } = context;
  const guest = await findOwn(context, cluster, vmid);
  const journal = guest.mark?.move;
  if (!journal || guest.mark?.phase !== "moving") return;
  await rollBackMove(
    {
      identity,
      source: guest.ref,
      targetApi: await session.client(journal.target.cluster),
      targetPool: readVmInputs(inputs).__pool,
      restart: true,
      backupServerOf: session.backupServer,
    },
    session.pace,
  );
}

/** Inside the cluster: online when it runs. Disks on local storage are copied along. */
async function migrateToNode(context: VmContext, guest: MarkedGuest, node: string): Promise<GuestRef> {
  const { session, spec } = context;
  const { ref } = guest;
  refuseAttachedDisks(guest, node);
  const status = await ref.api.qemu.getStatus(ref.node, ref.vmid);
  const preconditions = await ref.api.qemu.getMigratePreconditions(ref.node, ref.vmid, node);
  session.pace.report(`${spec.name}: migrating from ${ref.node} to ${node}`);
  await runTask(
    ref,
    {
      type: "qmigrate",
      isDone: async () => (await session.locate(ref.api.clusterId, ref.vmid))?.node === node,
      timeoutMs: 24 * 3600 * 1000,
    },
    session.pace,
    () =>
      ref.api.qemu.migrate(ref.node, ref.vmid, {
        target: node,
        ...(status.status === "running" ? { online: 1 } : {}),
        ...(preconditions.localDisks.length > 0 ? { "with-local-disks": 1 } : {}),
      }),
  );
  const arrived = await awaitArrival(context, ref, node, session.pace);
  for (const volid of await findAbandonedCopies(arrived, ref.node))
    session.pace.report(`warning: ${describeAbandonedCopy(volid, arrived)}.`);
  return arrived;
}

/** An HA-managed guest is only requested to move: its place tells when it has. */
async function awaitArrival(context: VmContext, ref: GuestRef, node: string, pace: Pace): Promise<GuestRef> {
  for (let attempt = 1; ; attempt++) {
    const found = await context.session.locate(ref.api.clusterId, ref.vmid);
    if (found?.node === node) return { api: ref.api, node, vmid: ref.vmid };
    if (attempt === 60)
      throw new Error(`vm ${ref.vmid} on ${ref.api.clusterId} did not arrive on ${node}; it is on ${found?.node ?? "no node"}.`);
    await pace.sleep(Math.min(250 * attempt, 5_000));
  }
}

/** Proxmox aborts any migration of a guest that holds another guest's volume (live finding 22). */
function refuseAttachedDisks(guest: MarkedGuest, node: string): void {
  const foreign = dataDrivesOf(guest.config).filter((drive) => drive.ownerVmid !== undefined && drive.ownerVmid !== guest.ref.vmid);
  if (foreign.length === 0) return;
  const names = foreign.map((drive) => `${drive.slot} (${drive.volid})`).join(", ");
  throw new UserError(
    `vm ${guest.ref.vmid} cannot go from ${guest.ref.node} to ${node}: disks with a life of their own are attached: ${names}. Detach them (ProxmoxDisk.attachTo), move, attach again.`,
  );
}
