/** The live federation as a topology. Pure. */
import { withoutOurTags } from "../migration";
import { cpuCapacityMilli, type GuestFacts, type Inventory, memoryCapacityMiB } from "../placement";
import type { GuestChange, Topology, TopologyGuest } from "./topology";

export function toTopology(federation: string, inventory: Inventory, changes: GuestChange[] = []): Topology {
  const clusters = inventory.clusters.map((cluster) => ({
    id: cluster.id,
    about: [cluster.provider, cluster.location?.name, cluster.tier].filter((word) => word !== undefined),
    status: cluster.status,
    ...(cluster.reachable ? {} : { unreachable: cluster.unreachableReason ?? "it does not answer" }),
    nodes: cluster.nodes.map((node) => ({
      name: node.name,
      online: node.online,
      capacity: {
        cores: cpuCapacityMilli(node, cluster.capacityRules) / 1000,
        memoryMiB: memoryCapacityMiB(node, cluster.capacityRules),
      },
      guests: node.guests.map((guest) => toGuest(cluster.id, guest)),
    })),
  }));
  return { federation, clusters, changes };
}

function toGuest(cluster: string, { key, vmid, name, cores, memoryMiB, tags, pool, running }: GuestFacts): TopologyGuest {
  return {
    id: `${cluster}/${vmid}`,
    vmid,
    name: name ?? `vm ${vmid}`,
    cores,
    memoryMiB,
    // Nobody searches for ours.
    tags: withoutOurTags(tags),
    ...(pool === undefined ? {} : { pool }),
    running,
    ours: key !== undefined,
  };
}
