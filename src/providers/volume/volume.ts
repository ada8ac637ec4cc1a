/** Diff, refresh and deletion of a volume. */
import { isKubernetesError } from "../../kubernetes";
import { readMarkedGuest, sameIdentity } from "../../migration";
import { deleteDisk, diffDisk, readDisk } from "../disk/disk";
import { awaitNodeMove } from "../disk/node-move";
import { readDiskInputs, readDiskOutputs } from "../disk/state";
import { hasUnknown, type Inputs, withoutUndefined } from "../inputs";
import { isReturn } from "../return";
import { type Session, UserError } from "../session";
import { giveUp, readInPlace } from "./adoption/in-place";
import { identityOfVolume, specOf, type VolumeContext, volumeContext } from "./context";
import { guestUseOf } from "./guest-use";
import { listRegistrations, type Registration } from "./kubernetes";
import { isLostRegion } from "./lost-region";
import { samePlace } from "./place";
import { describeReplicationDrift, removeReplication } from "./replication";
import { ownsDisk, readVolumeInputs, readVolumeOutputs } from "./state";
import { deleteRegistration } from "./unregister";
import { describeUse, findKubernetesUse } from "./usage";

export function diffVolume(oldOutputs: Inputs, newInputs: Inputs): { changes: boolean; replaces: string[] } {
  if (hasUnknown(newInputs.placement)) return { changes: true, replaces: [] };
  const olds = readVolumeOutputs(oldOutputs);
  const news = readVolumeInputs(newInputs);
  if (olds.__adopted) return { changes: !ownsDisk(newInputs) ? changesInPlace(oldOutputs, newInputs) : true, replaces: [] };
  const { __sizeBytes: sizeBytes } = readDiskInputs(news.__disk);
  const moves = !samePlace(olds.placement, news.placement) || isReturn(readDiskOutputs(olds.__disk), readDiskInputs(news.__disk));
  if (moves) return { changes: true, replaces: ["placement"] };
  // A volume that has grown through its claim is larger than declared, and stays so.
  const grows = sizeBytes > olds.sizeBytes;
  const changes =
    grows ||
    news.recovery !== undefined ||
    olds.drift !== undefined ||
    !sameDeclaration(oldOutputs, newInputs) ||
    diffDisk({ ...olds.__disk, sizeBytes }, news.__disk).changes;
  return { changes, replaces: [] };
}

/** Later operations read the connection from the state: it must not go stale there. */
function sameDeclaration(oldOutputs: Inputs, newInputs: Inputs): boolean {
  const same = (key: string) => JSON.stringify(oldOutputs[key] ?? null) === JSON.stringify(newInputs[key] ?? null);
  return ["description", "claim", "kubernetes"].every(same);
}

/** Of a volume that was taken over and has no owner of ours. */
function changesInPlace(oldOutputs: Inputs, newInputs: Inputs): boolean {
  const olds = readVolumeOutputs(oldOutputs);
  const { adoption, recovery, __adopted } = readVolumeInputs(newInputs);
  const grows = (__adopted?.sizeBytes ?? 0) > olds.sizeBytes;
  const announces = adoption !== undefined && adoption !== olds.__adoption;
  return announces || recovery !== undefined || grows || olds.drift !== undefined || !sameDeclaration(oldOutputs, newInputs);
}

export async function readVolume(session: Session, id: string, props: Inputs): Promise<{ id: string; props: Inputs; inputs?: Inputs }> {
  if (!ownsDisk(props)) return readInPlace(session, id, props);
  const olds = readVolumeOutputs(props);
  const disk = await readDisk(session, id, olds.__disk);
  if (disk.id === "") return { id: "", props: {} };
  const { drift: _before, ...rest } = props;
  const found = readVolumeOutputs({ ...disk.props });
  const misplaced = olds.placement.zone !== undefined && readDiskOutputs(disk.props).__at.node !== olds.placement.zone;
  const drift = [
    ...(misplaced ? [`its disk is on node ${readDiskOutputs(disk.props).__at.node} instead of ${olds.placement.zone}`] : []),
    ...((disk.props.drift as string[] | undefined) ?? []),
    ...(await readReplicationDrift(session, disk.props, props)),
    ...(await readDrift(session, props)),
  ];
  const outputs = withoutUndefined({
    ...rest,
    volid: found.volid,
    sizeBytes: found.sizeBytes,
    __disk: disk.props,
    ...(drift.length > 0 ? { drift } : {}),
  });
  return { id, props: outputs };
}

