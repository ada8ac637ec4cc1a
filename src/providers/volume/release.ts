/**
 * Taking a volume out of use before its disk moves, and giving it back when the move fails. A pod that started meanwhile
 * would write to a disk that is being copied, so the workload is scaled down and the claim is deleted: without it no pod
 * can be scheduled. What is needed to put both back stands on the former PersistentVolume before anything is taken away.
 */
import {
  type KubernetesApi,
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
  const volume = await context.kubernetes.patchVolume(former.name, {
    metadata: { annotations: { [RELEASE_ANNOTATION]: text } },
    // Its claim goes next. Somebody may have set `Delete` since it became ours: the plugin would destroy the disk with the claim.
    ...(note === undefined ? {} : { spec: { persistentVolumeReclaimPolicy: "Retain" } }),
  });
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
  const note = findReleaseNote(former);
  if (!note) return;
  if (note.claim) {
    const claim = toReboundClaim(note.claim, to.name);
    await refuseDying(context, nameOf(claim));
    await bindClaim(context, claim, to.name);
    await waitUntilBound(context, nameOf(claim), to.name);
  }
  if (note.workload) await scaleUp(context, note.workload);
  await writeNote(context, former, undefined);
}

/** Its deletion cannot be taken back, and the note is what it is made again from: the note stays until it is gone. */
async function refuseDying({ kubernetes, spec }: VolumeContext, { namespace, name }: ObjectName): Promise<void> {
  const claim = await kubernetes.findClaim({ namespace, name });
  if (claim?.metadata?.deletionTimestamp === undefined) return;
  throw new UserError(
    `Claim ${namespace}/${name} of volume ${spec.name} is being deleted, and a pod still holds it. It is made again once it is gone: stop that pod, then run again.`,
  );
}

/** One that somebody has scaled since, or taken away, is as that somebody wants it. */
async function scaleUp({ kubernetes, session, spec }: VolumeContext, noted: NonNullable<ReleaseNote["workload"]>): Promise<void> {
  const { replicas, ...workload } = noted;
  const found = await kubernetes.findReplicas(workload);
  if (found === undefined) session.pace.report(`${spec.name}: ${describeWorkload(workload)}, which was scaled down for it, is gone`);
  if (found !== 0) return;
  session.pace.report(`${spec.name}: scaling ${describeWorkload(workload)} to ${replicas}`);
  await kubernetes.scale(workload, replicas);
}

async function scaleDown(context: VolumeContext, former: Registration): Promise<Registration> {
  const { spec, kubernetes, session } = context;
  if (!spec.quiesce) return former;
  const { timeoutSeconds: _timeout, ...workload } = spec.quiesce;
  let noted = former;
  let note = findReleaseNote(former);
  if (note?.workload && !sameWorkload(note.workload, workload)) {
    // An interrupted run has scaled another one down, which the program no longer names.
    await scaleUp(context, note.workload);
    note = { ...note, workload: undefined };
  }
  if (!note?.workload) {
    const replicas = await kubernetes.findReplicas(workload);
    if (replicas === undefined)
      throw new UserError(
        `${describeWorkload(workload)}, which volume ${spec.name} names as quiesce, is not in the Kubernetes cluster (${kubernetes.description}).`,
      );
    if (replicas === 0) return note ? writeNote(context, former, note) : former;
    noted = await writeNote(context, former, { ...note, workload: { ...workload, replicas } });
  }
  const refusal = await refuseClaimLoss(kubernetes, workload);
  if (refusal !== undefined) throw new UserError(`Volume ${spec.name} is not taken out of use: ${refusal}.`);
  session.pace.report(`${spec.name}: scaling ${describeWorkload(workload)} down`);
  await kubernetes.scale(workload, 0);
  return noted;
}

/**
 * Scaled down, a StatefulSet of that policy deletes the claims of all its replicas, and with them the disks of other volumes
 * whose reclaim policy is Delete.
 *
 * @returns why it must not be scaled down, in words
 */
export async function refuseClaimLoss(kubernetes: KubernetesApi, workload: Workload): Promise<string | undefined> {
  if (workload.kind !== "StatefulSet") return undefined;
  const set = (await kubernetes.listStatefulSets(workload.namespace)).find(({ metadata }) => metadata?.name === workload.name);
  if (set?.spec?.persistentVolumeClaimRetentionPolicy?.whenScaled !== "Delete") return undefined;
  return `${describeWorkload(workload)}, named as quiesce, deletes the claims of its replicas when it is scaled down (persistentVolumeClaimRetentionPolicy.whenScaled: Delete). Set that to Retain first`;
}

function sameWorkload(a: Workload, b: Workload): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;
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
