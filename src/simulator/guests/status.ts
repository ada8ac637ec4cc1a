/** `/nodes/{node}/qemu/{vmid}/status`: power actions and what a guest is doing. */
import type { Call, GuestState, Route, TaskContext } from "../kernel";
import type { Era } from "../state";
import { fail, failParameter, flagParameter, integerParameter, type Place, placeOf, requireRootFor, textParameter } from "../volumes/calls";
import { nodeRule, optional, optionalFlag, optionalText, storageRule, vmidRule } from "../volumes/rules";
import { parseDiskSize } from "../volumes/sizes";
import { drivesOf, isCdrom, isDisk } from "./drive";
import { machineVersion, qemuVersion } from "./eras";
import { storagePairFormat } from "./formats";
import { findGuest, getGuest, isHaManaged, isTemplate, memoryMebibytes } from "./lookup";
import { isNetKey } from "./net";
import { optionSchemas } from "./option-schemas";
import {
  hibernateGuest,
  isAgentEnabled,
  rebootGuest,
  resetGuest,
  resumeGuest,
  shutdownGuest,
  startGuest,
  stopGuest,
  suspendGuest,
} from "./power";
import { backupSupport, blockStatistics } from "./process-facts";
import { propertyStringFormat } from "./property-string";

const base = "/nodes/{node}/qemu/{vmid}/status";
const atGuest = { node: nodeRule, vmid: vmidRule };
const timeout = { type: "integer", optional: true, minimum: 0 } as const;
const power = (call: Call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.PowerMgmt"]);
const audit = (call: Call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Audit"]);

export function statusRoutes(era: Era): Route[] {
  const migrationOptions = {
    migratedfrom: optional(nodeRule),
    migration_type: { ...optionalText, enum: ["secure", "insecure"] },
    migration_network: optionalText,
    stateuri: { ...optionalText, maxLength: 128 },
    targetstorage: { type: "list", optional: true, format: storagePairFormat } as const,
    ...(era === "9.2" ? { "with-conntrack-state": optionalFlag } : {}),
  };
  return [
    { method: "GET", path: "/nodes/{node}/qemu", parameters: { node: nodeRule, full: optionalFlag }, handler: listGuests },
    { method: "GET", path: `${base}/current`, parameters: atGuest, permission: audit, handler: currentStatus },
    {
      method: "POST",
      path: `${base}/start`,
      parameters: {
        ...atGuest,
        ...migrationOptions,
        skiplock: optionalFlag,
        timeout,
        machine: { ...optionalText, format: propertyStringFormat(optionSchemas.machine, "machine") },
        "force-cpu": optionalText,
        "nets-host-mtu": optionalText,
      },
      permission: power,
      handler: start,
    },
    {
      method: "POST",
      path: `${base}/stop`,
      parameters: {
        ...atGuest,
        skiplock: optionalFlag,
        timeout,
        keepActive: optionalFlag,
        migratedfrom: optional(nodeRule),
        "overrule-shutdown": optionalFlag,
      },
      permission: power,
      handler: stop,
    },
    {
      method: "POST",
      path: `${base}/shutdown`,
      parameters: { ...atGuest, skiplock: optionalFlag, timeout, keepActive: optionalFlag, forceStop: optionalFlag },
      permission: power,
      handler: shutdown,
    },
    { method: "POST", path: `${base}/reboot`, parameters: { ...atGuest, timeout }, permission: power, handler: reboot },
    { method: "POST", path: `${base}/reset`, parameters: { ...atGuest, skiplock: optionalFlag }, permission: power, handler: reset },
    {
      method: "POST",
      path: `${base}/suspend`,
      parameters: {
        ...atGuest,
        skiplock: optionalFlag,
        todisk: optionalFlag,
        statestorage: { ...optional(storageRule), requires: "todisk" },
      },
      permission: power,
      handler: suspend,
    },
    {
      method: "POST",
      path: `${base}/resume`,
      parameters: { ...atGuest, skiplock: optionalFlag, nocheck: optionalFlag },
      permission: power,
      handler: resume,
    },
  ];
}

const vmidOf = (call: Call): number => integerParameter(call, "vmid")!;

function worker(call: Call, type: string, work: (task: TaskContext, place: Place, vmid: number) => Promise<void>): string {
  const place = placeOf(call);
  const vmid = vmidOf(call);
  return call.startTask({ type, id: String(vmid) }, (task) => work(task, place, vmid));
}

/** An HA-managed guest is only asked for; the HA manager acts later. */
function requestHa(call: Call, type: "hastart" | "hastop", state: "started" | "stopped"): string {
  return worker(call, type, async (task, place, vmid) => {
    task.log(`Requesting HA ${type === "hastart" ? "start" : "stop"} for VM ${vmid}`);
    await task.pass(1_000);
    const { ha } = place.cluster;
    const resource = ha.resources[`vm:${vmid}`];
    // A stop is a command to the manager, which then changes the resource.
    if (resource && (state === "started" || !ha.idle)) resource.state = state;
    place.world.touch();
  });
}

function start(call: Call): string {
  requireRootFor(call, "skiplock", "stateuri", "migratedfrom", "migration_type", "migration_network", "targetstorage");
  if (isHaManaged(placeOf(call), vmidOf(call))) return requestHa(call, "hastart", "started");
  return worker(call, "qmstart", (task, place, vmid) => startGuest(place, vmid, task, { skipLock: flagParameter(call, "skiplock") }));
}

function stop(call: Call): string {
  requireRootFor(call, "skiplock", "keepActive", "migratedfrom");
  if (isHaManaged(placeOf(call), vmidOf(call))) {
    if (flagParameter(call, "overrule-shutdown")) failParameter({ "overrule-shutdown": "Not applicable for HA resources." });
    return requestHa(call, "hastop", "stopped");
  }
  return worker(call, "qmstop", (task, place, vmid) => stopGuest(place, vmid, task, { skipLock: flagParameter(call, "skiplock") }));
}

function shutdown(call: Call): string {
  requireRootFor(call, "skiplock", "keepActive");
  const place = placeOf(call);
  const guest = findGuest(place, vmidOf(call));
  const forceStop = flagParameter(call, "forceStop");
  if (guest?.running && guest.qmpStatus === "paused" && !forceStop) fail("VM is paused - cannot shutdown");
  if (isHaManaged(place, vmidOf(call))) return requestHa(call, "hastop", "stopped");
  const options = { skipLock: flagParameter(call, "skiplock"), timeoutSeconds: integerParameter(call, "timeout"), forceStop };
  return worker(call, "qmshutdown", async (task, _, vmid) => {
    if (guest?.qmpStatus === "paused") {
      task.log("VM is paused - stop instead of shutdown");
      return stopGuest(place, vmid, task, options);
    }
    return shutdownGuest(place, vmid, task, options);
  });
}

function requireRunning(call: Call): GuestState {
  const guest = getGuest(placeOf(call), vmidOf(call));
  return guest.running ? guest : fail(`VM ${guest.vmid} not running`);
}

function reboot(call: Call): string {
  const guest = requireRunning(call);
  if (guest.qmpStatus === "paused") fail("VM is paused - cannot shutdown");
  return worker(call, "qmreboot", (task, place, vmid) => rebootGuest(place, vmid, task, integerParameter(call, "timeout")));
}

function reset(call: Call): string {
  requireRootFor(call, "skiplock");
  requireRunning(call);
  return worker(call, "qmreset", (task, place, vmid) => resetGuest(place, vmid, task, { skipLock: flagParameter(call, "skiplock") }));
}

function suspend(call: Call): string {
  requireRootFor(call, "skiplock");
  requireRunning(call);
  if (flagParameter(call, "todisk")) {
    call.requirePrivilege(`/vms/${vmidOf(call)}`, ["VM.Config.Disk"]);
    return worker(call, "qmsuspend", (task, place, vmid) => hibernateGuest(place, vmid, task, textParameter(call, "statestorage")));
  }
  return worker(call, "qmpause", (task, place, vmid) => suspendGuest(place, vmid, task, { skipLock: flagParameter(call, "skiplock") }));
}

function resume(call: Call): string {
  requireRootFor(call, "skiplock", "nocheck");
  const place = placeOf(call);
  const vmid = vmidOf(call);
  const guest = findGuest(place, vmid) ?? fail(`unable to find configuration file for VM ${vmid} on node '${place.node}'`);
  const hibernated = guest.config.lock === "suspended";
  if (!hibernated && !guest.running) fail(`VM ${vmid} not running`);
  const options = { skipLock: flagParameter(call, "skiplock") };
  return worker(call, "qmresume", (task) =>
    hibernated ? startGuest(place, vmid, task, options) : resumeGuest(place, vmid, task, options),
  );
}

function listGuests(call: Call): unknown {
  const place = placeOf(call);
  const full = flagParameter(call, "full");
  return Object.values(call.cluster.guests)
    .filter((guest) => guest.node === place.node && call.hasPrivilege(`/vms/${guest.vmid}`, "VM.Audit"))
    .map((guest) => ({ ...summaryOf(place, guest), ...(full ? detailsOf(place, guest) : {}) }));
}

/** What takes a question to the process of each guest. */
function detailsOf(place: Place, guest: GuestState): Record<string, unknown> {
  return guest.running ? { qmpstatus: guest.qmpStatus, ...processStatus(place, guest) } : { qmpstatus: "stopped" };
}

function currentStatus(call: Call): unknown {
  const place = placeOf(call);
  const guest = getGuest(place, vmidOf(call));
  return {
    ...summaryOf(place, guest),
    ...detailsOf(place, guest),
    ha: haOf(place, guest.vmid),
    ...(isAgentEnabled(guest.config.agent) ? { agent: 1 } : {}),
    ...(guest.config.vga === undefined ? {} : { clipboard: null }),
  };
}

function haOf({ cluster }: Place, vmid: number): Record<string, unknown> {
  const sid = `vm:${vmid}`;
  const resource = cluster.ha.resources[sid];
  if (!resource || resource.state === "ignored") return { managed: 0 };
  const state = cluster.ha.services?.[sid]?.state ?? null;
  return { managed: 1, state, ...(cluster.era === "8.4" ? { group: resource.group ?? null } : {}) };
}

const noPressure = Object.fromEntries(
  ["cpu", "io", "memory"].flatMap((kind) => [`pressure${kind}full`, `pressure${kind}some`]).map((key) => [key, 0]),
);

/** What only a running process tells. Its counters stay at zero: nobody measures a simulated guest. */
function processStatus(place: Place, guest: GuestState): Record<string, unknown> {
  const { era } = place.cluster;
  const config = guest.runningConfig ?? guest.config;
  const memoryBytes = memoryMebibytes(config) * 1024 * 1024;
  const cards = Object.keys(config).filter(isNetKey);
  return {
    "running-machine": machineVersion(era, config),
    "running-qemu": qemuVersion,
    ...(cards.length === 0
      ? {}
      : { nics: Object.fromEntries(cards.map((key) => [`tap${guest.vmid}i${key.slice(3)}`, { netin: 0, netout: 0 }])) }),
    ...(config.balloon === "0" ? {} : { balloon: memoryBytes, ballooninfo: { actual: memoryBytes, max_mem: memoryBytes } }),
    diskread: 0,
    diskwrite: 0,
    blockstat: blockStatistics(config),
    "proxmox-support": backupSupport(),
  };
}

/** One row of the guest list. */
function summaryOf(place: Place, guest: GuestState): Record<string, unknown> {
  const config = guest.running ? (guest.runningConfig ?? guest.config) : guest.config;
  const memoryBytes = memoryMebibytes(config) * 1024 * 1024;
  const balloonMiB = Number(config.balloon ?? 0);
  const upMs = guest.running && guest.startedAtMs !== undefined ? place.world.clock.nowMs() - guest.startedAtMs : 0;
  const nodeCores = place.cluster.nodes[guest.node]?.cores ?? 1;
  const cores = Number(config.vcpus ?? Number(config.cores ?? 1) * Number(config.sockets ?? 1));
  return {
    vmid: guest.vmid,
    status: guest.running ? "running" : "stopped",
    name: guest.config.name ?? `VM ${guest.vmid}`,
    cpus: Math.min(cores, nodeCores),
    cpu: 0,
    mem: guest.running ? Math.floor(memoryBytes / 2) : 0,
    maxmem: memoryBytes,
    disk: 0,
    maxdisk: bootDiskBytes(config),
    uptime: Math.floor(upMs / 1000),
    netin: 0,
    netout: 0,
    ...(guest.running ? { pid: 10_000 + guest.vmid, ...(place.cluster.era === "9.2" ? noPressure : {}) } : {}),
    ...(place.cluster.era === "9.2" ? { memhost: 0 } : {}),
    ...(guest.config.tags === undefined ? {} : { tags: guest.config.tags }),
    ...(guest.config.lock === undefined ? {} : { lock: guest.config.lock }),
    ...(isTemplate(guest) ? { template: 1 } : {}),
    ...(config.serial0 === undefined ? {} : { serial: 1 }),
    ...(balloonMiB > 0 && balloonMiB * 1024 * 1024 !== memoryBytes
      ? { balloon_min: balloonMiB * 1024 * 1024, shares: Number(config.shares ?? 1000) }
      : {}),
  };
}

/** Size of the first disk in the boot order, or of the first disk. */
function bootDiskBytes(config: Record<string, string>): number {
  const order = (/order=([^,]*)/.exec(config.boot ?? "")?.[1] ?? "").split(";");
  const disks = drivesOf(config).filter(
    (drive) => isDisk(drive) && !isCdrom(drive) && drive.key !== "efidisk0" && drive.key !== "tpmstate0",
  );
  const first = order.map((key) => disks.find((disk) => disk.key === key)).find((disk) => disk !== undefined) ?? disks[0];
  return parseDiskSize(first?.options.size ?? "0") ?? 0;
}
