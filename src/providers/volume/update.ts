/** Changes of a volume in place: growing, a claim that came later, putting right what an interrupted run has left. */
import { attachAndDescribe, diskContext } from "../disk/create";
import { awaitNodeMove } from "../disk/node-move";
import { type DiskOutputs, readDiskInputs, readDiskOutputs } from "../disk/state";
import { updateDisk } from "../disk/update";
import type { Inputs } from "../inputs";
import type { Session } from "../session";
import { updateInPlace } from "./adoption/in-place";
import { takeOwnership } from "./adoption/own";
import { type VolumeContext, volumeContext } from "./context";
import { finishVolume } from "./finish";
import { growWhileAttached, raiseRequest } from "./grow";
import { listRegistrations, type Registration } from "./kubernetes";
import { isInLostRegion } from "./lost-region";
import { releaseVolume } from "./release";
import { ownsDisk, readVolumeInputs, readVolumeOutputs } from "./state";
import { deleteRegistration } from "./unregister";
import { moveToZone } from "./zone-move";

export async function updateVolume(session: Session, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const { __adopted: adopted } = readVolumeOutputs(oldOutputs);
  if (!ownsDisk(newInputs)) return updateInPlace(session, newInputs);
  if (adopted) return { outs: await takeOwnership(session, adopted, newInputs) };
  const context = await volumeContext(session, newInputs);
  await awaitNodeMove(session, context.identity);
  const olds = readVolumeOutputs(oldOutputs);
  const news = readVolumeInputs(newInputs);
  const [newest] = await listRegistrations(context.kubernetes, context.identity);
  const { __sizeBytes: wanted } = readDiskInputs(news.__disk);
  if (newest) await growAttached(context, newest, readDiskOutputs(olds.__disk), wanted);
  const { outs: updated } = await updateDisk(session, olds.__disk, news.__disk);
  const disk = await bringToZone(context, newest, updated);
  const outs = await finishVolume(context, disk);
  await unregisterFormer(context, outs);
  await raiseRequest(context, outs);
  return { outs };
}

async function growAttached(
  context: VolumeContext,
  registration: Registration,
  { __at, ownerVmid, volid }: DiskOutputs,
  wantedBytes: number,
): Promise<void> {
  const owner = await context.session.locate(__at.cluster, ownerVmid);
  if (owner) await growWhileAttached(context, registration, { ...owner, volid }, wantedBytes);
}

/** An interrupted move has left the owner on another node, or somebody has moved it. */
async function bringToZone(context: VolumeContext, newest: Registration | undefined, disk: Inputs): Promise<Inputs> {
  const { session, inputs } = context;
  const { placement, __disk } = readVolumeInputs(inputs);
  const { __at, ownerVmid, lastMove } = readDiskOutputs(disk);
  if (placement.zone === undefined || __at.node === placement.zone) return disk;
  if (newest) await releaseVolume(context, newest);
  const ref = { api: await session.client(__at.cluster), node: __at.node, vmid: ownerVmid };
  const owner = await moveToZone(context, ref, placement.zone);
  return attachAndDescribe(await diskContext(session, __disk), owner, lastMove);
}

/** Left in a region that was lost when its volume failed over: its deletion was asked for, and waits for the attachment there. */
async function lingers(session: Session, { volume }: Registration): Promise<boolean> {
  return volume.metadata?.deletionTimestamp !== undefined || isInLostRegion(session, volume);
}

/** Of a move that was given up: the disk is no longer where they say. */
async function unregisterFormer(context: VolumeContext, outs: Inputs): Promise<void> {
  const { persistentVolume } = readVolumeOutputs(outs);
  for (const registration of await listRegistrations(context.kubernetes, context.identity))
    if (registration.name !== persistentVolume)
      await deleteRegistration(context, registration, await lingers(context.session, registration));
}
