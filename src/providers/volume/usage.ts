/** Who uses a volume: pods and attachments in Kubernetes, guests in Proxmox. A disk in use is neither moved nor deleted. */
import type { KubernetesApi, PersistentVolume, PersistentVolumeClaim, Pod, Workload } from "../../kubernetes";
import { type GuestRef, ownerVmidOf } from "../../migration";
import { driveVolid, findDriveSlot, inParallel, isProxmoxError, type ProxmoxApi, parseDrive } from "../../proxmox";

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

/** @param workload whose pods are told apart: they go when it is scaled down */
export async function findKubernetesUse(
  api: KubernetesApi,
  volume: PersistentVolume,
  workload?: Workload,
): Promise<Pick<VolumeUse, "pods" | "ownPods" | "attachments">> {
  const claim = await findBoundClaim(api, volume);
  const pods = claim ? await api.listPods(claim.metadata?.namespace) : [];
  const using = pods.filter((pod) => isAlive(pod) && mounts(pod, claim?.metadata?.name));
  const own = using.filter((pod) => workload !== undefined && belongsTo(pod, workload));
  const attachments = (await api.listVolumeAttachments()).filter(
    (attachment) => attachment.spec.source.persistentVolumeName === volume.metadata?.name,
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

/**
 * Guests, other than the owner, whose configuration names the volume or still lets go of it. By the exact volid: `pvc-1` is
 * no part of `pvc-10`.
 *
 * @param zone the node of a volume that is local to it: on other nodes the same volid is another volume
 */
export async function findGuestUse(api: ProxmoxApi, volid: string, zone?: string): Promise<string[]> {
  const ownerVmid = ownerVmidOf(volid);
  const guests = (await api.listResources())
    .filter((row) => row.kind === "guest")
    .filter(({ guestType, vmid, node }) => guestType === "qemu" && vmid !== ownerVmid && (zone === undefined || node === zone));
  const found = await inParallel(guests, async ({ node, vmid }) => {
    const slot = await findSlot({ api, node, vmid }, volid);
    return slot === undefined ? [] : [`vm ${vmid} (${slot})`];
  });
  return found.flat().sort();
}

/** The configuration shows what is wanted; what a running guest still holds shows among what is pending. */
async function findSlot({ api, node, vmid }: GuestRef, volid: string): Promise<string | undefined> {
  const config = await api.qemu.findConfig(node, vmid);
  if (!config) return undefined;
  const named = Object.entries(config.values).find(([key, value]) => namesVolume(key, value, volid));
  if (named) return named[0];
  // A template never runs, so it holds nothing beyond its configuration; most guests here are owners of disks.
  if (config.values.template === "1") return undefined;
  try {
    const pending = await api.qemu.listPending(node, vmid);
    return pending.find((entry) => entry.value !== undefined && namesVolume(entry.key, entry.value, volid))?.key;
  } catch (error) {
    if (isProxmoxError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

function namesVolume(key: string, value: string, volid: string): boolean {
  return findDriveSlot(key) !== undefined && driveVolid(parseDrive(key, value)) === volid;
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
