/** Creating a volume: new, taken up from an interrupted run, or moved here with its data. */
import { parseVolumeHandle, volidOfHandle } from "../../kubernetes";
import { type MarkedGuest, ownerVmidOf, readMarkedGuest } from "../../migration";
import { attachAndDescribe, createDisk, diskContext, requireOwner } from "../disk/create";
import { awaitNodeMove } from "../disk/node-move";
import { readDiskInputs, readDiskOutputs } from "../disk/state";
import type { Inputs } from "../inputs";
import { type Session, UserError } from "../session";
import { findWhereabouts } from "../whereabouts";
import { adoptInPlace } from "./adoption/in-place";
import { findUnfinished, takeOwnership } from "./adoption/own";
import { receiveVolume } from "./adoption/receive";
import { type VolumeContext, volumeContext } from "./context";
import { finishVolume } from "./finish";
import { raiseGeneration } from "./generation";
import { listRegistrations, type Registration, relabel } from "./kubernetes";
import { isInLostRegion } from "./lost-region";
import { clusterOfRegion } from "./place";
import { isAt } from "./plan";
import { findReleaseNote, releaseVolume, restoreUse } from "./release";
import { type AdoptedVolume, ownsDisk, readVolumeInputs } from "./state";
import { moveToZone } from "./zone-move";

export async function createVolume(session: Session, inputs: Inputs): Promise<{ id: string; outs: Inputs }> {
  const { placement, __adopted, __handedOver } = readVolumeInputs(inputs);
  if (__adopted) return adopt(session, inputs, __adopted);
  if (__handedOver !== undefined) return receiveVolume(session, inputs, __handedOver);
  const context = await volumeContext(session, inputs);
  const { kubernetes, identity } = context;
  const registrations = await relabel(kubernetes, identity, await listRegistrations(kubernetes, identity));
  const unfinished = findUnfinished(registrations);
  if (unfinished) return finishOwnership(session, unfinished, inputs);
  const [newest] = registrations;
  // One that fails over comes from a backup, or the disk's own create refuses.
  if (!readDiskInputs(readVolumeInputs(inputs).__disk).__failover) await refuseLostDisk(context, newest);
  await awaitNodeMove(session, context.identity);
  const moves = newest !== undefined && !isAt(newest.volume, placement);
  const disk = await givingBackOnFailure(context, async () => {
    if (moves) await releaseVolume(context, newest);
    return moveOrCreateDisk(context, newest, moves);
  });
  const outs = await finishVolume(context, disk);
  return { id: `${placement.region}/${readDiskOutputs(disk).ownerVmid}`, outs };
}

/** Taken over first and given an owner then: whatever interrupts it, the volume carries its mark. */
async function adopt(session: Session, inputs: Inputs, adopted: AdoptedVolume): Promise<{ id: string; outs: Inputs }> {
  const inPlace = await adoptInPlace(session, inputs);
  if (!ownsDisk(inputs)) return inPlace;
  return { id: inPlace.id, outs: await takeOwnership(session, adopted, inputs) };
}

async function finishOwnership(session: Session, { name, volume }: Registration, inputs: Inputs): Promise<{ id: string; outs: Inputs }> {
  const former = { persistentVolume: name, volumeHandle: volume.spec?.csi?.volumeHandle ?? "" };
  const outs = await takeOwnership(session, former, inputs);
  return { id: `${readVolumeInputs(inputs).placement.region}/${name}`, outs };
}

async function moveOrCreateDisk(context: VolumeContext, newest: Registration | undefined, moves: boolean): Promise<Inputs> {
  const { session, inputs } = context;
  const { placement, __disk } = readVolumeInputs(inputs);
  const { outs } = await createDisk(session, __disk);
  const made = readDiskOutputs(outs);
  const ref = { api: await session.client(made.__at.cluster), node: made.__at.node, vmid: made.ownerVmid };
  const moved = placement.zone === undefined ? await requireOwner(ref) : await moveToZone(context, ref, placement.zone);
  if (newest) requireData(context, newest, { cluster: made.__at.cluster, vmid: made.ownerVmid, arrived: hasArrived(moved) });
  const owner = moves ? await raiseGeneration(session, moved, newest!.mark.generation + 1) : moved;
  return attachAndDescribe(await diskContext(session, __disk), owner, made.lastMove);
}

/** From another disk, by a move or from a backup: one that was made empty tells of neither. */
function hasArrived({ mark }: MarkedGuest): boolean {
  return mark?.source !== undefined || mark?.failover !== undefined;
}

/**
 * A PersistentVolume of ours without its disk: a new disk would be empty, and the CSI plugin would format it under a claim
 * whose data somebody may still want.
 */
async function refuseLostDisk(context: VolumeContext, newest: Registration | undefined): Promise<void> {
  if (!newest) return;
  const { home } = await findWhereabouts(context.session, context.identity);
  if (home) return;
  throw new UserError(
    `The disk of volume ${context.spec.name} (${newest.volume.spec?.csi?.volumeHandle}) was found on no cluster that answers, and an empty one is never put in its place. Bring its cluster or its owner VM back; or, if the data may go, delete PersistentVolume ${newest.name} and its claim, then run again.`,
  );
}

/** The disk is the registered one, or has come from it by a verified move: one that was made empty has no source. */
function requireData(
  { spec }: VolumeContext,
  { volume, name }: Registration,
  owner: { cluster: string; vmid: number; arrived: boolean },
): void {
  const formerVmid = ownerVmidOf(volidOfHandle(parseVolumeHandle(volume.spec?.csi?.volumeHandle ?? "")));
  if (owner.arrived || owner.vmid === formerVmid) return;
  throw new UserError(
    `The disk of volume ${spec.name} (owner vm ${owner.vmid} on ${owner.cluster}) did not come from the one that ${name} names, and is not bound to its claim: it may be empty. Look at both before you delete one by hand.`,
  );
}

/** Whatever fails while the data is still where it was: the workload gets its volume back. */
async function givingBackOnFailure<T>(context: VolumeContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    try {
      await giveBack(context);
    } catch (second) {
      throw new UserError(
        `${messageOf(error)}\nClaim and workload could not be put back either: ${messageOf(second)}\nNothing is lost. Mend the cause and run again.`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** Claim and workload on the former disk again, if that is whole and serves. */
async function giveBack(context: VolumeContext): Promise<void> {
  const noted = (await listRegistrations(context.kubernetes, context.identity)).find(findReleaseNote);
  if (noted && (await serves(context, noted))) await restoreUse(context, noted, noted);
}

/** A source that was not rolled back, or has a successor, must not be written to any more. */
async function serves({ session }: VolumeContext, { volume }: Registration): Promise<boolean> {
  if (await isInLostRegion(session, volume)) return false;
  const handle = parseVolumeHandle(volume.spec?.csi?.volumeHandle ?? "");
  const vmid = ownerVmidOf(volidOfHandle(handle));
  const cluster = clusterOfRegion(await session.federation(), handle.region);
  const found = vmid === undefined ? undefined : await session.locate(cluster, vmid);
  const owner = found && (await readMarkedGuest(found));
  const settled = owner?.mark?.phase === "settled" && owner.mark.move === undefined && owner.config.values.lock === undefined;
  return settled && (handle.zone === undefined || handle.zone === found?.node);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
