/** Changes of a disk in place: growing, attaching elsewhere, undoing an interrupted move. */
import { dataDrivesOf, type GuestRef, type MarkedGuest, planRoute, rollBackMove, runTask, sameIdentity, writeMark } from "../../migration";
import type { Inputs } from "../inputs";
import { type Session, UserError } from "../session";
import { detachVolume } from "./attachment";
import { attachAndDescribe, type DiskContext, diskContext, requireOwner } from "./create";
import { OWNER_SLOT, volumeOf } from "./owner";
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
  return { outs: await attachAndDescribe(context, settled, olds.lastMove) };
}

export async function findOwner(context: DiskContext, cluster: string, vmid: number): Promise<MarkedGuest> {
  const ref = await context.session.locate(cluster, vmid);
  if (!ref) throw new UserError(`Disk ${context.spec.name} (owner vm ${vmid}) is no longer on ${cluster}. Run "pulumi refresh" and then "pulumi up".`);
  const owner = await requireOwner(ref);
  if (!sameIdentity(owner.mark!, context.identity)) throw new UserError(`vm ${vmid} on ${cluster} is not the owner of disk ${context.spec.name} and is not touched. Run "pulumi refresh".`);
  return owner;
}

async function undoUnfinishedMove(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const journal = owner.mark?.move;
  if (!journal || owner.mark?.phase !== "moving") return;
  const { session, identity, inputs } = context;
  const routed = planRoute(await session.federation(), owner.ref.api.clusterId, journal.target.cluster);
  if (!routed.ok) throw new UserError(`The interrupted move of disk ${identity.name} cannot be rolled back: ${routed.reason}.`);
  const targetApi = await session.client(journal.target.cluster);
  const request = { identity, source: owner.ref, targetApi, targetPool: readDiskInputs(inputs).__pool, storage: routed.route.store.writeStorage, restart: false };
  await rollBackMove(request, session.pace);
}

/** Attached elsewhere than declared: let go there first. */
async function detachFromFormer(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const { session, spec } = context;
  const former = owner.mark?.attachedTo;
  const volume = volumeOf(owner);
  if (!former || !volume) return;
  if (spec.attachTo && spec.attachTo.cluster === former.cluster && spec.attachTo.vmid === former.vmid) return;
  const guest = await session.locate(former.cluster, former.vmid);
  if (guest) await detachVolume(guest, volume.volid, session.pace);
  const { attachedTo: _former, ...mark } = owner.mark!;
  await writeMark(owner, { mark }, session.pace);
}

/** Through the guest it is attached to, so that its QEMU knows; otherwise through the owner (live finding 23). */
async function grow(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const { session, inputs } = context;
  const { __sizeBytes: wanted } = readDiskInputs(inputs);
  const volume = volumeOf(owner);
  if (!volume || volume.sizeBytes >= wanted) return;
  const attached = owner.mark?.attachedTo;
  const user = attached && (await session.locate(attached.cluster, attached.vmid));
  if (attached && user) await resize(context, user, attached.slot, wanted);
  // Its own entry still names the old size; Proxmox takes an equal size as done.
  await resize(context, owner.ref, OWNER_SLOT, wanted);
}

async function resize(context: DiskContext, guest: GuestRef, slot: string, sizeBytes: number): Promise<void> {
  const hasSize = async () => {
    const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
    return dataDrivesOf(config).find((drive) => drive.slot === slot)?.sizeBytes === sizeBytes;
  };
  if (await hasSize()) return;
  await runTask(guest, { type: "resize", isDone: hasSize }, context.session.pace, () => guest.api.qemu.resizeDisk(guest.node, guest.vmid, slot, sizeBytes));
}
