/**
 * A volume that was taken over as it is. A disk called `vm-9999-…` has no guest that could carry our mark, and Proxmox keeps
 * no notes on a disk image: the mark is on the PersistentVolume alone. So the disk is never destroyed by us, and giving the
 * volume up means taking the mark off.
 */
import {
  findVolumeMark,
  formatVolumeMark,
  isKubernetesError,
  MARK_ANNOTATION,
  type PersistentVolume,
  sameVolume,
  VOLUME_LABEL,
} from "../../../kubernetes";
import { identityTag } from "../../../migration";
import { findListedVolume, volumeSizeBytes } from "../../disk/owner";
import { type Inputs, withoutUndefined } from "../../inputs";
import { type Session, UserError } from "../../session";
import { type VolumeContext, volumeContext } from "../context";
import { type DiskPlace, growWhileAttached } from "../grow";
import { listRegistrations, markOfVolume, type Registration } from "../kubernetes";
import { ensureClaim } from "../register";
import { restoreUse } from "../release";
import { type AdoptedVolume, readVolumeInputs, readVolumeOutputs } from "../state";
import { findBoundClaim } from "../usage";
import { findAdoptee } from "./adoptee";

const GENERATION = 1;

/** Puts the mark on the PersistentVolume and keeps the disk from being deleted with it. Safe to repeat. */
export async function adoptInPlace(session: Session, inputs: Inputs): Promise<{ id: string; outs: Inputs }> {
  const context = await volumeContext(session, inputs);
  const { placement, __adopted } = readVolumeInputs(inputs);
  const { persistentVolume } = __adopted!;
  // Anew: somebody may have taken it, or its disk, since the plan was made.
  await findAdoptee(session, context.kubernetes, { persistentVolume, takeOwnership: false }, context.identity);
  session.pace.report(`${context.spec.name}: taking over PersistentVolume ${persistentVolume}`);
  await writeMark(context, persistentVolume);
  return { id: `${placement.region}/${persistentVolume}`, outs: await describe(context) };
}

async function writeMark({ kubernetes, identity }: VolumeContext, name: string): Promise<PersistentVolume> {
  return kubernetes.patchVolume(name, {
    metadata: {
      labels: { [VOLUME_LABEL]: identityTag(identity) },
      annotations: { [MARK_ANNOTATION]: formatVolumeMark({ ...markOfVolume(identity, GENERATION), adopted: true }) },
    },
    // With `Delete` the plugin would destroy the disk as soon as the claim goes.
    spec: { persistentVolumeReclaimPolicy: "Retain" },
  });
}

/** Growing, a claim that came later, a mark that somebody has taken off. */
export async function updateInPlace(session: Session, newInputs: Inputs): Promise<{ outs: Inputs }> {
  const context = await volumeContext(session, newInputs);
  const adopted = readVolumeInputs(newInputs).__adopted!;
  // Anew: the mark may have been taken off, and the volume given to somebody else since.
  await findAdoptee(session, context.kubernetes, { persistentVolume: adopted.persistentVolume, takeOwnership: false }, context.identity);
  await writeMark(context, adopted.persistentVolume);
  const own = await requireRegistration(context, adopted);
  const disk = await placeOf(session, newInputs);
  if ((await volumeSizeBytes(disk, disk.volid)) < adopted.sizeBytes) await grow(context, own, disk, adopted.sizeBytes);
  // Taken out of use by a run that was to give it an owner, and was interrupted before it had one.
  await restoreUse(context, own, own);
  return { outs: await describe(context) };
}

async function grow(context: VolumeContext, own: Registration, disk: DiskPlace, wantedBytes: number): Promise<void> {
  await growWhileAttached(context, own, disk, wantedBytes);
  if ((await volumeSizeBytes(disk, disk.volid)) >= wantedBytes) return;
  throw new UserError(
    `Volume ${context.spec.name} cannot grow while it is detached: no guest of ours owns its disk ${disk.volid}, by which it could. Start its workload, or set adopt.takeOwnership: true, then run again.`,
  );
}

async function describe(context: VolumeContext): Promise<Inputs> {
  const { session, inputs } = context;
  const adopted = readVolumeInputs(inputs).__adopted!;
  const own = await requireRegistration(context, adopted);
  const disk = await placeOf(session, inputs);
  const sizeBytes = await volumeSizeBytes(disk, disk.volid);
  await ensureClaim(context, own, sizeBytes);
  const { recovery: _done, adoption, drift: _mended, ...lasting } = inputs;
  return withoutUndefined({
    ...lasting,
    persistentVolume: own.name,
    volumeHandle: adopted.volumeHandle,
    volid: adopted.volid,
    sizeBytes,
    // A refresh compares with the inputs of this run: what they announce is done.
    __adoption: adoption,
    __generation: GENERATION,
  });
}

