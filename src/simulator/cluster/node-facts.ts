/** Facts about one node: clock, load over time, certificate, disks, names. */
import { flag, node, optional } from "../fields";
import { ApiError, type Call, type Route } from "../kernel";
import { readPoints, timeframes } from "../round-robin";
import type { Era, NodeState } from "../state";
import { traitsOf } from "../volumes/types";
import { rootDiskBytes, rootUsedBytes } from "./resource-rows";

export function nodeFactRoutes(era: Era): Route[] {
  const audit = (call: Call) => call.requirePrivilege(`/nodes/${call.pathVariables.node}`, ["Sys.Audit"]);
  const frames = era === "9.2" ? [...timeframes, "decade"] : timeframes;
  return [
    { method: "GET", path: "/nodes/{node}/time", permission: audit, parameters: { node }, handler: readTime },
    {
      method: "GET",
      path: "/nodes/{node}/rrddata",
      onNode: false,
      permission: audit,
      parameters: { node, timeframe: { type: "string", enum: frames }, cf: optional({ type: "string", enum: ["AVERAGE", "MAX"] }) },
      handler: readLoad,
    },
    { method: "GET", path: "/nodes/{node}/certificates/info", parameters: { node }, handler: readCertificates },
    {
      method: "GET",
      path: "/nodes/{node}/disks/list",
      permission: (call) => {
        if (!call.hasPrivilege("/", "Sys.Audit")) audit(call);
      },
      parameters: {
        node,
        "include-partitions": flag,
        skipsmart: flag,
        type: optional({ type: "string", enum: ["unused", "journal_disks"] }),
      },
      handler: listDisks,
    },
    {
      method: "GET",
      path: "/nodes/{node}/dns",
      permission: audit,
      parameters: { node },
      handler: () => ({ search: "example.test", dns1: "127.0.0.1" }),
    },
    {
      method: "GET",
      path: "/nodes/{node}/config",
      permission: (call) => call.requirePrivilege("/", ["Sys.Audit"]),
      parameters: { node },
      handler: () => ({}),
    },
  ];
}

/** Nodes of the simulator are in UTC. */
function readTime(call: Call): unknown {
  const seconds = Math.floor(call.world.clock.nowMs() / 1000);
  return { time: seconds, localtime: seconds, timezone: "UTC" };
}

function readLoad(call: Call): unknown {
  const { cluster } = call;
  const name = String(call.params.node) === "localhost" ? call.localNode : String(call.params.node);
  const state = cluster.nodes[name];
  if (!state) throw new ApiError(500, `no such cluster node '${name}'`);
  const combine = call.params.cf === "MAX" ? "MAX" : "AVERAGE";
  const window = { nowMs: call.world.clock.nowMs(), timeframe: String(call.params.timeframe), combine } as const;
  return readPoints(cluster.nodeHistory?.[name], window).map(({ timeSeconds, values }) =>
    values ? loadRow(cluster.era, state, { timeSeconds, cpu: values[0]!, memoryBytes: values[1]! }) : { time: timeSeconds },
  );
}

function loadRow(era: Era, state: NodeState, sample: { timeSeconds: number; cpu: number; memoryBytes: number }): Record<string, unknown> {
  const pressures = ["cpusome", "iofull", "iosome", "memoryfull", "memorysome"].map((kind) => [`pressure${kind}`, 0]);
  return {
    time: sample.timeSeconds,
    cpu: sample.cpu,
    maxcpu: state.cores,
    iowait: 0,
    loadavg: sample.cpu * state.cores,
    memtotal: state.memoryBytes,
    memused: sample.memoryBytes,
    netin: 0,
    netout: 0,
    roottotal: rootDiskBytes,
    rootused: rootUsedBytes,
    swaptotal: 0,
    swapused: 0,
    ...(era === "9.2" ? { arcsize: 0, memavailable: state.memoryBytes - sample.memoryBytes, ...Object.fromEntries(pressures) } : {}),
  };
}

function readCertificates(call: Call): unknown {
  const { certificate, fingerprint } = call.cluster;
  if (!certificate) return [];
  return [{ filename: "pve-ssl.pem", fingerprint, ...certificate }];
}

/** One disk for each local storage of the node: what a simulated storage stands on. */
function listDisks(call: Call): unknown {
  if (call.params.type === "unused") return [];
  const { storages } = call.cluster;
  const { backends } = call.world.state;
  const local = Object.values(storages).filter((storage) => !traitsOf(storage).remote && !storage.shared);
  const places = [...new Set(local.map((storage) => storage.backends[call.localNode]).filter((id) => id !== undefined))];
  return places.map((id, index) => {
    const storage = local.find((candidate) => candidate.backends[call.localNode] === id)!;
    return {
      devpath: `/dev/nvme${index}n1`,
      size: backends[id]?.totalBytes ?? 0,
      type: "nvme",
      used: storage.type === "zfspool" ? "ZFS" : storage.type === "dir" ? "mounted" : "LVM",
      gpt: 1,
      mounted: storage.type === "dir" ? 1 : 0,
      health: "PASSED",
      wearout: 100,
      model: "Simulated disk",
      serial: `SIM-${call.localNode}-${index}`,
      vendor: "unknown",
      wwn: "unknown",
      rpm: 0,
      osdid: -1,
      "osdid-list": null,
      by_id_link: `/dev/disk/by-id/nvme-simulated-${call.localNode}-${index}`,
    };
  });
}
