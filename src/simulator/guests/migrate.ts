/** Moving a guest to another node of its cluster: preconditions and the call. */
import { nodeFormat } from "../formats";
import { queueHaCommand } from "../ha/services";
import type { Call, GuestState, Route } from "../kernel";
import { jobsOf } from "../replication/jobs";
import type { Era } from "../state";
import { callLimitBytesPerSecond } from "../volumes/bandwidth-limit";
import {
  errorMessage,
  fail,
  failParameter,
  flagParameter,
  integerParameter,
  listParameter,
  type Place,
  placeOf,
  requireRootFor,
  textParameter,
} from "../volumes/calls";
import { bandwidthRule, nodeRule, optional, optionalFlag, optionalText, vmidRule } from "../volumes/rules";
import { getUsableStorage, isUsable } from "../volumes/storages";
import { getVolume, resolveVolid } from "../volumes/volumes";
import { type Drive, drivesOf, isCdrom, isCloudInit, isUnusedKey, volidOf } from "./drive";
import { storagePairFormat } from "./formats";
import { type IdMap, parseIdMap, targetsOf } from "./id-map";
import { getGuest, isHaManaged, requireUnlocked } from "./lookup";
import { type Migration, migrateGuest } from "./migration";

const path = "/nodes/{node}/qemu/{vmid}/migrate";

export function migrateRoutes(era: Era): Route[] {
  const permission = (call: Call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Migrate"]);
  const atGuest = { node: nodeRule, vmid: vmidRule };
  return [
    { method: "GET", path, parameters: { ...atGuest, target: optional(nodeRule) }, permission, handler: getPreconditions },
    {
      method: "POST",
      path,
      parameters: {
        ...atGuest,
        target: { type: "string", format: nodeFormat },
        online: optionalFlag,
        force: optionalFlag,
        "with-local-disks": optionalFlag,
        targetstorage: { type: "list", optional: true, format: storagePairFormat },
        bwlimit: bandwidthRule,
        migration_type: { ...optionalText, enum: ["secure", "insecure"] },
        migration_network: optionalText,
        ...(era === "9.2" ? { "with-conntrack-state": optionalFlag } : {}),
      },
      permission,
      handler: migrate,
    },
  ];
}

/** Drives on storages that only this node has. */
function localDrives(place: Place, guest: GuestState): Drive[] {
  return drivesOf(guest.config, { unused: true }).filter((drive) => {
    const volid = volidOf(drive);
    return volid !== undefined && !resolveVolid(place, volid).storage.shared;
  });
}

function getPreconditions(call: Call): unknown {
  const place = placeOf(call);
  const guest = getGuest(place, integerParameter(call, "vmid")!);
  requireUnlocked(guest);
  const others = Object.keys(call.cluster.nodes).filter((node) => node !== place.node);
  const missing = Object.fromEntries(others.map((node) => [node, missingStorages(place, guest, node)]));
  return {
    running: guest.running ? 1 : 0,
    allowed_nodes: others.filter((node) => missing[node]!.length === 0),
    not_allowed_nodes: Object.fromEntries(
      others.map((node) => [node, missing[node]!.length === 0 ? {} : { unavailable_storages: missing[node] }]),
    ),
    local_disks: localDrives(place, guest).map((drive) => localDiskRow(place, drive)),
    local_resources: Object.keys(guest.config).filter(
      (key) => /^(hostpci|usb|serial|parallel)\d+$/.test(key) && guest.config[key] !== "socket",
    ),
    "mapped-resources": [],
    "mapped-resource-info": {},
    ...(call.cluster.era === "9.2" ? { "has-dbus-vmstate": 1 } : {}),
  };
}

function localDiskRow(place: Place, drive: Drive): Record<string, unknown> {
  const unused = isUnusedKey(drive.key);
  return {
    volid: drive.file,
    drivename: drive.key,
    size: getVolume(place, drive.file).volume.sizeBytes,
    cdrom: isCdrom(drive) && !isCloudInit(drive) ? 1 : 0,
    shared: 0,
    replicate: drive.options.replicate === "0" ? 0 : 1,
    is_attached: unused ? 0 : 1,
    is_unused: unused ? 1 : 0,
    ...(place.cluster.era === "9.2" ? { is_cloudinit: isCloudInit(drive) ? 1 : 0 } : {}),
    is_tpmstate: drive.key === "tpmstate0" ? 1 : 0,
    is_vmstate: 0,
  };
}

function storagesOf(place: Place, guest: GuestState): string[] {
  const volids = drivesOf(guest.config, { unused: true }).map((drive) => volidOf(drive));
  return [...new Set(volids.filter((volid) => volid !== undefined).map((volid) => resolveVolid(place, volid).storage.storage))];
}

function missingStorages(place: Place, guest: GuestState, node: string): string[] {
  return storagesOf(place, guest).filter((id) => !isUsable(place.cluster.storages[id]!, node));
}

function migrate(call: Call): string {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const target = textParameter(call, "target")!;
  if (target === place.node) failParameter({ target: "target is local node." });
  const node = call.cluster.nodes[target] ?? fail(`no such cluster node '${target}'`);
  requireRootFor(call, "force", "migration_type", "migration_network");
  const guest = getGuest(place, vmid);
  requireUnlocked(guest);
  if (guest.running) {
    if (!flagParameter(call, "online")) fail("can't migrate running VM without --online");
    const jobs = jobsOf(call.cluster, vmid);
    if (jobs.length > 0 && !jobs.some(([, job]) => job.target === target) && !flagParameter(call, "force")) {
      fail(`Cannot live-migrate replicated VM to node '${target}' - not a replication target. Use 'force' to override.`);
    }
  }
  const storageMap = storageMapOf(call);
  requireTargetStorages(call, place, guest, target, storageMap);
  const migration: Migration = {
    vmid,
    target,
    targetIp: node.ip,
    storageMap,
    withLocalDisks: flagParameter(call, "with-local-disks"),
    limitBetween: (from, to) => callLimitBytesPerSecond(call, "migration", [from, to]),
  };
  if (isHaManaged(place, vmid)) return requestHaMigration(call, migration);
  return call.startTask({ type: "qmigrate", id: String(vmid) }, (task) => migrateGuest(place, migration, task));
}

/** The HA manager does it: this task only asks. */
function requestHaMigration(call: Call, migration: Migration): string {
  return call.startTask({ type: "hamigrate", id: String(migration.vmid) }, async (task) => {
    task.log(`Requesting HA migration for VM ${migration.vmid} to node ${migration.target}`);
    await task.pass(1_000);
    queueHaCommand(call.cluster, `vm:${migration.vmid}`, { kind: "migrate", node: migration.target });
    call.world.touch();
  });
}

function storageMapOf(call: Call): IdMap {
  try {
    return parseIdMap(listParameter(call, "targetstorage"));
  } catch (error) {
    return failParameter({ targetstorage: `failed to parse storage map: ${errorMessage(error)}` });
  }
}

function requireTargetStorages(call: Call, place: Place, guest: GuestState, target: string, map: IdMap): void {
  const there = { ...place, node: target };
  const mapped = targetsOf(map);
  for (const id of mapped) {
    call.requirePrivilege(`/storage/${id}`, ["Datastore.AllocateSpace"]);
    const storage = getUsableStorage(there, id);
    if (!storage.content.includes("images")) fail(`storage '${id}' does not support vm images`);
  }
  if (mapped.length > 0) return;
  for (const id of storagesOf(place, guest)) getUsableStorage(there, id);
}
