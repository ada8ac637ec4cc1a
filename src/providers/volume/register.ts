/** The PersistentVolume of a disk, and its claim. */
import {
  CSI_DRIVER,
  isKubernetesError,
  MARK_ANNOTATION,
  type PersistentVolume,
  parseStorageQuantity,
  parseVolumeHandle,
  toClaim,
  toPersistentVolume,
  VOLUME_LABEL,
  volidOfHandle,
} from "../../kubernetes";
import { identityTag } from "../../migration";
import { readDiskInputs, readDiskOutputs } from "../disk/state";
import type { Inputs } from "../inputs";
import { UserError } from "../session";
import { bindClaim, waitUntilBound } from "./claim";
import type { VolumeContext } from "./context";
import { guestUseOf } from "./guest-use";
import { listRegistrations, markOfVolume, persistentVolumeName, type Registration } from "./kubernetes";
import { handleOf, storageReach } from "./place";
import { readVolumeInputs } from "./state";
import { findKubernetesUse } from "./usage";

/** Makes it, or finds the one that an interrupted run has made. @param disk outputs of the disk */
export async function ensureRegistration(context: VolumeContext, disk: Inputs): Promise<Registration> {
  const { kubernetes, identity } = context;
  const wanted = await persistentVolumeOf(context, disk);
  const mark = markOfVolume(identity, readDiskOutputs(disk).__generation);
  const handle = wanted.spec?.csi?.volumeHandle;
  const registered = await listRegistrations(kubernetes, identity);
  // By its disk, not by its name: a create that is repeated counts one generation more.
  const existing =
    registered.find(({ volume }) => volume.spec?.csi?.volumeHandle === handle)?.volume ?? (await createAlone(context, wanted));
  requireSame(existing, wanted, context);
  const volume = await update(context, existing, wanted);
  return { volume, name: volume.metadata?.name ?? "", mark };
}

async function persistentVolumeOf(context: VolumeContext, disk: Inputs): Promise<PersistentVolume> {
  const { session, spec, identity, inputs } = context;
  const { placement } = readVolumeInputs(inputs);
  const { volid, sizeBytes, __generation: generation } = readDiskOutputs(disk);
  const handle = handleOf(placement, volid);
  const zones = spec.replicate?.zones ?? (await storageReach(session, placement.cluster, handle.storage)).zones;
  return toPersistentVolume({
    name: persistentVolumeName(spec.name, identity, generation),
    handle,
    sizeBytes,
    storageClassName: spec.storageClassName,
    accessMode: spec.accessMode,
    volumeMode: spec.volumeMode,
    fsType: spec.fsType,
    mountOptions: spec.mountOptions,
    attributes: spec.attributes,
    ...(zones ? { reachableZones: zones } : {}),
    ...(spec.replicate ? { replication: spec.replicate } : {}),
    luks: spec.luks,
    claim: spec.claim,
    mark: markOfVolume(identity, generation),
    identityTag: identityTag(identity),
  });
}

/** Two PersistentVolumes of one disk would be mounted at once. */
async function createAlone(context: VolumeContext, wanted: PersistentVolume): Promise<PersistentVolume> {
  const handle = wanted.spec?.csi?.volumeHandle;
  const name = wanted.metadata?.name;
  const rival = (await context.kubernetes.listVolumes()).find(
    ({ metadata, spec }) => metadata?.name !== name && spec?.csi?.driver === CSI_DRIVER && spec.csi.volumeHandle === handle,
  );
  if (rival)
    throw new UserError(
      `PersistentVolume ${rival.metadata?.name} names the disk of volume ${context.spec.name} (${handle}), but does not carry its mark (annotation ${MARK_ANNOTATION}). A second one for the same disk is not made: put the annotation back, or delete that PersistentVolume once nothing uses it (reclaim policy Retain), then run again.`,
    );
  await refuseStrangersUse(context, wanted);
  return createOrFind(context, wanted);
}

