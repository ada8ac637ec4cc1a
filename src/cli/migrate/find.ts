/** Which guest `vm-100` means. Pure. */
import type { GuestRow } from "../../proxmox";
import { UsageError } from "../failure";

/** A vmid, `vm-` and a vmid, or a name. @throws UsageError when none or several fit */
export function findGuestRow(text: string, cluster: string, guests: readonly GuestRow[]): GuestRow {
  const vmid = Number(/^(?:vm-)?(\d+)$/i.exec(text)?.[1]);
  const found = guests.filter((guest) => guest.vmid === vmid || guest.name === text);
  if (found.length > 1) {
    const each = found.map((guest) => `vm ${guest.vmid} (${guest.name ?? "without a name"}, on ${guest.node})`).join(" and ");
    throw new UsageError(`${text} may mean ${each} of ${cluster}: give the vmid of the one that is meant.`);
  }
  const [guest] = found;
  if (guest === undefined) throw new UsageError(`there is no guest ${text} on ${cluster} that the credentials may see.`);
  if (guest.guestType !== "qemu") throw new UsageError(`${text} on ${cluster} is a container: only VMs can be moved between clusters.`);
  return guest;
}
