/** The live federation for commands that plan: its inventory, and the guests of its pools as placement requests. */
import type { Federation, ResourcePool } from "../../config";
import { type ClusterClients, toInventory } from "../../inventory";
import type { Inventory, PlacementRequest } from "../../placement";
import type { CallOptions, GuestRow, ProxmoxApi } from "../../proxmox";
import { type Asked, askClusters } from "../ask-clusters";
import { type ClusterRows, readVisibleRows, toSnapshot } from "../snapshot";
import { inParallel } from "./in-parallel";
import { keyOfGuest, toLiveRequest } from "./requests";

interface PlannedCluster extends ClusterRows {
  requests: PlacementRequest[];
}

export interface LiveFederation {
  asked: Asked<PlannedCluster>[];
  inventory: Inventory;
  /** Guests in pools of the federation file; all others stay where they are and count as taken. */
  requests: PlacementRequest[];
  /** What the reader has to know about what the plan rests on. */
  notes: string[];
}

/** @param instantMs for which moment is to be decided: which time windows are open then */
export async function readLiveFederation(federation: Federation, clients: ClusterClients, instantMs: number): Promise<LiveFederation> {
  const pools = new Map(federation.resourcePools.map((pool) => [pool.name, pool]));
  const asked = await askClusters(federation.clusters, clients, async (api, cluster, options): Promise<PlannedCluster> => {
    const rows = await readVisibleRows(api, options);
    const movable = rows.guests.flatMap((guest) => {
      const pool = poolOf(guest, pools);
      return pool ? [{ guest, pool }] : [];
    });
    const found = await inParallel(movable, async ({ guest, pool }) => {
      const config = await readConfig(api, guest, options);
      return config ? [toLiveRequest(cluster, guest, config, pool)] : [];
    });
    return { ...rows, requests: found.flat() };
  });
  return {
    asked,
    inventory: toInventory(toSnapshot(federation, asked), keyOfGuest, instantMs),
    requests: asked.flatMap((answer) => (answer.ok ? answer.value.requests : [])),
    notes: asked.flatMap((answer) => (answer.ok ? [] : [`${answer.cluster.id} is left out: ${answer.reason}`])),
  };
}

/** Containers and templates are not moved by us. */
function poolOf(guest: GuestRow, pools: ReadonlyMap<string, ResourcePool>): ResourcePool | undefined {
  return guest.guestType !== "qemu" || guest.template || guest.pool === undefined ? undefined : pools.get(guest.pool);
}

/** Absent when the guest has gone since the list was made. */
function readConfig(api: ProxmoxApi, { node, vmid }: GuestRow, options: CallOptions) {
  return api.qemu.findConfig(node, vmid, options);
}
