/** `/cluster/ha` and `/cluster/ha/status`: what the HA manager is doing. */
import { flagOf } from "../answers";
import type { Call, ClusterState, GuestState, Route } from "../kernel";
import { hasQuorum } from "../quorum";
import type { Era, HaService } from "../state";
import { vmidOf } from "./services";

export function haStatusRoutes(era: Era): Route[] {
  const audit = (call: Call) => call.requirePrivilege("/", ["Sys.Audit"]);
  const children = ["status", "resources", "groups", ...(era === "9.2" ? ["rules"] : [])];
  return [
    { method: "GET", path: "/cluster/ha", permission: audit, parameters: {}, handler: () => children.map((id) => ({ id })) },
    {
      method: "GET",
      path: "/cluster/ha/status",
      parameters: {},
      handler: () => ["current", "manager_status"].map((name) => ({ name })),
    },
    { method: "GET", path: "/cluster/ha/status/current", permission: audit, parameters: {}, handler: currentStatus },
    { method: "GET", path: "/cluster/ha/status/manager_status", permission: audit, parameters: {}, handler: managerStatus },
  ];
}

/** The manager has begun: there is, or was, something to look after. */
function isActive({ ha }: ClusterState): boolean {
  return !ha.idle && ha.services !== undefined;
}

function masterOf(cluster: ClusterState): string {
  return Object.values(cluster.nodes).find(({ status }) => status === "online")?.name ?? Object.keys(cluster.nodes)[0]!;
}

function currentStatus(call: Call): unknown {
  const { cluster, localNode } = call;
  const quorate = hasQuorum(cluster);
  const seconds = Math.floor(call.world.clock.nowMs() / 1000);
  const active = isActive(cluster);
  const master = active ? masterOf(cluster) : localNode;
  const time = new Date(seconds * 1000).toUTCString();
  const armed = active ? "armed" : "standby";
  return [
    {
      id: "quorum",
      type: "quorum",
      node: localNode,
      status: quorate ? "OK" : `No quorum on node '${localNode}'!`,
      quorate: flagOf(quorate),
    },
    ...(active ? [{ id: "master", type: "master", node: master, status: `${master} (active, ${time})`, timestamp: seconds }] : []),
    ...(cluster.era === "9.2"
      ? [
          {
            id: "fencing",
            type: "fencing",
            node: master,
            status: `${armed} (CRM watchdog ${active ? "active" : "standby"})`,
            "armed-state": armed,
          },
        ]
      : []),
    ...(active ? Object.keys(cluster.nodes).map((node) => lrmRow(cluster, node, seconds)) : []),
    ...Object.keys(cluster.ha.resources)
      .sort()
      .map((sid) => serviceRow(cluster, sid)),
  ];
}

function lrmRow(cluster: ClusterState, node: string, seconds: number): Record<string, unknown> {
  const busy = Object.values(cluster.ha.services ?? {}).some((service) => service.node === node && service.state !== "stopped");
  const state = cluster.nodes[node]?.status === "offline" ? "old timestamp - dead?" : busy ? "active" : "idle";
  const watchdog = cluster.era === "9.2" ? `, watchdog ${state === "active" ? "active" : "standby"}` : "";
  const status = `${node} (${state}${watchdog}, ${new Date(seconds * 1000).toUTCString()})`;
  return { id: `lrm:${node}`, type: "lrm", node, status, timestamp: seconds };
}

function serviceRow(cluster: ClusterState, sid: string): Record<string, unknown> {
  const resource = cluster.ha.resources[sid]!;
  const service = cluster.ha.idle ? undefined : cluster.ha.services?.[sid];
  const node = service?.node ?? cluster.guests[vmidOf(sid)]?.node;
  const requested = resource.state ?? "started";
  const state = requested === "ignored" ? "ignored" : node === undefined ? "not found" : wordsFor(service, cluster.guests[vmidOf(sid)]);
  return {
    id: `service:${sid}`,
    type: "service",
    sid,
    ...(node === undefined ? {} : { node }),
    ...(service === undefined ? {} : { crm_state: service.state }),
    state,
    status: `${sid} (${node ?? "---"}, ${state})`,
    request_state: requested,
    max_restart: Number(resource.max_restart ?? 1),
    max_relocate: Number(resource.max_relocate ?? 1),
    ...(cluster.era === "9.2" ? { failback: Number(resource.failback ?? 1) } : {}),
    ...(resource.group === undefined ? {} : { group: resource.group }),
    ...(resource.comment === undefined ? {} : { comment: resource.comment }),
  };
}

/** On its way from or to what is asked, a service says so. */
function wordsFor(service: HaService | undefined, guest: GuestState | undefined): string {
  if (service?.state === "started") return guest?.running ? "started" : "starting";
  if (service?.state === "stopped") return guest?.running ? "stopping" : "stopped";
  return service?.state ?? "queued";
}

function managerStatus(call: Call): unknown {
  const { cluster, localNode } = call;
  const quorum = { node: localNode, quorate: hasQuorum(cluster) ? "1" : "" };
  if (!isActive(cluster)) return { manager_status: { node_status: {} }, quorum };
  const seconds = Math.floor(call.world.clock.nowMs() / 1000);
  const nodes = Object.values(cluster.nodes);
  const nodeStatus = Object.fromEntries(nodes.map(({ name, status }) => [name, status === "offline" ? "unknown" : "online"]));
  const services = Object.entries(cluster.ha.services ?? {}).map(([sid, { node, state }]) => [sid, { node, state }]);
  const lrm = nodes.map(({ name }) => [name, { mode: "active", state: "active", timestamp: seconds, results: {} }]);
  return {
    manager_status: {
      master_node: masterOf(cluster),
      timestamp: seconds,
      node_status: nodeStatus,
      service_status: Object.fromEntries(services),
    },
    lrm_status: Object.fromEntries(lrm),
    quorum,
  };
}
