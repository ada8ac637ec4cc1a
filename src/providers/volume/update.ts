/** Changes of a volume in place: growing, a claim that came later, putting right what an interrupted run has left. */
import { formatStorageQuantity, isKubernetesError, type PersistentVolumeClaim, parseStorageQuantity } from "../../kubernetes";
import { attachAndDescribe, diskContext } from "../disk/create";
import { volumeSizeBytes } from "../disk/owner";
import { readDiskInputs, readDiskOutputs } from "../disk/state";
import { updateDisk } from "../disk/update";
import type { Inputs } from "../inputs";
import { type Session, UserError } from "../session";
import { type VolumeContext, volumeContext } from "./context";
import { finishVolume } from "./create";
import { listRegistrations, type Registration } from "./kubernetes";
import { awaitNodeMove, moveToNode } from "./node-move";
import { releaseVolume } from "./release";
import { readVolumeInputs, readVolumeOutputs } from "./state";
import { deleteRegistration } from "./unregister";
import { findBoundClaim, findGuestUse, findKubernetesUse } from "./usage";
import { waitUntil } from "./waiting";

const RESIZE_TIMEOUT_MS = 300_000;

export async function updateVolume(session: Session, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const context = await volumeContext(session, newInputs);
  await awaitNodeMove(session, context.identity);
  const olds = readVolumeOutputs(oldOutputs);
  const news = readVolumeInputs(newInputs);
  const [newest] = await listRegistrations(context.kubernetes, context.identity);
  const { __sizeBytes: wanted } = readDiskInputs(news.__disk);
  if (newest) await growWhileAttached(context, newest, readDiskOutputs(olds.__disk), wanted);
  const { outs: updated } = await updateDisk(session, olds.__disk, news.__disk);
  const disk = await bringToZone(context, newest, updated);
  const outs = await finishVolume(context, disk);
  await unregisterFormer(context, outs);
  await raiseRequest(context, outs);
  return { outs };
}

/** An interrupted move has left the owner on another node, or somebody has moved it. */
async function bringToZone(context: VolumeContext, newest: Registration | undefined, disk: Inputs): Promise<Inputs> {
  const { session, inputs, spec } = context;
  const { placement, __disk } = readVolumeInputs(inputs);
  const { __at, ownerVmid, lastMove } = readDiskOutputs(disk);
  if (placement.zone === undefined || __at.node === placement.zone) return disk;
  if (newest) await releaseVolume(context, newest);
  const ref = { api: await session.client(__at.cluster), node: __at.node, vmid: ownerVmid };
  const owner = await moveToNode(session, ref, placement.zone, spec.name);
  return attachAndDescribe(await diskContext(session, __disk), owner, lastMove);
}

/** Of a move that was given up: the disk is no longer where they say. */
async function unregisterFormer(context: VolumeContext, outs: Inputs): Promise<void> {
  const { persistentVolume } = readVolumeOutputs(outs);
  for (const registration of await listRegistrations(context.kubernetes, context.identity))
    if (registration.name !== persistentVolume) await deleteRegistration(context, registration);
}

/**
 * An attached disk belongs to a running guest, and the CSI plugin's resizer grows disk, PersistentVolume and filesystem in
 * turn when the claim asks for more. A detached one the plugin cannot grow: that is done through its owner.
 */
async function growWhileAttached(
  context: VolumeContext,
  registration: Registration,
  { __at, ownerVmid, volid }: { __at: { cluster: string; node: string }; ownerVmid: number; volid: string },
  wantedBytes: number,
): Promise<void> {
  const { session, spec, kubernetes } = context;
  const found = await session.locate(__at.cluster, ownerVmid);
  if (!found || (await volumeSizeBytes(found, volid)) >= wantedBytes) return;
  const { attachments } = await findKubernetesUse(kubernetes, registration.volume);
  if (attachments.length === 0) {
    const guests = await findGuestUse(found.api, volid, readVolumeInputs(context.inputs).placement.zone);
    if (guests.length === 0) return;
    throw new UserError(
      `Volume ${spec.name} cannot grow now: ${guests.join(", ")} on ${__at.cluster} still has it, though Kubernetes has detached it. Detach it there, then run again.`,
    );
  }
  const claim = await boundClaim(context, registration.name);
  if (!claim)
    throw new UserError(
      `Volume ${spec.name} is attached (${attachments.join(", ")}) without a claim to grow it by. Detach it, then run again.`,
    );
  session.pace.report(`${spec.name}: growing through claim ${claim.metadata?.namespace}/${claim.metadata?.name}`);
  await requestMore(context, claim, wantedBytes);
  const hasGrown = async () => {
    const volume = await kubernetes.findVolume(registration.name);
    const capacity = parseStorageQuantity(volume?.spec?.capacity?.storage ?? "0");
    return capacity >= wantedBytes && (await volumeSizeBytes(found, volid)) >= wantedBytes;
  };
  if (await waitUntil(hasGrown, RESIZE_TIMEOUT_MS, session.pace)) return;
  throw new UserError(
    `Volume ${spec.name} has not grown to ${formatStorageQuantity(wantedBytes)} within ${RESIZE_TIMEOUT_MS / 1000} s: look at the events of claim ${claim.metadata?.namespace}/${claim.metadata?.name} and whether the CSI plugin's resizer runs, then run again.`,
  );
}

/** The object anew: it may have been bound since the first look. */
async function boundClaim({ kubernetes }: VolumeContext, name: string): Promise<PersistentVolumeClaim | undefined> {
  const volume = await kubernetes.findVolume(name);
  return volume && findBoundClaim(kubernetes, volume);
}

async function requestMore({ kubernetes, spec }: VolumeContext, claim: PersistentVolumeClaim, sizeBytes: number): Promise<void> {
  const name = { namespace: claim.metadata?.namespace ?? "", name: claim.metadata?.name ?? "" };
  try {
    await kubernetes.patchClaim(name, { spec: { resources: { requests: { storage: formatStorageQuantity(sizeBytes) } } } });
  } catch (error) {
    if (!isKubernetesError(error, "FORBIDDEN")) throw error;
    throw new UserError(
      `Volume ${spec.name} is attached and its claim ${name.namespace}/${name.name} may not grow (${error.message}). Give its StorageClass allowVolumeExpansion: true, or scale the workload down so that the disk can grow detached.`,
      { cause: error },
    );
  }
}

/** So that the filesystem grows when the claim is mounted next. A class that allows no growth leaves the claim as it is. */
async function raiseRequest(context: VolumeContext, outs: Inputs): Promise<void> {
  const { persistentVolume, sizeBytes } = readVolumeOutputs(outs);
  const claim = await boundClaim(context, persistentVolume);
  const requested = claim?.spec?.resources?.requests?.storage;
  if (!claim || requested === undefined || parseStorageQuantity(requested) >= sizeBytes) return;
  const { storageClassName } = context.spec;
  const growable = storageClassName !== "" && (await context.kubernetes.findStorageClass(storageClassName))?.allowVolumeExpansion === true;
  if (growable) await requestMore(context, claim, sizeBytes);
  else
    context.session.pace.report(
      `${context.spec.name}: its claim keeps asking for ${requested}, because its StorageClass does not allow volumes to grow; grow the filesystem by hand`,
    );
}
