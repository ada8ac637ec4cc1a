/** Taking a PersistentVolume of ours out of Kubernetes; its disk is nobody's business here. */
import { findVolumeMark, sameVolume } from "../../kubernetes";
import { UserError } from "../session";
import type { VolumeContext } from "./context";
import type { Registration } from "./kubernetes";
import { findBoundClaim } from "./usage";
import { waitUntil } from "./waiting";

const DELETE_TIMEOUT_MS = 120_000;

/**
 * With its claim, if we made that; the caller has made sure that nobody uses it.
 * @param mayLinger it need not be gone yet: nobody can attach its disk
 * @throws UserError when somebody else's claim is bound to it
 */
export async function deleteRegistration(context: VolumeContext, own: Registration, mayLinger = false): Promise<void> {
  const { kubernetes, session, spec, identity } = context;
  const claim = await findBoundClaim(kubernetes, own.volume);
  if (claim) {
    const mark = findVolumeMark(claim);
    if (!mark || !sameVolume(mark, identity))
      throw new UserError(
        `Volume ${spec.name} is kept, because claim ${claim.metadata?.namespace}/${claim.metadata?.name}, which this program did not make, is bound to it. Delete that claim, then run again.`,
      );
    await kubernetes.deleteClaim(claim);
  }
  await kubernetes.deleteVolume(own.volume);
  const isGone = async () => (await kubernetes.findVolume(own.name))?.metadata?.uid !== own.volume.metadata?.uid;
  if (await waitUntil(isGone, mayLinger ? 0 : DELETE_TIMEOUT_MS, session.pace)) return;
  if (mayLinger) {
    session.pace.report(`${spec.name}: PersistentVolume ${own.name} goes as soon as Kubernetes lets go of its attachment`);
    return;
  }
  throw new UserError(
    `PersistentVolume ${own.name} of volume ${spec.name} was deleted, but is still there after ${DELETE_TIMEOUT_MS / 1000} s: its claim or an attachment holds it. The disk is kept; look at both, then run again.`,
  );
}
