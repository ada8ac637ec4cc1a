/** The last step of every create, move and change: the disk is registered, and what waited for it gets it. */
import { readDiskOutputs } from "../disk/state";
import { type Inputs, withoutUndefined } from "../inputs";
import type { VolumeContext } from "./context";
import { listRegistrations } from "./kubernetes";
import { ensureClaim, ensureRegistration } from "./register";
import { restoreUse } from "./release";
import { ensureReplication } from "./replication";

/** Replicates and registers the disk, puts back what was taken out of use for it, and tells the outputs. */
export async function finishVolume(context: VolumeContext, disk: Inputs): Promise<Inputs> {
  const { volid, sizeBytes, ownerVmid, lastMove, __at, __generation } = readDiskOutputs(disk);
  const { session, spec } = context;
  const owner = { api: await session.client(__at.cluster), node: __at.node, vmid: ownerVmid };
  if (spec.replicate) await ensureReplication(owner, spec.replicate, session.pace);
  const registration = await ensureRegistration(context, disk);
  for (const former of await listRegistrations(context.kubernetes, context.identity)) await restoreUse(context, former, registration);
  await ensureClaim(context, registration, sizeBytes);
  const { recovery: _done, cleanup: _removed, drift: _mended, ...lasting } = context.inputs;
  return withoutUndefined({
    ...lasting,
    persistentVolume: registration.name,
    volumeHandle: registration.volume.spec?.csi?.volumeHandle,
    ownerVmid,
    volid,
    sizeBytes,
    lastMove,
    __disk: disk,
    __generation,
  });
}
