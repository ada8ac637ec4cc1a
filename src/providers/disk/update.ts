/** Changes of a disk in place: growing, attaching elsewhere, undoing an interrupted move. */
import { type MarkedGuest, refuseForeignLock, sameIdentity, writeMark } from "../../migration";
import { parseVolid } from "../../proxmox";
import { settleOldCopies } from "../failover/old-copies";
import type { Inputs } from "../inputs";
import { destroyExpiredSources } from "../predecessors";
import { type Session, UserError } from "../session";
import { detachVolume, findReferences } from "./attachment";
import { attachAndDescribe, type DiskContext, diskContext, requireOwner, undoUnfinishedMove } from "./create";
import { growVolume } from "./grow";
import { awaitNodeMove, isNodeLocal, moveToNode } from "./node-move";
import { volidOf } from "./owner";
import { releaseOldCopy } from "./release";
import { readDiskOutputs } from "./state";

/** An owner is no guest that could be shut down. */
const NEVER_RUNS = { timeoutSeconds: 60, force: false };

export async function updateDisk(session: Session, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const context = await diskContext(session, newInputs);
  const olds = readDiskOutputs(oldOutputs);
  if (context.spec.attachTo) await awaitNodeMove(session, context.identity);
  const owner = await findOwner(context, olds.__at.cluster, olds.ownerVmid);
  await undoUnfinishedMove(context, owner);
  await detachFromFormer(context, owner);
  const { ref } = await bringToGuest(context, await requireOwner(owner.ref));
  await growVolume(context, await requireOwner(ref));
  const settled = await requireOwner(ref);
  await writeMark(settled, { mark: settled.mark!, text: context.spec.description }, session.pace);
  await destroyExpiredSources(session, context.identity, settled);
  await settleOldCopies(session, context.identity, settled, NEVER_RUNS, (old) => releaseOldCopy(old, session.pace));
  return { outs: await attachAndDescribe(context, settled, olds.lastMove) };
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

/** A volume on node-local storage can only be used on its own node: the owner goes where the guest is. */
async function bringToGuest({ session, spec }: DiskContext, owner: MarkedGuest): Promise<MarkedGuest> {
  const volid = volidOf(owner);
  if (!spec.attachTo || volid === undefined) return owner;
  const { cluster, vmid } = spec.attachTo;
  const guest = await session.locate(cluster, vmid);
  if (!guest || guest.node === owner.ref.node || !(await isNodeLocal(session, cluster, parseVolid(volid).storage))) return owner;
  refuseForeignLock(owner.ref, owner.config);
  const [user] = await findReferences(owner.ref.api, volid, owner.ref.vmid);
  if (user)
    throw new UserError(
      `Disk ${spec.name} cannot go from ${cluster}/${owner.ref.node} to ${guest.node}, where vm ${vmid} is: vm ${user.guest.ref.vmid} has it attached as ${user.slot}. Detach it there, then run again.`,
    );
  return moveToNode(session, owner.ref, guest.node, spec.name);
}
