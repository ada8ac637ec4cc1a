/** `POST /nodes/{node}/qemu`: a new guest, or one restored from an archive. */
import { poolFormat } from "../formats";
import { ApiError, type Call, type GuestState, type Route, type TaskContext } from "../kernel";
import type { Era } from "../state";
import { errorMessage, fail, flagParameter, integerParameter, type Place, placeOf, textParameter } from "../volumes/calls";
import { bandwidthRule, nodeRule, optional, optionalFlag, optionalText, storageRule, vmidRule } from "../volumes/rules";
import {
  requireBridgeAccess,
  requireDevicePrivileges,
  requireGuestPrivilege,
  requireHookScript,
  requireImportSyntax,
  requireOptionPrivileges,
  requirePool,
  requireStorageAccess,
} from "./access";
import { createDrives, freeQuietly } from "./create-drives";
import { type Config, drivesOf, isCdrom, isCloudInit, isDisk } from "./drive";
import { qemuVersion } from "./eras";
import { addToPool, findGuest, giveUpClaim, requireUnlocked, uuid } from "./lookup";
import { optionTable } from "./options";
import { leaveAsIs, prepareRestore, restoreGuest } from "./restore";
import { settingsOf, withRandomMacs } from "./settings";
import { startAfterwards } from "./start-afterwards";
import { undoing } from "./work";

export function createRoute(era: Era): Route {
  return {
    method: "POST",
    path: "/nodes/{node}/qemu",
    parameters: {
      ...optionTable(era),
      node: nodeRule,
      vmid: vmidRule,
      archive: { ...optionalText, maxLength: 255 },
      bwlimit: bandwidthRule,
      force: { ...optionalFlag, requires: "archive" },
      "import-working-storage": optional(storageRule),
      "live-restore": optionalFlag,
      pool: { type: "string", optional: true, format: poolFormat },
      start: optionalFlag,
      storage: optional(storageRule),
      unique: { ...optionalFlag, requires: "archive" },
      ...(era === "9.2" ? { "ha-managed": optionalFlag } : {}),
    },
    handler: createOrRestore,
  };
}

async function createOrRestore(call: Call): Promise<string> {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const archive = textParameter(call, "archive");
  const pool = textParameter(call, "pool");
  const storage = textParameter(call, "storage");
  // 8.4 stores the tags of a create as they are given.
  const settings = settingsOf(call, { rawTags: call.cluster.era === "8.4" });
  if (pool !== undefined) requirePool(call, pool);
  if (flagParameter(call, "ha-managed")) call.requirePrivilege("/", ["Sys.Console"]);
  if (flagParameter(call, "start")) requireGuestPrivilege(call, vmid, pool, ["VM.PowerMgmt"]);
  if (storage !== undefined) call.requirePrivilege(`/storage/${storage}`, ["Datastore.AllocateSpace"]);
  requireAllocation(call, place, vmid, pool, archive !== undefined);
  const restore = archive === undefined ? undefined : prepareRestore(call, place, vmid, archive, settings);
  requireStorageAccess(call, vmid, settings, storage);
  requireOptionPrivileges(call, vmid, pool, Object.keys(settings));
  requireDevicePrivileges(call, vmid, pool, settings);
  requireImportSyntax(settings);
  requireBridgeAccess(call, settings);
  requireHookScript(call, settings);
  const complete = withRandomMacs(call, settings);
  await claim(call, place, vmid, restore !== undefined);
  if (restore) {
    const takeBack = (task: TaskContext) => leaveAsIs(place, vmid, false, task);
    return call.startTask({ type: "qmrestore", id: String(vmid), takeBack }, async (task) => {
      await restoreGuest(call, place, { ...restore, overrides: complete }, task);
      manage(call, place, vmid, task);
    });
  }
  const takeBack = () => giveUpClaim(place, vmid);
  return call.startTask({ type: "qmcreate", id: String(vmid), takeBack }, (task) => createGuest(call, place, vmid, complete, task));
}

/** VM.Allocate on the id or the pool; VM.Backup is enough to restore over a guest that is there. */
function requireAllocation(call: Call, place: Place, vmid: number, pool: string | undefined, restore: boolean): void {
  if (call.hasPrivilege(`/vms/${vmid}`, "VM.Allocate")) return;
  if (pool !== undefined && call.hasPrivilege(`/pool/${pool}`, "VM.Allocate")) return;
  const over = restore && flagParameter(call, "force") && findGuest(place, vmid) !== undefined;
  if (over && call.hasPrivilege(`/vms/${vmid}`, "VM.Backup")) return;
  throw new ApiError(403, "Permission check failed");
}

