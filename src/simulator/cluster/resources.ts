/** `/cluster`: status, resources, free ids, datacenter options. */
import { flagOf, parameterError } from "../answers";
import { optional, vmid } from "../fields";
import { ApiError, type Call, type Route } from "../kernel";
import { hasQuorum } from "../quorum";
import type { Era } from "../state";
import { optionRoutes } from "./options";
import { guestRow, nodeRow, storageRows } from "./resource-rows";

/** Default range of free ids: the upper end is not part of it. */
const firstVmid = 100;
const endVmid = 1_000_000;

function getStatus(call: Call): unknown {
  const { cluster } = call;
  const nodes = Object.values(cluster.nodes);
  const rows = nodes.map((node, index) => ({
    id: `node/${node.name}`,
    type: "node",
    name: node.name,
    nodeid: cluster.clusterName === undefined ? 0 : index + 1,
    ip: node.ip,
    level: "",
    local: flagOf(node.name === call.localNode),
    online: flagOf(node.status !== "offline"),
  }));
  if (cluster.clusterName === undefined) return rows;
  const summary = {
    id: "cluster",
    type: "cluster",
    name: cluster.clusterName,
    version: nodes.length,
    nodes: nodes.length,
    quorate: flagOf(hasQuorum(cluster)),
  };
  return [summary, ...rows];
}

function listResources(call: Call): unknown {
  const { cluster } = call;
  const type = call.params.type;
  const wants = (kind: string) => type === undefined || type === kind;
  const pools = Object.keys(cluster.pools)
    .filter((poolid) => call.hasPrivilege(`/pool/${poolid}`, "Pool.Audit"))
    .map((poolid) => ({ id: `/pool/${poolid}`, type: "pool", pool: poolid }));
  const guests = Object.values(cluster.guests).filter((guest) => call.hasPrivilege(`/vms/${guest.vmid}`, "VM.Audit"));
  return [
    // Pools have no type filter of their own.
    ...(type === undefined ? pools : []),
    ...(wants("vm") ? guests.map((guest) => guestRow(call, guest)) : []),
    ...(wants("node") ? Object.values(cluster.nodes).map((node) => ({ ...nodeRow(call, node), "cgroup-mode": 2 })) : []),
    ...(wants("storage") ? storageRows(call) : []),
    ...(wants("sdn") ? zoneRows(call) : []),
  ];
}

/** The zone of plain bridges. 9 lists it as a network, and then not under the filter `sdn`. */
function zoneRows(call: Call): Record<string, unknown>[] {
  const { cluster } = call;
  const zone = "localnetwork";
  if (!["SDN.Audit", "SDN.Use", "SDN.Allocate"].some((privilege) => call.hasPrivilege(`/sdn/zones/${zone}`, privilege))) return [];
  const online = Object.values(cluster.nodes).map((node) => node.name);
  if (cluster.era === "8.4") return online.map((node) => ({ id: `sdn/${node}/${zone}`, type: "sdn", sdn: zone, node, status: "ok" }));
  if (call.params.type !== undefined) return [];
  return online.map((node) => ({
    id: `network/${node}/zone/${zone}`,
    type: "network",
    "network-type": "zone",
    network: zone,
    node,
    status: "ok",
  }));
}

function getNextVmid(call: Call): string {
  const { guests, options } = call.cluster;
  const wanted = call.params.vmid;
  if (wanted !== undefined) {
    if (guests[String(wanted)]) throw parameterError("vmid", `VM ${wanted} already exists`);
    return String(wanted);
  }
  const range = options["next-id"] ?? "";
  const lower = Number(/lower=(\d+)/.exec(range)?.[1] ?? firstVmid);
  const upper = Number(/upper=(\d+)/.exec(range)?.[1] ?? endVmid);
  for (let candidate = lower; candidate < upper; candidate += 1) if (!guests[candidate]) return String(candidate);
  throw new ApiError(500, `unable to get any free VMID in range [${lower}, ${upper}]`);
}

export function clusterRoutes(era: Era): Route[] {
  return [
    {
      method: "GET",
      path: "/cluster/status",
      permission: (call) => call.requirePrivilege("/", ["Sys.Audit"]),
      parameters: {},
      handler: getStatus,
    },
    {
      method: "GET",
      path: "/cluster/resources",
      parameters: { type: { type: "string", enum: ["vm", "storage", "node", "sdn"], optional: true } },
      handler: listResources,
    },
    { method: "GET", path: "/cluster/nextid", parameters: { vmid: optional(vmid) }, handler: getNextVmid },
    ...optionRoutes(era),
  ];
}
