/** Changes of a disk in place: growing, attaching elsewhere, undoing an interrupted move. */
import { type MarkedGuest, rollBackMove, runTask, sameIdentity, writeMark } from "../../migration";
import type { Inputs } from "../inputs";
import { destroyExpiredSources } from "../predecessors";
import { type Session, UserError } from "../session";
import { detachVolume } from "./attachment";
import { attachAndDescribe, type DiskContext, diskContext, requireOwner } from "./create";
import { OWNER_SLOT, volidOf, volumeSizeBytes } from "./owner";
import { readDiskInputs, readDiskOutputs } from "./state";

export async function updateDisk(session: Session, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const context = await diskContext(session, newInputs);
  const olds = readDiskOutputs(oldOutputs);
  const owner = await findOwner(context, olds.__at.cluster, olds.ownerVmid);
  await undoUnfinishedMove(context, owner);
  await detachFromFormer(context, owner);
  await grow(context, await requireOwner(owner.ref));
  const settled = await requireOwner(owner.ref);
  await writeMark(settled, { mark: settled.mark!, text: context.spec.description }, session.pace);
  await destroyExpiredSources(session, context.identity, settled);
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

async function undoUnfinishedMove(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const journal = owner.mark?.move;
  if (!journal || owner.mark?.phase !== "moving") return;
  const { session, identity, inputs } = context;
  const targetApi = await session.client(journal.target.cluster);
  const request = { identity, source: owner.ref, targetApi, targetPool: readDiskInputs(inputs).__pool, restart: false };
  await rollBackMove(request, session.pace);
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

/** Through the guest it is attached to, so that its QEMU knows; otherwise through the owner (live finding 23). */
async function grow(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const { session, inputs } = context;
  const { __sizeBytes: wanted } = readDiskInputs(inputs);
  const volid = volidOf(owner);
  if (volid === undefined || (await volumeSizeBytes(owner.ref, volid)) >= wanted) return;
  const attached = owner.mark?.attachedTo;
  const user = attached && (await session.locate(attached.cluster, attached.vmid));
  const through = attached && user ? { guest: user, slot: attached.slot } : { guest: owner.ref, slot: OWNER_SLOT };
  const hasSize = async () => (await volumeSizeBytes(owner.ref, volid)) >= wanted;
  await runTask(through.guest, { type: "resize", isDone: hasSize }, session.pace, () =>
    through.guest.api.qemu.resizeDisk(through.guest.node, through.guest.vmid, through.slot, wanted),
  );
}
