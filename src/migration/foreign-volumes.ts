/**
 * Who owns a volume is told by the vmid in its name alone. Where two clusters keep images on one storage, a restore finds disks that
 * the other cluster has under the same vmid: Proxmox's rescan makes them unused disks of the restored guest, and they are destroyed
 * with it. So nothing is restored under a vmid whose name stands on volumes that no task of ours has made.
 */
import { ownerVmidOf } from "./drives";
import type { GuestRef } from "./operations";
import { findMadeVolumes } from "./restore-wreck";

/** @throws when volumes of the guest's vmid lie on storages of its node that neither its configuration names nor we have made */
export async function refuseForeignVolumes(guest: GuestRef): Promise<void> {
  const { api, node, vmid } = guest;
  const found = await listVolumesOf(guest);
  if (found.length === 0) return;
  const config = await api.qemu.findConfig(node, vmid);
  const known = new Set([
    ...Object.values(config?.values ?? {}).map((line) => line.split(",")[0]),
    // Of a restore that was killed: it is taken up, or they are taken away.
    ...(await findMadeVolumes(guest)),
  ]);
  const foreign = found.filter((volid) => !known.has(volid));
  if (foreign.length === 0) return;
  throw new Error(
    `Nothing is restored to vm ${vmid} on ${api.clusterId}/${node}: ${foreign.join(", ")} carries its number, and no task of ours has made that. If another cluster uses the same storage, its disks would be destroyed with this VM: give each cluster a storage of its own, and a vmid_range that no other cluster uses. If it is left over, an administrator removes it ("pvesm free ${foreign[0]}" on node ${node}). Then run again.`,
  );
}

async function listVolumesOf({ api, node, vmid }: GuestRef): Promise<string[]> {
  const found: string[] = [];
  for (const row of await api.listResources()) {
    if (row.kind !== "storage" || row.node !== node || row.status !== "available" || !row.content.includes("images")) continue;
    const volumes = await api.storage.listContent(node, row.storage, { content: "images", vmid });
    found.push(...volumes.map(({ volid }) => volid).filter((volid) => ownerVmidOf(volid) === vmid));
  }
  return found;
}