async function readReplicationDrift(session: Session, disk: Inputs, props: Inputs): Promise<string[]> {
  const { replicate } = specOf(props);
  const { __at, ownerVmid: vmid } = readDiskOutputs(disk);
  // One that was not refreshed keeps what the state says.
  if (!replicate || !(await session.reachable(__at.cluster))) return [];
  return describeReplicationDrift(session, { api: await session.client(__at.cluster), node: __at.node, vmid }, replicate);
}

async function readDrift(session: Session, props: Inputs): Promise<string[]> {
  const { persistentVolume, volumeHandle, __generation } = readVolumeOutputs(props);
  try {
    const context = await volumeContext(session, props);
    const registrations = await listRegistrations(context.kubernetes, context.identity);
    const own = registrations.find(({ mark }) => mark.generation === __generation);
    if (!own) return [`PersistentVolume ${persistentVolume} is gone`];
    const drift: string[] = [];
    if (own.volume.spec?.csi?.volumeHandle !== volumeHandle) drift.push(`PersistentVolume ${own.name} names another disk`);
    if (await lacksClaim(context)) drift.push(`claim ${context.spec.claim?.namespace}/${context.spec.claim?.name} is gone`);
    return drift;
  } catch (error) {
    if (!isKubernetesError(error, "UNREACHABLE")) throw error;
    session.pace.report(`warning: PersistentVolume ${persistentVolume} was not refreshed: ${error.message}`);
    return [];
  }
}

async function lacksClaim({ kubernetes, spec }: VolumeContext): Promise<boolean> {
  return spec.claim?.create === true && (await kubernetes.findClaim(spec.claim)) === undefined;
}

/** The PersistentVolume first: while it stands, the CSI plugin may attach the disk. */
export async function deleteVolume(session: Session, props: Inputs): Promise<void> {
  if (!ownsDisk(props)) return giveUp(session, props);
  const context = await volumeContext(session, props);
  const { __generation, __disk, placement } = readVolumeOutputs(props);
  if (await isLostRegion(session, placement.region)) return leaveInLostRegion(context, __disk, __generation);
  await awaitNodeMove(session, context.identity);
  const registrations = await listRegistrations(context.kubernetes, context.identity);
  const own = registrations.find(({ mark }) => mark.generation === __generation);
  // Of moves in between that were interrupted: no state knows of them. The newest one serves.
  const [, ...between] = registrations.filter(({ mark }) => mark.generation > __generation);
  for (const registration of between) await deleteRegistration(context, registration);
  const diskServes = await servesSuccessor(session, props);
  if (!diskServes) await refuseWhileUsed(context, own);
  if (own) await deleteRegistration(context, own);
  if (diskServes) return;
  // Nothing can attach it any more; what was attached in between still has it.
  await refuseWhileUsed(context, own);
  await removeReplicas(context);
  await deleteDisk(session, __disk);
}

async function removeReplicas({ session, spec, inputs, identity }: VolumeContext): Promise<void> {
  if (!spec.replicate) return;
  const { ownerVmid, placement } = readVolumeOutputs(inputs);
  const found = await session.locate(placement.cluster, ownerVmid);
  const owner = found && (await readMarkedGuest(found));
  if (found && owner?.mark && sameIdentity(owner.mark, identity)) await removeReplication(found, spec.name, session.pace);
}

/** The disk stays where nobody can reach it; Kubernetes forgets it, once something stands in its place. */
async function leaveInLostRegion(context: VolumeContext, disk: Inputs, generation: number): Promise<void> {
  await deleteDisk(context.session, disk);
  for (const registration of await listRegistrations(context.kubernetes, context.identity))
    if (registration.mark.generation <= generation) await deleteRegistration(context, registration, true);
}

/** The same disk serves a later generation of the volume, which has moved to another node or was taken up again. */
async function servesSuccessor(session: Session, props: Inputs): Promise<boolean> {
  const { ownerVmid, placement, __generation } = readVolumeOutputs(props);
  const found = await session.locate(placement.cluster, ownerVmid);
  const owner = found && (await readMarkedGuest(found));
  return (
    owner?.mark !== undefined && sameIdentity(owner.mark, await identityOfVolume(session, props)) && owner.mark.generation > __generation
  );
}

async function refuseWhileUsed(context: VolumeContext, own: Registration | undefined): Promise<void> {
  const { session, spec, kubernetes, inputs } = context;
  const { placement, volid } = readVolumeOutputs(inputs);
  const used = describeUse({
    ...(own ? await findKubernetesUse(kubernetes, own.volume) : {}),
    guests: await (await guestUseOf(session, placement.cluster)).findNow(volid, placement.zone),
  });
  if (used !== undefined)
    throw new UserError(
      `Volume ${spec.name} (${volid} in ${placement.region}) is kept, because it is in use: ${used}. Scale the workload down, wait until it is detached, then run again.`,
    );
}
