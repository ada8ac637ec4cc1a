/** Changes of a disk in place: growing, attaching elsewhere, undoing an interrupted move. */
import { type MarkedGuest, refuseForeignLock, sameIdentity, writeMark } from "../../migration";
import { parseVolid } from "../../proxmox";
import { settleOldCopies } from "../failover/old-copies";
import type { Inputs } from "../inputs";
import { putIntoPool } from "../pool/membership";
import { destroyExpiredSources, refuseRetired } from "../predecessors";
import { type Session, UserError } from "../session";
import { describeUser, detachVolume } from "./attachment";
import { attachAndDescribe, type DiskContext, diskContext, requireOwner, undoUnfinishedMove } from "./create";
import { growVolume } from "./grow";
import { awaitNodeMove, isNodeLocal, moveToNode } from "./node-move";
import { fenceOwner, isFenced, volidOf } from "./owner";
import { releaseOldCopy } from "./release";
import { readDiskInputs, readDiskOutputs } from "./state";

/** An owner is no guest that could be shut down. */
const NEVER_RUNS = { timeoutSeconds: 60, force: false };

export async function updateDisk(session: Session, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const context = await diskContext(session, newInputs);
  const olds = readDiskOutputs(oldOutputs);
  await awaitNodeMove(session, context.identity);
  const owner = await findOwner(context, olds.__at.cluster, olds.ownerVmid);
  refuseRetired(context.identity, owner);
  await undoUnfinishedMove(context, owner);
  await detachFromFormer(context, owner);
  const { ref } = await bringToNode(context, await requireOwner(owner.ref));
  await mendFence(context, await requireOwner(ref));
  await growVolume(context, await requireOwner(ref));
  const settled = await requireOwner(ref);
  const { name, description } = context.spec;
  await writeMark(settled, { mark: settled.mark!, text: description, set: { name } }, session.pace);
  await putIntoPool(session, ref, readDiskInputs(newInputs).__pool);
  await destroyExpiredSources(session, context.identity, settled);
  await settleOldCopies(session, context.identity, settled, NEVER_RUNS, (old) => releaseOldCopy(old, session.pace));
  return { outs: await attachAndDescribe(context, settled, olds.lastMove) };
}

/** Fence or protection taken off by hand: its start would make two writers, its destruction takes the disk (live findings 19, 20). */
async function mendFence({ session, spec }: DiskContext, { ref, config }: MarkedGuest): Promise<void> {
  if (isFenced(config)) return;
  if ((await ref.api.qemu.getStatus(ref.node, ref.vmid)).status === "running")
    throw new UserError(
      `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node}, which owns disk ${spec.name}, was started by hand: stop it, then run again.`,
    );
  await fenceOwner(ref, session.pace);
}

export async function findOwner(context: DiskContext, cluster: string, vmid: number): Promise<MarkedGuest> {
  const ref = await context.session.locate(cluster, vmid);
  if (!ref)
    throw new UserError(
      `Disk ${context.spec.name} (owner vm ${vmid}) is no longer on ${cluster}. Run "pulumi refresh" and then "pulumi up".`,
    );
  const owner = await requireOwner(ref);
  if (!sameIdentity(owner.mark!, context.identity))
    throw new UserError(`vm ${vmid} on ${cluster} is not the owner of disk ${context.spec.name} and is not touched. Run "pulumi refresh".`);
  return owner;
}

/** Attached elsewhere than declared: let go there first. */
async function detachFromFormer(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const { session, spec } = context;
  const former = owner.mark?.attachedTo;
  const volid = volidOf(owner);
  if (!former || volid === undefined) return;
  if (spec.attachTo && spec.attachTo.cluster === former.cluster && spec.attachTo.vmid === former.vmid) return;
  const guest = await session.locate(former.cluster, former.vmid);
  if (guest) await detachVolume(guest, volid, session.pace);
  const { attachedTo: _former, ...mark } = owner.mark!;
  await writeMark(owner, { mark }, session.pace);
}

/** Attached, the owner goes where the guest is, unless all nodes reach the volume; else where the plan has said. */
async function bringToNode(context: DiskContext, owner: MarkedGuest): Promise<MarkedGuest> {
  const { session, spec } = context;
  const { cluster } = readDiskInputs(context.inputs).placement;
  const volid = volidOf(owner);
  const node = await wantedNode(context, owner, volid);
  if (node === undefined || node === owner.ref.node || owner.ref.api.clusterId !== cluster) return owner;
  refuseForeignLock(owner.ref, owner.config);
  const used = volid === undefined ? undefined : await describeUser(owner, volid);
  if (used !== undefined)
    throw new UserError(
      `Disk ${spec.name} cannot go from ${cluster}/${owner.ref.node} to ${node}: ${used}. Detach it there, then run again.`,
    );
  return moveToNode(session, owner.ref, node, spec.name);
}

async function wantedNode(
  { session, spec, inputs }: DiskContext,
  owner: MarkedGuest,
  volid: string | undefined,
): Promise<string | undefined> {
  const { placement, migration } = readDiskInputs(inputs);
  if (!spec.attachTo) return migration && placement.node;
  const { cluster, vmid } = spec.attachTo;
  const guest = await session.locate(cluster, vmid);
  if (!guest || volid === undefined || guest.node === owner.ref.node) return undefined;
  return (await isNodeLocal(session, cluster, parseVolid(volid).storage)) ? guest.node : undefined;
}
