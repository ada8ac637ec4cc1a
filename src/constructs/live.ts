/** One look at the clusters before the program is synthesized. */
import type { Federation } from "../config";
import { type ClusterClients, type FederationSnapshot, takeSnapshot, toInventory } from "../inventory";
import { dataDrivesOf } from "../migration";
import type { Inventory, Placement } from "../placement";
import { type GuestRow, parseVolid } from "../proxmox";
import { isTerraformTag } from "./identity";

export interface LiveLook {
  inventory: Inventory;
  /** Where VMs of Terraform programs are, by tag. Two places: a move that did not end. */
  homes: ReadonlyMap<string, Placement[]>;
  /** Clusters that should have answered and did not, with the reason. */
  unseen: string[];
}

export async function lookAtClusters(federation: Federation, clients: ClusterClients, instantMs: number): Promise<LiveLook> {
  const snapshot = await takeSnapshot(federation, clients);
  return {
    inventory: toInventory(snapshot, (_cluster, guest) => tagOf(guest), instantMs),
    homes: await findHomes(snapshot, clients),
    unseen: [...snapshot.clusters.values()].flatMap((entry) =>
      entry.reachable || entry.cluster.status === "lost" || entry.cluster.connection === undefined
        ? []
        : [`${entry.cluster.id} (${entry.reason})`],
    ),
  };
}

async function findHomes(snapshot: FederationSnapshot, clients: ClusterClients): Promise<Map<string, Placement[]>> {
  const homes = new Map<string, Placement[]>();
  for (const entry of snapshot.clusters.values()) {
    if (!entry.reachable) continue;
    const api = await clients.get(entry.cluster);
    for (const guest of entry.guests) {
      const tag = tagOf(guest);
      if (tag === undefined || guest.guestType !== "qemu" || guest.template) continue;
      const config = await api.qemu.findConfig(guest.node, guest.vmid);
      // Absent: it has gone since the list was made.
      if (!config) continue;
      const storages = storagesOf(dataDrivesOf(config));
      homes.set(tag, [...(homes.get(tag) ?? []), { cluster: entry.cluster.id, node: guest.node, storages }]);
    }
  }
  return homes;
}

/** Of `scsi0` and the slots that follow without a gap: those that a program declares. */
function storagesOf(drives: ReturnType<typeof dataDrivesOf>): string[] {
  const storages: string[] = [];
  for (;;) {
    const drive = drives.find(({ slot }) => slot === `scsi${storages.length}`);
    if (!drive) return storages;
    storages.push(parseVolid(drive.volid).storage);
  }
}

function tagOf(guest: GuestRow): string | undefined {
  return guest.tags.find(isTerraformTag);
}
