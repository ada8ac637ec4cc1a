/** The PersistentVolume of a disk, and its claim. */
import {
  isKubernetesError,
  MARK_ANNOTATION,
  type PersistentVolume,
  parseStorageQuantity,
  toClaim,
  toPersistentVolume,
} from "../../kubernetes";
import { identityTag } from "../../migration";
import { readDiskOutputs } from "../disk/state";
import type { Inputs } from "../inputs";
import { UserError } from "../session";
import { bindClaim, waitUntilBound } from "./claim";
import type { VolumeContext } from "./context";
import { listRegistrations, markOfVolume, persistentVolumeName, type Registration } from "./kubernetes";
import { handleOf, storageReach } from "./place";
import { readVolumeInputs } from "./state";

/** Makes it, or finds the one that an interrupted run has made. @param disk outputs of the disk */
export async function ensureRegistration(context: VolumeContext, disk: Inputs): Promise<Registration> {
  const { kubernetes, identity } = context;
  const wanted = await persistentVolumeOf(context, disk);
  const mark = markOfVolume(identity, readDiskOutputs(disk).__generation);
  const handle = wanted.spec?.csi?.volumeHandle;
  const registered = await listRegistrations(kubernetes, identity);
  // By its disk, not by its name: a create that is repeated counts one generation more.
  const existing =
    registered.find(({ volume }) => volume.spec?.csi?.volumeHandle === handle)?.volume ?? (await createOrFind(context, wanted));
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

/** Capacity and generation follow the disk. */
async function update({ kubernetes }: VolumeContext, existing: PersistentVolume, wanted: PersistentVolume): Promise<PersistentVolume> {
  const capacity = wanted.spec?.capacity?.storage ?? "0";
  const grown = parseStorageQuantity(existing.spec?.capacity?.storage ?? "0") < parseStorageQuantity(capacity);
  const mark = wanted.metadata?.annotations?.[MARK_ANNOTATION];
  if (!grown && existing.metadata?.annotations?.[MARK_ANNOTATION] === mark) return existing;
  return kubernetes.patchVolume(existing.metadata?.name ?? "", {
    metadata: { annotations: { [MARK_ANNOTATION]: mark } },
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