/** A disk that is there already, unknown to this Kubernetes cluster, and attached: another cluster's pod writes to it. */
async function refuseStrangersUse({ session, kubernetes, inputs, spec }: VolumeContext, wanted: PersistentVolume): Promise<void> {
  const { placement, __disk } = readVolumeInputs(inputs);
  if (!readDiskInputs(__disk).__live) return;
  const volid = volidOfHandle(parseVolumeHandle(wanted.spec?.csi?.volumeHandle ?? ""));
  const guests = await (await guestUseOf(session, placement.cluster)).find(volid, placement.zone);
  if (guests.length === 0 || (await findKubernetesUse(kubernetes, wanted)).attachments.length > 0) return;
  throw new UserError(
    `Volume ${spec.name} is not registered with Kubernetes (${kubernetes.description}): ${guests.join(", ")} on ${placement.cluster} has its disk ${volid}, and this Kubernetes cluster has neither made it a PersistentVolume nor attached it. If another Kubernetes cluster uses it, name that one; otherwise detach the disk there, then run again.`,
  );
}

async function createOrFind({ kubernetes }: VolumeContext, wanted: PersistentVolume): Promise<PersistentVolume> {
  try {
    return await kubernetes.createVolume(wanted);
  } catch (error) {
    const found = isKubernetesError(error, "ALREADY_EXISTS") ? await kubernetes.findVolume(wanted.metadata?.name ?? "") : undefined;
    if (!found) throw error;
    return found;
  }
}

/** A PersistentVolume that names another disk must never be taken for this one's. */
function requireSame(existing: PersistentVolume, wanted: PersistentVolume, { spec }: VolumeContext): void {
  const [found, handle] = [existing.spec?.csi?.volumeHandle, wanted.spec?.csi?.volumeHandle];
  if (found !== handle)
    throw new UserError(
      `PersistentVolume ${existing.metadata?.name} of volume ${spec.name} names ${found} instead of ${handle}. It is left as it is: look which of the two disks holds the data, delete the PersistentVolume if it is wrong, then run again.`,
    );
  if (existing.metadata?.deletionTimestamp !== undefined)
    throw new UserError(
      `PersistentVolume ${existing.metadata.name} of volume ${spec.name} is being deleted by somebody else. Delete its claim so that it can go, then run again.`,
    );
}

/** Capacity and generation follow the disk. A label that somebody has taken off is put back: by it the volume is found. */
async function update({ kubernetes }: VolumeContext, existing: PersistentVolume, wanted: PersistentVolume): Promise<PersistentVolume> {
  const capacity = wanted.spec?.capacity?.storage ?? "0";
  const grown = parseStorageQuantity(existing.spec?.capacity?.storage ?? "0") < parseStorageQuantity(capacity);
  const { annotations: { [MARK_ANNOTATION]: mark } = {}, labels: { [VOLUME_LABEL]: tag } = {} } = wanted.metadata ?? {};
  const { annotations, labels } = existing.metadata ?? {};
  if (!grown && annotations?.[MARK_ANNOTATION] === mark && labels?.[VOLUME_LABEL] === tag) return existing;
  return kubernetes.patchVolume(existing.metadata?.name ?? "", {
    metadata: { labels: { [VOLUME_LABEL]: tag }, annotations: { [MARK_ANNOTATION]: mark } },
    ...(grown ? { spec: { capacity: { storage: capacity } } } : {}),
  });
}

/** The declared claim, bound to the PersistentVolume; one that somebody else makes is waited for by nobody. */
export async function ensureClaim(context: VolumeContext, registration: Registration, sizeBytes: number): Promise<void> {
  const { spec } = context;
  const { claim } = spec;
  if (!claim?.create) return;
  const manifest = toClaim({
    ...claim,
    sizeBytes,
    storageClassName: spec.storageClassName,
    accessMode: spec.accessMode,
    volumeMode: spec.volumeMode,
    volumeName: registration.name,
    mark: registration.mark,
  });
  await bindClaim(context, manifest, registration.name);
  await waitUntilBound(context, claim, registration.name);
}
