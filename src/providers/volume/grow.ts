/** Growing a volume through its claim. */
import { formatStorageQuantity, isKubernetesError, type PersistentVolumeClaim, parseStorageQuantity } from "../../kubernetes";
import type { GuestRef } from "../../migration";
import { volumeSizeBytes } from "../disk/owner";
import type { Inputs } from "../inputs";
import { UserError } from "../session";
import type { VolumeContext } from "./context";
import { guestUseOf } from "./guest-use";
import type { Registration } from "./kubernetes";
import { readVolumeInputs, readVolumeOutputs } from "./state";
import { findBoundClaim, findKubernetesUse } from "./usage";
import { waitUntil } from "./waiting";

const RESIZE_TIMEOUT_MS = 300_000;

/** Where a disk is listed. */
export type DiskPlace = Pick<GuestRef, "api" | "node"> & { volid: string };

/**
 * An attached disk belongs to a running guest, and the CSI plugin's resizer grows disk, PersistentVolume and filesystem in
 * turn when the claim asks for more. A detached one the plugin cannot grow: that is done through its owner.
 */
export async function growWhileAttached(
  context: VolumeContext,
  registration: Registration,
  { volid, ...found }: DiskPlace,
  wantedBytes: number,
): Promise<void> {
  const { session, spec, kubernetes } = context;
  if ((await volumeSizeBytes(found, volid)) >= wantedBytes) return;
  const { attachments } = await findKubernetesUse(kubernetes, registration.volume);
  if (attachments.length === 0) {
    const guests = await (await guestUseOf(session, found.api.clusterId)).find(volid, readVolumeInputs(context.inputs).placement.zone);
    if (guests.length === 0) return;
    throw new UserError(
      `Volume ${spec.name} cannot grow now: ${guests.join(", ")} on ${found.api.clusterId} still has it, though Kubernetes has detached it. Detach it there, then run again.`,
    );
  }
  const claim = await boundClaim(context, registration.name);
  if (!claim)
    throw new UserError(
      `Volume ${spec.name} is attached (${attachments.join(", ")}) without a claim to grow it by. Detach it, then run again.`,
    );
  session.pace.report(`${spec.name}: growing through claim ${claim.metadata?.namespace}/${claim.metadata?.name}`);
  // Somebody may have asked for more than the program: Kubernetes would take a smaller request for a change of mind.
  if (requestedBytes(claim) < wantedBytes) await requestMore(context, claim, wantedBytes);
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

function requestedBytes({ spec }: PersistentVolumeClaim): number {
  return parseStorageQuantity(spec?.resources?.requests?.storage ?? "0");
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
export async function raiseRequest(context: VolumeContext, outs: Inputs): Promise<void> {
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