async function placeOf(session: Session, inputs: Inputs): Promise<DiskPlace> {
  const { placement, __adopted } = readVolumeInputs(inputs);
  return { api: await session.client(placement.cluster), node: placement.node, volid: __adopted!.volid };
}

async function findRegistration(context: VolumeContext, { persistentVolume }: AdoptedVolume): Promise<Registration | undefined> {
  return (await listRegistrations(context.kubernetes, context.identity)).find(({ name }) => name === persistentVolume);
}

async function requireRegistration(context: VolumeContext, adopted: AdoptedVolume): Promise<Registration> {
  const own = await findRegistration(context, adopted);
  if (own && own.volume.spec?.csi?.volumeHandle === adopted.volumeHandle) return own;
  throw new UserError(
    `PersistentVolume ${adopted.persistentVolume} of volume ${context.spec.name} ${own ? `names ${own.volume.spec?.csi?.volumeHandle} instead of ${adopted.volumeHandle}` : "no longer carries its mark"}. Run "pulumi refresh", then look what became of it.`,
  );
}

/** A volume whose PersistentVolume is gone leaves the state; its disk stays where it is. */
export async function readInPlace(session: Session, id: string, props: Inputs): Promise<{ id: string; props: Inputs }> {
  const adopted = readVolumeInputs(props).__adopted!;
  const { drift: _before, ...rest } = props;
  try {
    const context = await volumeContext(session, props);
    const volume = await context.kubernetes.findVolume(adopted.persistentVolume);
    if (!volume) return { id: "", props: {} };
    const drift = driftOf(context, volume, adopted);
    const disk = await placeOf(session, props);
    const found = await findListedVolume(session, disk, disk.volid);
    if (!found) drift.push(`its disk ${disk.volid} is not listed on ${disk.api.clusterId}/${disk.node}`);
    const sizeBytes = found?.sizeBytes ?? readVolumeOutputs(props).sizeBytes;
    return { id, props: { ...rest, sizeBytes, ...(drift.length > 0 ? { drift } : {}) } };
  } catch (error) {
    if (!isKubernetesError(error, "UNREACHABLE")) throw error;
    session.pace.report(`warning: PersistentVolume ${adopted.persistentVolume} was not refreshed: ${error.message}`);
    return { id, props };
  }
}

function driftOf({ identity }: VolumeContext, volume: PersistentVolume, { persistentVolume, volumeHandle }: AdoptedVolume): string[] {
  const mark = findVolumeMark(volume);
  return [
    ...(mark && sameVolume(mark, identity) ? [] : [`PersistentVolume ${persistentVolume} does not carry its mark`]),
    ...(volume.spec?.csi?.volumeHandle === volumeHandle ? [] : [`PersistentVolume ${persistentVolume} names another disk`]),
    ...(volume.spec?.persistentVolumeReclaimPolicy === "Retain" ? [] : [`PersistentVolume ${persistentVolume} does not retain its disk`]),
  ];
}

/** Volume, claim and disk stay as they are; who deletes them is no longer this program's business. */
export async function giveUp(session: Session, props: Inputs): Promise<void> {
  const context = await volumeContext(session, props);
  const own = await findRegistration(context, readVolumeInputs(props).__adopted!);
  const [owner] = await session.ownedGuests(context.identity);
  if (owner)
    throw new UserError(
      `Volume ${context.spec.name} was being given an owner (vm ${owner.row.vmid} on ${owner.cluster}) when a run was interrupted. Finish that with "pulumi up" first.`,
    );
  if (!own) return;
  // Taken out of use by a run that was to give it an owner, and was interrupted before it had one.
  await restoreUse(context, own, own);
  const unmarked = { metadata: { labels: { [VOLUME_LABEL]: null }, annotations: { [MARK_ANNOTATION]: null } } };
  const claim = await findBoundClaim(context.kubernetes, own.volume);
  const { namespace = "", name = "" } = claim?.metadata ?? {};
  if (claim && findVolumeMark(claim))
    await context.kubernetes.patchClaim({ namespace, name }, { metadata: { annotations: { [MARK_ANNOTATION]: null } } });
  await context.kubernetes.patchVolume(own.name, unmarked);
  session.pace.report(
    `${context.spec.name}: PersistentVolume ${own.name}, its claim and its disk stay; the reclaim policy is Retain, so that whoever deletes them deletes the disk by hand`,
  );
}
