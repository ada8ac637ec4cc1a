/** Which existing VMs a FederatedVM can stand for. Pure. */
import { dataDrivesOf } from "../../migration";
import type { GuestConfig } from "../../proxmox";
import { isOwnDiskSlot } from "./shape";

/**
 * What a FederatedVM cannot describe it would lose sight of, or break at the next move.
 *
 * @returns in words with what to do, `it …`; undefined: it can stand for the guest
 */
export function whyNotDescribable(config: GuestConfig): string | undefined {
  if (config.values.bios === "ovmf") return "it boots by UEFI (bios: ovmf), which this version does not manage";
  const slots = dataDrivesOf(config).map(({ slot }) => slot);
  const strange = slots.filter((slot) => !isOwnDiskSlot(slot));
  if (strange.length > 0)
    return `it has disks on ${strange.join(", ")}: move them to scsi0, scsi1, … first (detach, attach as scsi), while it is stopped`;
  const gap = slots.find((slot, index) => slot !== `scsi${index}`);
  return gap === undefined ? undefined : `it has its disks on ${slots.join(", ")}: they must be scsi0, scsi1, … without a gap`;
}
