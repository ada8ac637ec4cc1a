/** A disk whose cluster is lost: its owner VM is restored from a backup, fenced again, and grown to the declared size. */
import { type GuestRef, identityTag } from "../../migration";
import type { GuestBackup } from "../../migration/failover";
import { failOverHere } from "../failover/create";
import type { FailoverPlan } from "../failover/plan";
import { isBehindVolume } from "../volume/disk-inputs";
import type { DiskContext } from "./create";
import { growVolume } from "./grow";
import { fenceOwner } from "./owner";
import { readDiskInputs } from "./state";

export async function failOverDisk(context: DiskContext, plan: FailoverPlan): Promise<GuestRef> {
  const { session, inputs, identity, spec } = context;
  const { placement, __pool: pool } = readDiskInputs(inputs);
  const { guest } = await failOverHere(session, {
    identity,
    name: spec.name,
    plan,
    placement,
    pool,
    storage: placement.storages[0]!,
    text: spec.description,
    tags: [identityTag(identity)],
    onBoot: false,
    running: false,
    adapt: async (owner) => {
      await fenceOwner(owner.ref, session.pace);
      await growVolume(context, owner);
    },
    // An owner never runs.
    start: async () => undefined,
  });
  return guest.ref;
}

/**
 * Nothing freezes a disk while its owner is backed up: what another guest writes meanwhile gets into it in parts (live finding
 * 19). Its mark, which is in the backup, tells whether one had it.
 */
export function doubtBackup({ mark }: GuestBackup): string | undefined {
  const { attachedTo, name } = mark;
  // The CSI plugin attaches without a word to the owner.
  if (isBehindVolume(name)) return "Kubernetes may have had it attached when it was made, and a pod may have been writing to it";
  return (
    attachedTo && `it was attached to vm ${attachedTo.vmid} on ${attachedTo.cluster} when it was made, which may have been writing to it`
  );
}