/** The config file with `lock: create` is there before the worker starts: this is what reserves the id. */
async function claim(call: Call, place: Place, vmid: number, restore: boolean): Promise<void> {
  const { cluster, world, node } = place;
  try {
    await world.withGuestLock(cluster, vmid, () => {
      const existing = cluster.guests[vmid];
      if (existing && !(restore && flagParameter(call, "force") && existing.node === node)) {
        fail(`VM ${vmid} already exists on node '${existing.node}'`);
      }
      const guest: GuestState = existing ?? { vmid, node, config: {}, pending: {}, snapshots: {}, running: false, qmpStatus: "stopped" };
      requireUnlocked(guest);
      guest.config.lock = "create";
      cluster.guests[vmid] = guest;
      world.touch();
    });
  } catch (error) {
    fail(`unable to ${restore ? "restore" : "create"} VM ${vmid} - ${errorMessage(error)}`);
  }
}

async function createGuest(call: Call, place: Place, vmid: number, settings: Config, task: TaskContext): Promise<void> {
  const { cluster, world } = place;
  const make = () =>
    world.withGuestLock(cluster, vmid, async () => {
      await task.pass(200);
      try {
        await fillConfig(call, place, vmid, settings, task);
      } catch (error) {
        throw prefixed(error, `unable to create VM ${vmid} - `);
      }
      const pool = textParameter(call, "pool");
      if (pool !== undefined) addToPool(place, vmid, pool);
    });
  await undoing(task, make, () => giveUpClaim(place, vmid));
  world.event("created", { cluster: cluster.id, node: place.node, vmid });
  manage(call, place, vmid, task);
  if (!flagParameter(call, "start")) return;
  task.log("Execute autostart");
  await startAfterwards(place, vmid, task);
}

/** `ha-managed`: the HA manager looks after the guest from here on. */
function manage(call: Call, { cluster, world }: Place, vmid: number, task: TaskContext): void {
  if (!flagParameter(call, "ha-managed")) return;
  task.log("Add as HA resource");
  cluster.ha.resources[`vm:${vmid}`] = { state: flagParameter(call, "start") ? "started" : "stopped" };
  world.touch();
}

/** Puts the status in front that an error of its own would have had as an answer. */
function prefixed(error: unknown, prefix: string): Error {
  if (!(error instanceof Error)) return new Error(prefix + String(error));
  const status = "status" in error && error.status !== 500 ? `${String(error.status)} ` : "";
  return Object.assign(new Error(`${prefix}${status}${error.message}`), { cause: error });
}

async function fillConfig(call: Call, place: Place, vmid: number, settings: Config, task: TaskContext): Promise<void> {
  const { cluster, world } = place;
  const request = { call, place, vmid, settings, current: {}, defaultStorage: textParameter(call, "storage") };
  const { drives, created } = await createDrives(task, request);
  await undoing(
    task,
    async () => {
      // 9.2 asks for this right once more here, and the id is not in the pool yet.
      if (cluster.era === "9.2" && settings.tags !== undefined) call.requirePrivilege(`/vms/${vmid}`, ["VM.Config.Options"]);
      const guest = findGuest(place, vmid) ?? fail(`Configuration file 'nodes/${place.node}/qemu-server/${vmid}.conf' does not exist`);
      guest.config = completed(place, { ...settings, ...drives });
      world.touch();
    },
    () => freeQuietly(task, place, created),
  );
}

/** What Proxmox adds to every new guest. */
function completed(place: Place, config: Config): Config {
  const { world } = place;
  const random = (digits: number) => world.randomHex(digits);
  return {
    ...config,
    boot: config.boot ?? defaultBootOrder(config),
    meta: `creation-qemu=${qemuVersion},ctime=${Math.floor(world.clock.nowMs() / 1000)}`,
    smbios1: config.smbios1 ?? `uuid=${uuid(random)}`,
    vmgenid: config.vmgenid === undefined || config.vmgenid === "1" ? uuid(random) : config.vmgenid,
  };
}

/** First disk, first CD drive, first network card; one blank when there is none. */
export function defaultBootOrder(config: Config): string {
  const drives = drivesOf(config).filter(({ key }) => key !== "efidisk0" && key !== "tpmstate0");
  const disk = drives.find((drive) => isDisk(drive));
  const cdrom = drives.find((drive) => isCdrom(drive) && !isCloudInit(drive));
  const nets = Object.keys(config).filter((key) => /^net\d+$/.test(key));
  const net = nets.sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))[0];
  const devices = [disk?.key, cdrom?.key, net].filter((key) => key !== undefined);
  return devices.length === 0 ? " " : `order=${devices.join(";")}`;
}
