/** Growing a disk to its declared size. */
import { type MarkedGuest, runTask } from "../../migration";
import type { DiskContext } from "./create";
import { OWNER_SLOT, volidOf, volumeSizeBytes } from "./owner";
import { readDiskInputs } from "./state";

/**
 * Through the guest it is attached to, so that its QEMU knows; otherwise through the owner (live finding 23). Safe to repeat.
 * @throws TaskFailedError when the storage refuses it
 */
export async function growVolume({ session, inputs }: DiskContext, owner: MarkedGuest): Promise<void> {
  const { __sizeBytes: wanted } = readDiskInputs(inputs);
  const volid = volidOf(owner);
  if (volid === undefined || (await volumeSizeBytes(owner.ref, volid)) >= wanted) return;
  const attached = owner.mark?.attachedTo;
  const user = attached && (await session.locate(attached.cluster, attached.vmid));
  const through = attached && user ? { guest: user, slot: attached.slot } : { guest: owner.ref, slot: OWNER_SLOT };
  const hasSize = async () => (await volumeSizeBytes(owner.ref, volid)) >= wanted;
  await runTask(through.guest, { type: "resize", isDone: hasSize }, session.pace, () =>
    through.guest.api.qemu.resizeDisk(through.guest.node, through.guest.vmid, through.slot, wanted),
  );
}
