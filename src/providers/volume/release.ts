/**
 * Taking a volume out of use before its disk moves, and giving it back when the move fails. A pod that started meanwhile
 * would write to a disk that is being copied, so the workload is scaled down and the claim is deleted: without it no pod
 * can be scheduled. What is needed to put both back stands on the former PersistentVolume before anything is taken away.
 */
import {
  type ObjectName,
  type PersistentVolume,
  type PersistentVolumeClaim,
  parseVolumeHandle,
  toReboundClaim,
  volidOfHandle,
  type Workload,
} from "../../kubernetes";
import { UserError } from "../session";
import { bindClaim, waitUntilBound } from "./claim";
import type { VolumeContext } from "./context";
import { guestUseOf } from "./guest-use";
import type { Registration } from "./kubernetes";
import { isLostRegion, listDeadNodes } from "./lost-region";
import { clusterOfRegion } from "./place";
import { describeUse, findBoundClaim, findKubernetesUse, type VolumeUse } from "./usage";
import { waitUntil } from "./waiting";

const RELEASE_ANNOTATION = "proxmox-federation/release";
const CLAIM_TIMEOUT_MS = 120_000;

/** What was taken out of use. */
export interface ReleaseNote {
  workload?: Workload & { replicas: number };
  /** The claim as it is to be made again. */
  claim?: PersistentVolumeClaim;
}

export function hasReleaseNote({ metadata }: PersistentVolume): boolean {
  return metadata?.annotations?.[RELEASE_ANNOTATION] !== undefined;
}

export function findReleaseNote({ volume }: Registration): ReleaseNote | undefined {
  const text = volume.metadata?.annotations?.[RELEASE_ANNOTATION];
  return text === undefined ? undefined : (JSON.parse(text) as ReleaseNote);
}

async function writeNote(context: VolumeContext, former: Registration, note: ReleaseNote | undefined): Promise<Registration> {
  const text = note === undefined ? null : JSON.stringify(note);
  const volume = await context.kubernetes.patchVolume(former.name, { metadata: { annotations: { [RELEASE_ANNOTATION]: text } } });
  return { ...former, volume };
}

/** Who uses the volume now, in Kubernetes and in Proxmox. */
export async function findUse(context: VolumeContext, { volume }: Registration): Promise<VolumeUse> {
  const { session, spec, kubernetes } = context;
  const handle = parseVolumeHandle(volume.spec?.csi?.volumeHandle ?? "");
  if (await isLostRegion(session, handle.region)) {
    const deadNodes = await listDeadNodes(kubernetes, handle.region);
    return { ...(await findKubernetesUse(kubernetes, volume, spec.quiesce, deadNodes)), guests: [] };
  }
  const cluster = clusterOfRegion(await session.federation(), handle.region);
  return {
    ...(await findKubernetesUse(kubernetes, volume, spec.quiesce)),
    guests: await (await guestUseOf(session, cluster)).find(volidOfHandle(handle), handle.zone),
  };
}

/** @throws UserError with the names of whoever uses it */
async function refuseUse(context: VolumeContext, registration: Registration): Promise<void> {
  const use = describeUse(await findUse(context, registration));
  if (use !== undefined)
    throw new UserError(
      `Volume ${context.spec.name} (${registration.name}) is in use: ${use}. Scale the workload down and run again, or name it as quiesce.`,
    );
}

/**
 * Safe to repeat.
 * @returns the former PersistentVolume with the note of what was taken away
 * @throws UserError with the names of whoever uses it
 */
export async function releaseVolume(context: VolumeContext, former: Registration): Promise<Registration> {
  let noted = await scaleDown(context, former);
  await waitUntilUnused(context, noted);
  const claim = await findBoundClaim(context.kubernetes, noted.volume);
  if (claim) {
    await refuseRecreation(context, claim);
    noted = await writeNote(context, noted, { ...findReleaseNote(noted), claim: toReboundClaim(claim, noted.name) });
    await deleteClaim(context, claim);
  }
  // A pod may have come in between the look and the deletion; from here on none can.
  await waitUntilUnused(context, noted);
  return noted;
}

