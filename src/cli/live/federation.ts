/** The live federation for commands that plan: its inventory, and the guests of its pools as placement requests. */
import type { Federation, ResourcePool } from "../../config";
import { type ClusterClients, toInventory } from "../../inventory";
import type { Inventory, PlacementRequest } from "../../placement";
import { type CallOptions, type GuestRow, inParallel, type ProxmoxApi } from "../../proxmox";
import { type Asked, askClusters } from "../ask-clusters";
import { type ClusterRows, readVisibleRows, toSnapshot } from "../snapshot";
import { keyOfGuest, ownDemands, toLiveRequest } from "./requests";

/** More are counted. */
const NAMED_GUESTS = 5;

interface PlannedCluster extends ClusterRows {
  requests: PlacementRequest[];
  /** Keys of guests whose own demands are not known. */
  unknown: string[];
}

export interface LiveFederation {
  asked: Asked<PlannedCluster>[];
  inventory: Inventory;
  /** Guests in pools of the federation file; all others stay where they are and count as taken. */
  requests: PlacementRequest[];
  /** Keys of those among them whose own program may demand more than is known. */
  unknown: ReadonlySet<string>;
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
      if (!config) return [];
      return [{ request: toLiveRequest(cluster, guest, config, pool), isKnown: ownDemands(guest, config) !== undefined }];
    });
    const live = found.flat();
    return {
      ...rows,
      requests: live.map(({ request }) => request),
      unknown: live.flatMap(({ request, isKnown }) => (isKnown ? [] : [request.key])),
    };
  });
  const requests = asked.flatMap((answer) => (answer.ok ? answer.value.requests : []));
  const unknown = new Set(asked.flatMap((answer) => (answer.ok ? answer.value.unknown : [])));
  return {
    asked,
    inventory: toInventory(toSnapshot(federation, asked), keyOfGuest, instantMs),
    requests,
    unknown,
    notes: [
      ...asked.flatMap((answer) => (answer.ok ? [] : [`${answer.cluster.id} is left out: ${answer.reason}`])),
      ...unknownNotes(requests.filter(({ key }) => unknown.has(key))),
    ],
  };
}

function unknownNotes(guests: readonly PlacementRequest[]): string[] {
  if (guests.length === 0) return [];
  const named = guests.slice(0, NAMED_GUESTS).map(({ name, prior }) => `${name} (${prior?.cluster})`);
  const more = guests.length > NAMED_GUESTS ? [`${guests.length - NAMED_GUESTS} more`] : [];
  return [
    `their own rules are not known: ${[...named, ...more].join(", ")}. Their marks are of an older version, or the rules did not fit: only the pool's rules are applied to them, and rebalance and --make-room leave them alone. The next \`pulumi up\` that changes such a VM writes them`,
  ];
}

/** Containers and templates are not moved by us. */
function poolOf(guest: GuestRow, pools: ReadonlyMap<string, ResourcePool>): ResourcePool | undefined {
  return guest.guestType !== "qemu" || guest.template || guest.pool === undefined ? undefined : pools.get(guest.pool);
}

/** Absent when the guest has gone since the list was made. */
function readConfig(api: ProxmoxApi, { node, vmid }: GuestRow, options: CallOptions) {
  return api.qemu.findConfig(node, vmid, options);
}
