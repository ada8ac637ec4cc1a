/** Which guests a drill restores, and where to. */
import type { Cluster, Federation, ResourcePool } from "../../config";
import { storagesWithArchivesOf } from "../../migration/failover";
import type { CallOptions, GuestRow, ProxmoxApi } from "../../proxmox";
import type { Asked } from "../ask-clusters";
import { UsageError } from "../failure";
import type { ClusterRows } from "../snapshot";

export interface Chosen {
  cluster: Cluster;
  row: GuestRow;
  pool?: ResourcePool;
}

/** Guests of ours in the pool, or of that name or vmid. Pure. */
export function chooseGuests(
  federation: Federation,
  asked: readonly Asked<ClusterRows>[],
  wanted: { pool?: string; vm: readonly string[] },
  isOurs: (row: GuestRow) => boolean,
): Chosen[] {
  const pools = new Map(federation.resourcePools.map((pool) => [pool.name, pool]));
  if (wanted.pool !== undefined && !pools.has(wanted.pool))
    throw new UsageError(`there is no pool ${wanted.pool}. The file declares ${[...pools.keys()].join(", ") || "none"}.`);
  const guests = asked.flatMap(({ cluster, ...answer }) => (answer.ok ? answer.value.guests.map((row) => ({ cluster, row })) : []));
  const candidates = guests.filter(({ row }) => row.guestType === "qemu" && !row.template && isOurs(row));
  const missing = wanted.vm.find((text) => !candidates.some(({ row }) => isNamed(row, text)));
  if (missing !== undefined)
    throw new UsageError(`no VM of this federation is named ${missing} or has that vmid on a cluster that answers.`);
  const chosen = candidates.filter(
    ({ row }) =>
      (wanted.pool === undefined || row.pool === wanted.pool) && (wanted.vm.length === 0 || wanted.vm.some((text) => isNamed(row, text))),
  );
  if (chosen.length === 0)
    throw new UsageError("no VM of this federation was chosen: its pool holds none, or none of those named is in it.");
  return chosen.map(({ cluster, row }) => {
    const pool = row.pool === undefined ? undefined : pools.get(row.pool);
    return { cluster, row, ...(pool ? { pool } : {}) };
  });
}

/** `web-1`, `100` or `vm-100`. */
function isNamed(row: GuestRow, text: string): boolean {
  return row.name === text || /^(?:vm-)?(\d+)$/.exec(text)?.[1] === String(row.vmid);
}

/** The cluster named, else another member of the pool that sees the backups, else the guest's own. Pure. */
export function chooseTarget(federation: Federation, { cluster, pool }: Chosen, named: string | undefined): Cluster {
  if (named !== undefined) {
    const found = federation.clusters.find(({ id }) => id === named);
    if (!found)
      throw new UsageError(`there is no cluster ${named}. The file declares ${federation.clusters.map(({ id }) => id).join(", ")}.`);
    return found;
  }
  const order = [...federation.failoverPriority, ...(pool?.clusters ?? [])];
  const other = order.find(
    (id) =>
      id !== cluster.id &&
      pool?.clusters.includes(id) &&
      federation.clusters.some((candidate) => candidate.id === id && candidate.status !== "lost") &&
      storagesWithArchivesOf(federation.backupStores, cluster.id, id).length > 0,
  );
  return federation.clusters.find(({ id }) => id === other) ?? cluster;
}

/**
 * The node with the most free memory that has the isolated bridge.
 * @throws Error when there is none, or the bridge leads out of its node
 */
export async function chooseNode(
  api: ProxmoxApi,
  rows: ClusterRows,
  target: Cluster,
  bridge: string,
  options: CallOptions,
): Promise<string> {
  const used = Object.entries(target.network.networks).find(([, network]) => network.bridge === bridge);
  if (used || target.network.bridges.includes(bridge))
    throw new UsageError(
      `bridge ${bridge} is one that VMs of ${target.id} use (${used ? `network ${used[0]}` : "network.bridges"}): a restored copy would answer beside the original. Name one without a way out.`,
    );
  const online = rows.nodes.filter(({ status }) => status === "online");
  const free = (node: (typeof online)[number]) => (node.maxMemoryBytes ?? 0) - (node.memoryBytes ?? 0);
  for (const { node } of [...online].sort((a, b) => free(b) - free(a))) {
    if (!(await api.listBridges(node, options)).includes(bridge)) continue;
    const wayOut = await findWayOut(api, node, bridge, options);
    if (wayOut !== undefined)
      throw new UsageError(
        `bridge ${bridge} of ${target.id}/${node} ${wayOut}: a restored copy would reach the network. Name a bridge of the node without ports.`,
      );
    return node;
  }
  throw new UsageError(`no online node of ${target.id} has a bridge ${bridge}: make one without ports, or name another.`);
}

/** Where a bridge leads out of its node, as far as the node tells. */
async function findWayOut(api: ProxmoxApi, node: string, bridge: string, options: CallOptions): Promise<string | undefined> {
  const found = await api.request<unknown>("GET", `/nodes/${encodeURIComponent(node)}/network`, { type: "any_bridge" }, options);
  const rows = Array.isArray(found) ? (found as Record<string, unknown>[]) : [];
  const row = rows.find(({ iface }) => iface === bridge);
  // It has no ports in this list: its zone makes them.
  if (row?.type === "vnet") return "is a network of SDN, whose zone may lead to other nodes";
  const ports = [row?.bridge_ports, row?.ovs_ports].flatMap((text) =>
    typeof text === "string" && text.trim() !== "" ? [text.trim()] : [],
  );
  return ports.length === 0 ? undefined : `has ports (${ports.join(" ")})`;
}
