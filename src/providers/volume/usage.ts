/** Who uses a volume: pods and attachments in Kubernetes, guests in Proxmox. A disk in use is neither moved nor deleted. */
import type { KubernetesApi, PersistentVolume, PersistentVolumeClaim, Pod, Workload } from "../../kubernetes";

export interface VolumeUse {
  /** `namespace/name` of pods whose claim is bound to it. */
  pods: string[];
  /** Of those, the ones that belong to the workload in question. */
  ownPods: string[];
  /** `name (on node)` */
  attachments: string[];
  /** `vm 101 (scsi1)` */
  guests: string[];
}

/**
 * @param workload whose pods are told apart: they go when it is scaled down
 * @param deadNodes whose attachments do not count: they stay on record, since nobody can detach anything there
 */
export async function findKubernetesUse(
  api: KubernetesApi,
  volume: PersistentVolume,
  workload?: Workload,
  deadNodes: ReadonlySet<string> = new Set(),
): Promise<Pick<VolumeUse, "pods" | "ownPods" | "attachments">> {
  const claim = await findBoundClaim(api, volume);
  const pods = claim ? await api.listPods(claim.metadata?.namespace) : [];
  const using = pods.filter((pod) => isAlive(pod) && mounts(pod, claim?.metadata?.name));
  const own = using.filter((pod) => workload !== undefined && belongsTo(pod, workload));
  const attachments = (await api.listVolumeAttachments()).filter(
    ({ spec }) => spec.source.persistentVolumeName === volume.metadata?.name && !deadNodes.has(spec.nodeName),
  );
  return {
    pods: using.map(nameOf),
    ownPods: own.map(nameOf),
    attachments: attachments.map((attachment) => `${attachment.metadata?.name} (on ${attachment.spec.nodeName})`),
  };
}

/** The claim it is bound to. A released volume still names its former claim, which may be bound to another one by now. */
export async function findBoundClaim(api: KubernetesApi, { metadata, spec }: PersistentVolume): Promise<PersistentVolumeClaim | undefined> {
  const { namespace, name } = spec?.claimRef ?? {};
  if (namespace === undefined || name === undefined) return undefined;
  const claim = await api.findClaim({ namespace, name });
  return claim?.spec?.volumeName === metadata?.name ? claim : undefined;
}

/** A finished pod holds nothing. */
function isAlive(pod: Pod): boolean {
  return pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed";
}

function mounts(pod: Pod, claim: string | undefined): boolean {
  return pod.spec?.volumes?.some((volume) => volume.persistentVolumeClaim?.claimName === claim) ?? false;
}

function nameOf(pod: Pod): string {
  return `${pod.metadata?.namespace}/${pod.metadata?.name}`;
}

function belongsTo(pod: Pod, { kind, namespace, name }: Workload): boolean {
  if (pod.metadata?.namespace !== namespace) return false;
  return (pod.metadata.ownerReferences ?? []).some((owner) =>
    // A Deployment's pods belong to one of its ReplicaSets, `<deployment>-<hash>`.
    kind === "StatefulSet"
      ? owner.kind === kind && owner.name === name
      : owner.kind === "ReplicaSet" && owner.name.replace(/-[a-z0-9]+$/, "") === name,
  );
}

/** @returns undefined when nobody uses it */
export function describeUse(use: Partial<VolumeUse>): string | undefined {
  const parts = [
    use.pods?.length ? `pods ${use.pods.join(", ")}` : "",
    use.attachments?.length ? `attachments ${use.attachments.join(", ")}` : "",
    use.guests?.length ? `guests ${use.guests.join(", ")}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? undefined : parts.join("; ");
}
