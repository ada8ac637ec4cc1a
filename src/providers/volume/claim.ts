/** Making a claim and having it bound to one PersistentVolume and no other. */
import { isKubernetesError, type ObjectName, type PersistentVolume, type PersistentVolumeClaim } from "../../kubernetes";
import { UserError } from "../session";
import type { VolumeContext } from "./context";
import { waitUntil } from "./waiting";

const BIND_TIMEOUT_MS = 120_000;

/** Safe to repeat. @throws UserError when the claim belongs to another volume */
export async function bindClaim(context: VolumeContext, claim: PersistentVolumeClaim, volumeName: string): Promise<void> {
  const { kubernetes, spec } = context;
  const name = { namespace: claim.metadata?.namespace ?? "", name: claim.metadata?.name ?? "" };
  await forgetFormerClaim(context, volumeName, name);
  try {
    await kubernetes.createClaim(claim);
    return;
  } catch (error) {
    if (!isKubernetesError(error, "ALREADY_EXISTS")) throw error;
  }
  const existing = await kubernetes.findClaim(name);
  const bound = existing?.spec?.volumeName ?? "";
  if (bound === volumeName) return;
  if (!existing || bound !== "")
    throw new UserError(
      `Claim ${name.namespace}/${name.name} of volume ${spec.name} is bound to ${bound || "nothing any more"} instead of ${volumeName}: somebody else made it meanwhile. Delete it if nothing needs it, then run again.`,
    );
  // Kubernetes lets the name be filled in once.
  await kubernetes.patchClaim(name, { spec: { volumeName } });
}

/** A PersistentVolume remembers the uid of its claim; one of the same name that was made again would not get it back. */
async function forgetFormerClaim({ kubernetes }: VolumeContext, volumeName: string, claim: ObjectName): Promise<void> {
  const volume = await kubernetes.findVolume(volumeName);
  const reference = volume?.spec?.claimRef;
  if (!volume || (reference && (reference.namespace !== claim.namespace || reference.name !== claim.name)) || isHeld(volume)) return;
  const uid = reference?.uid;
  const present = uid === undefined ? undefined : await kubernetes.findClaim(claim);
  if (reference && (uid === undefined || present?.metadata?.uid === uid)) return;
  await kubernetes.patchVolume(volumeName, {
    spec: {
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", ...claim, uid: null, resourceVersion: null },
    },
  });
}

function isHeld(volume: PersistentVolume): boolean {
  return volume.metadata?.deletionTimestamp !== undefined;
}

export async function waitUntilBound(context: VolumeContext, claim: ObjectName, volumeName: string): Promise<void> {
  const { kubernetes, session, spec } = context;
  const isBound = async () => {
    const found = await kubernetes.findClaim(claim);
    return found?.status?.phase === "Bound" && found.spec?.volumeName === volumeName;
  };
  if (await waitUntil(isBound, BIND_TIMEOUT_MS, session.pace)) return;
  throw new UserError(
    `Claim ${claim.namespace}/${claim.name} of volume ${spec.name} is not bound to ${volumeName} after ${BIND_TIMEOUT_MS / 1000} s. "kubectl describe pvc ${claim.name} -n ${claim.namespace}" says why: its size, access mode or class may not fit the volume. Then run again.`,
  );
}
