/** Nodes: list, status, version, network. */
import { node } from "../fields";
import type { Call, Route } from "../kernel";
import type { Era, NodeState } from "../state";
import { nodeLoad, nodeRow, rootDiskBytes, rootUsedBytes, uptimeSeconds } from "./resource-rows";

/** Commit ids of the builds are the simulator's own. */
const versions: Record<Era, { version: string; release: string; repoid: string }> = {
  "8.4": { version: "8.4.21", release: "8.4", repoid: "51e0000000000084" },
  "9.2": { version: "9.2.11", release: "9.2", repoid: "51e0000000000092" },
};

const networkTypes = [
  "bridge",
  "bond",
  "eth",
  "alias",
  "vlan",
  "OVSBridge",
  "OVSBond",
  "OVSPort",
  "OVSIntPort",
  "vnet",
  "any_bridge",
  "any_local_bridge",
];
const networkTypesByEra: Record<Era, readonly string[]> = { "8.4": networkTypes, "9.2": [...networkTypes, "fabric", "include_sdn"] };

function getNode(call: Call): NodeState {
  // The call came this far, so the node exists.
  return call.cluster.nodes[call.localNode]!;
}

function listNodes(call: Call): unknown {
  return Object.values(call.cluster.nodes).map((state) => ({ ...nodeRow(call, state), ssl_fingerprint: call.cluster.fingerprint ?? "" }));
}

function getStatus(call: Call): unknown {
  const state = getNode(call);
  const { cluster } = call;
  const load = nodeLoad(cluster, state);
  const { version, repoid } = versions[cluster.era];
  const freeBytes = state.memoryBytes - load.memoryBytes;
  const loadAverage = (load.cpu * state.cores).toFixed(2);
  const kernel = { sysname: "Linux", machine: "x86_64", release: "6.14.0-simulated", version: "#1 SMP PREEMPT_DYNAMIC" };
  return {
    uptime: uptimeSeconds(call, state),
    cpu: load.cpu,
    wait: 0,
    idle: 0,
    loadavg: [loadAverage, loadAverage, loadAverage],
    cpuinfo: {
      cpus: state.cores,
      cores: state.cores,
      sockets: 1,
      model: "Simulated CPU",
      vendor: "GenuineIntel",
      family: "6",
      mhz: "2500.000",
      hvm: "1",
      user_hz: 100,
      flags: "",
    },
    memory: {
      total: state.memoryBytes,
      used: load.memoryBytes,
      free: freeBytes,
      ...(cluster.era === "9.2" ? { available: freeBytes } : {}),
    },
    swap: { total: 0, used: 0, free: 0 },
    rootfs: { total: rootDiskBytes, used: rootUsedBytes, free: rootDiskBytes - rootUsedBytes, avail: rootDiskBytes - rootUsedBytes },
    ksm: { shared: 0 },
    "boot-info": { mode: "efi", secureboot: 0 },
    "current-kernel": kernel,
    kversion: `${kernel.sysname} ${kernel.release} ${kernel.version}`,
    pveversion: `pve-manager/${version}/${repoid}`,
  };
}

function listInterfaces(call: Call): unknown {
  const state = getNode(call);
  const usable = state.bridges.filter((bridge) =>
    ["SDN.Audit", "SDN.Use"].some((privilege) => call.hasPrivilege(`/sdn/zones/localnetwork/${bridge}`, privilege)),
  );
  const common = { families: ["inet"], method6: "manual", active: 1 };
  const rows = [
    { iface: "eth0", type: "eth", method: "manual", priority: 3, ...common },
    ...usable.map((bridge, index) => ({
      iface: bridge,
      type: "bridge",
      method: index === 0 ? "static" : "manual",
      priority: 4 + index,
      autostart: 1,
      bridge_ports: index === 0 ? "eth0" : "",
      bridge_stp: "off",
      bridge_fd: "0",
      ...(index === 0 ? { address: state.ip, netmask: "16", cidr: `${state.ip}/16` } : {}),
      ...common,
    })),
  ];
  const type = call.params.type;
  if (type === undefined || type === "include_sdn") return rows;
  return rows.filter((row) => row.type === type || (String(type).startsWith("any_") && row.type === "bridge"));
}

export function nodeRoutes(era: Era): Route[] {
  const version = () => versions[era];
  return [
    { method: "GET", path: "/version", parameters: {}, handler: version },
    { method: "GET", path: "/nodes", parameters: {}, handler: listNodes },
    {
      method: "GET",
      path: "/nodes/{node}/status",
      permission: (call) => call.requirePrivilege(`/nodes/${call.pathVariables.node}`, ["Sys.Audit"]),
      parameters: { node },
      handler: getStatus,
    },
    { method: "GET", path: "/nodes/{node}/version", parameters: { node }, handler: version },
    {
      method: "GET",
      path: "/nodes/{node}/network",
      parameters: { node, type: { type: "string", enum: networkTypesByEra[era], optional: true } },
      handler: listInterfaces,
    },
    // There are no containers here; clients that manage both kinds ask all the same.
    { method: "GET", path: "/nodes/{node}/lxc", parameters: { node }, handler: () => [] },
  ];
}