/** The claim again, bound to that PersistentVolume, and the workload as it was. Safe to repeat. */
export async function restoreUse(context: VolumeContext, former: Registration, to: { name: string }): Promise<void> {
  const { kubernetes, session } = context;
  const note = findReleaseNote(former);
  if (!note) return;
  if (note.claim) {
    const claim = toReboundClaim(note.claim, to.name);
    await bindClaim(context, claim, to.name);
    await waitUntilBound(context, nameOf(claim), to.name);
  }
  if (note.workload) {
    const { replicas, ...workload } = note.workload;
    session.pace.report(`${context.spec.name}: scaling ${describeWorkload(workload)} to ${replicas}`);
    await kubernetes.scale(workload, replicas);
  }
  await writeNote(context, former, undefined);
}

async function scaleDown(context: VolumeContext, former: Registration): Promise<Registration> {
  const { spec, kubernetes, session } = context;
  if (!spec.quiesce) return former;
  const { timeoutSeconds: _timeout, ...workload } = spec.quiesce;
  let noted = former;
  const note = findReleaseNote(former);
  if (!note?.workload) {
    const replicas = await kubernetes.findReplicas(workload);
    if (replicas === undefined)
      throw new UserError(
        `${describeWorkload(workload)}, which volume ${spec.name} names as quiesce, is not in the Kubernetes cluster (${kubernetes.description}).`,
      );
    if (replicas === 0) return former;
    noted = await writeNote(context, former, { ...note, workload: { ...workload, replicas } });
  }
  session.pace.report(`${spec.name}: scaling ${describeWorkload(workload)} down`);
  await kubernetes.scale(workload, 0);
  return noted;
}

async function waitUntilUnused(context: VolumeContext, former: Registration): Promise<void> {
  const { spec, session } = context;
  if (!spec.quiesce) return refuseUse(context, former);
  let use: string | undefined;
  const isUnused = async () => {
    use = describeUse(await findUse(context, former));
    return use === undefined;
  };
  if (await waitUntil(isUnused, spec.quiesce.timeoutSeconds * 1000, session.pace)) return;
  throw new UserError(
    `Volume ${spec.name} (${former.name}) is still in use ${spec.quiesce.timeoutSeconds} s after ${describeWorkload(spec.quiesce)} was scaled down: ${use}.`,
  );
}

/**
 * A StatefulSet that wants the pod of this claim makes the claim again as soon as it is gone, and its StorageClass would
 * provision a new, empty volume for it.
 */
async function refuseRecreation({ kubernetes, spec }: VolumeContext, claim: PersistentVolumeClaim): Promise<void> {
  const { namespace, name } = nameOf(claim);
  for (const set of await kubernetes.listStatefulSets(namespace)) {
    const replicas = set.spec?.replicas ?? 1;
    const first = set.spec?.ordinals?.start ?? 0;
    for (const template of set.spec?.volumeClaimTemplates ?? []) {
      const prefix = `${template.metadata?.name}-${set.metadata?.name}-`;
      const ordinal = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
      if (Number.isInteger(ordinal) && ordinal >= first && ordinal < first + replicas)
        throw new UserError(
          `Volume ${spec.name} cannot be moved: StatefulSet ${namespace}/${set.metadata?.name} wants pod ${ordinal} and would make claim ${name} again, empty. Scale it down and run again, or name it as quiesce.`,
        );
    }
  }
}

async function deleteClaim({ kubernetes, session, spec }: VolumeContext, claim: PersistentVolumeClaim): Promise<void> {
  const name = nameOf(claim);
  await kubernetes.deleteClaim(claim);
  const isGone = async () => {
    const found = await kubernetes.findClaim(name);
    return found === undefined || found.metadata?.uid !== claim.metadata?.uid;
  };
  if (await waitUntil(isGone, CLAIM_TIMEOUT_MS, session.pace)) return;
  throw new UserError(
    `Claim ${name.namespace}/${name.name} of volume ${spec.name} was deleted, but is still there after ${CLAIM_TIMEOUT_MS / 1000} s: a pod holds it, or the controller manager does not run. Nothing was moved; mend that and run again.`,
  );
}

function nameOf({ metadata }: PersistentVolumeClaim): ObjectName {
  return { namespace: metadata?.namespace ?? "", name: metadata?.name ?? "" };
}

function describeWorkload({ kind, namespace, name }: Workload): string {
  return `${kind} ${namespace}/${name}`;
}
