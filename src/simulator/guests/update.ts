/** `PUT` and `POST …/config`, and `PUT …/unlink`: changing a guest. */

import type { Call, GuestState, Route } from "../kernel";
import { splitList } from "../parameters";
import type { Era } from "../state";
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
import { digestRule, nodeRule, optionalFlag, vmidRule } from "../volumes/rules";
import {
  requireBridgeAccess,
  requireDevicePrivileges,
  requireDrivePrivileges,
  requireHookScript,
  requireImportSyntax,
  requireOptionPrivileges,
  requireStorageAccess,
} from "./access";
import { createDrives } from "./create-drives";
import { type Config, isCdrom, isCloudInit, isDriveKey, isUnusedKey, parseDrive, printDrive } from "./drive";
import { configIdFormat } from "./formats";
import { hotplugPending } from "./hotplug";
import { getGuest, memoryMebibytes, requireDigest, requireUnlocked, requireUnprotected, uuid } from "./lookup";
import { findOption, optionTable } from "./options";
import { applyPending, cleanUpPending } from "./pending";
import { settingsOf, withRandomMacs } from "./settings";
import { requireTagPrivileges } from "./tags";
import { freeDrive, registerUnused } from "./unused";
import { synchronousWork, type Work } from "./work";

const anyConfigRight = ["Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit"].map((right) => `VM.Config.${right}`);
const atGuest = { node: nodeRule, vmid: vmidRule };

export function updateRoutes(era: Era): Route[] {
  const parameters = {
    ...optionTable(era),
    ...atGuest,
    digest: digestRule,
    delete: { type: "list", optional: true } as const,
    revert: { type: "list", optional: true } as const,
    force: { ...optionalFlag, requires: "delete" },
    skiplock: optionalFlag,
  };
  const path = "/nodes/{node}/qemu/{vmid}/config";
  const permission = (call: Call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, anyConfigRight, "any");
  return [
    { method: "PUT", path, parameters, permission, handler: (call) => updateNow(call, requestOf(call)) },
    {
      method: "POST",
      path,
      parameters: {
        ...parameters,
        background_delay: { type: "integer", optional: true, minimum: 1, maximum: 30 },
        "import-working-storage": { type: "string", optional: true },
      },
      permission,
      handler: updateInWorker,
    },
    {
      method: "PUT",
      path: "/nodes/{node}/qemu/{vmid}/unlink",
      parameters: { ...atGuest, idlist: { type: "list", format: configIdFormat }, force: optionalFlag },
      permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Config.Disk"]),
      handler: (call) =>
        updateNow(call, {
          settings: {},
          deletes: listParameter(call, "idlist"),
          reverts: [],
          force: flagParameter(call, "force"),
          skipLock: false,
        }),
    },
  ];
}

interface UpdateRequest {
  settings: Config;
  deletes: string[];
  reverts: string[];
  force: boolean;
  skipLock: boolean;
  digest?: string;
}

function requestOf(call: Call): UpdateRequest {
  requireRootFor(call, "skiplock");
  return {
    settings: settingsOf(call),
    deletes: listParameter(call, "delete").map((key) => (key === "cdrom" ? "ide2" : key)),
    reverts: listParameter(call, "revert"),
    force: flagParameter(call, "force"),
    skipLock: flagParameter(call, "skiplock"),
    digest: textParameter(call, "digest"),
  };
}

async function updateNow(call: Call, request: UpdateRequest): Promise<null> {
  const update = prepare(call, request);
  const { world, cluster } = update.place;
  await world.withGuestLock(cluster, update.vmid, async () => {
    checkState(update);
    await run(update, synchronousWork(world));
  });
  return null;
}

async function updateInWorker(call: Call): Promise<string | null> {
  const update = prepare(call, requestOf(call));
  const { world, cluster } = update.place;
  await world.withGuestLock(cluster, update.vmid, () => checkState(update));
  const outcome: { done: boolean; error?: unknown } = { done: false };
  const upid = call.startTask({ type: "qmconfig", id: String(update.vmid) }, async (task) => {
    try {
      await world.withGuestLock(cluster, update.vmid, async () => {
        checkState(update);
        task.log(`update VM ${update.vmid}: ${describe(update.request)}`);
        await task.pass(100);
        await run(update, task);
      });
    } catch (error) {
      outcome.error = error;
      throw error;
    } finally {
      outcome.done = true;
    }
  });
  const delayMs = 1000 * (integerParameter(call, "background_delay") ?? 0);
  for (let waitedMs = 0; waitedMs < delayMs && !outcome.done; waitedMs += 1000) await world.clock.sleep(1000);
  if (delayMs === 0 || !outcome.done) return upid;
  return outcome.error === undefined ? null : fail(errorMessage(outcome.error));
}

interface Update {
  call: Call;
  place: Place;
  vmid: number;
  request: UpdateRequest;
}

/** Everything that can be checked without the guest's lock. */
function prepare(call: Call, request: UpdateRequest): Update {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const { settings, deletes, reverts } = request;
  if (deletes.length + reverts.length + Object.keys(settings).length === 0) fail("no options specified");
  getGuest(place, vmid);
  for (const key of reverts) {
    if (!isKnownKey(call, key)) failParameter({ revert: `unknown option '${key}'` });
    if (settings[key] !== undefined) failParameter({ delete: `you can't use '-${key}' and '-revert ${key}' at the same time` });
  }
  for (const key of deletes) {
    if (settings[key] !== undefined) failParameter({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` });
    if (reverts.includes(key)) failParameter({ revert: `you can't use '-delete ${key}' and '-revert ${key}' at the same time` });
    if (!isKnownKey(call, key)) failParameter({ delete: `unknown option '${key}'` });
  }
  const complete = withRandomMacs(call, settings);
  if (complete.vmgenid === "1") complete.vmgenid = uuid((digits) => call.world.randomHex(digits));
  for (const key of Object.keys(complete)) if (isDriveKey(key)) complete[key] = printDrive(parseDrive(key, complete[key]!));
  requireOptionPrivileges(call, vmid, undefined, deletes);
  requireOptionPrivileges(call, vmid, undefined, Object.keys(complete));
  requireStorageAccess(call, vmid, complete);
  requireImportSyntax(complete);
  requireHookScript(call, complete);
  requireBridgeAccess(call, complete);
  requireDevicePrivileges(call, vmid, undefined, complete);
  return { call, place, vmid, request: { ...request, settings: complete } };
}

/** `vmstate`, `meta` and `parent` are config keys without a parameter. */
function isKnownKey(call: Call, key: string): boolean {
  return findOption(call.cluster.era, key) !== undefined || key === "vmstate" || key === "meta" || key === "parent";
}

/** What needs the lock: digest, lock of the config, memory against balloon. */
function checkState({ place, vmid, request }: Update): GuestState {
  const guest = getGuest(place, vmid);
  requireDigest(guest, request.digest);
  if (!request.skipLock) requireUnlocked(guest);
  const { memory, balloon } = request.settings;
  if (memory !== undefined || balloon !== undefined) {
    const memoryMiB = memoryMebibytes({ memory: memory ?? guest.pending.memory?.value ?? guest.config.memory ?? "512" });
    const balloonMiB = Number(balloon ?? guest.pending.balloon?.value ?? guest.config.balloon ?? 0);
    if (balloonMiB > memoryMiB) fail("balloon value too large (must be smaller than assigned memory)");
  }
  return guest;
}

function describe({ settings, deletes, reverts, force }: UpdateRequest): string {
  const parts = Object.entries(settings).map(([key, value]) => `-${key} ${key === "cipassword" ? "<hidden>" : value}`);
  if (deletes.length > 0) parts.push(`-delete ${deletes.join(",")}`);
  if (reverts.length > 0) parts.push(`-revert ${reverts.join(",")}`);
  if (force) parts.push("-force 1");
  return parts.join(" ");
}

/** Writes the changes to the pending section, then puts in force what can be. */
async function run(update: Update, work: Work): Promise<void> {
  const { place, vmid, request } = update;
  const guest = getGuest(place, vmid);
  const settings = { ...request.settings };
  const deletes = [...request.deletes];
  for (const key of request.reverts) {
    if (guest.config[key] !== undefined) settings[key] = guest.config[key];
    else if (guest.pending[key]) deletes.push(key);
  }
  for (const key of deletes) deleteKey(update, guest, key, work);
  for (const [key, value] of Object.entries(settings)) await changeKey(update, guest, key, value, work, deletes);
  cleanUpPending(guest);
  place.world.touch();
  if (Object.keys(guest.pending).length === 0) return;
  const errors = guest.running ? hotplugPending(place, guest, work.log) : applyPending(place, guest, work.log);
  if (Object.keys(errors).length > 0) failParameter(errors);
}

function deleteKey({ call, place, vmid, request }: Update, guest: GuestState, key: string, work: Work): void {
  const pending = guest.pending[key]?.value;
  const value = guest.config[key] ?? pending;
  if (value === undefined) {
    work.log(`cannot delete '${key}' - not set in current configuration!`);
    return;
  }
  if (isUnusedKey(key)) {
    const drive = parseDrive(key, value);
    requireUnprotected(guest, `can't remove unused disk '${drive.file}'`);
    call.requirePrivilege(`/vms/${vmid}`, ["VM.Config.Disk"]);
    requireSpaceRight(call, drive.file);
    freeDrive(place, guest, drive, work.log);
    delete guest.config[key];
    return;
  }
  if (isDriveKey(key)) {
    requireUnprotected(guest, `can't remove drive '${key}'`);
    requireDrivePrivileges(call, vmid, key, value);
    if (pending !== undefined) registerUnused(place, guest, parseDrive(key, pending), work.log);
  }
  if (/^(serial|usb|hostpci|virtiofs)\d+$/.test(key) && value !== "socket")
    requireDevicePrivileges(call, vmid, undefined, { [key]: value });
  if (key === "tags") requireTagPrivileges(call, vmid, value, "");
  dropFromBootOrder(guest, key);
  guest.pending[key] = { delete: request.force ? "force" : "soft" };
}

function requireSpaceRight(call: Call, volid: string): void {
  call.requirePrivilege(`/storage/${volid.split(":", 1)[0]}`, ["Datastore.AllocateSpace"]);
}

async function changeKey(update: Update, guest: GuestState, key: string, value: string, work: Work, deletes: string[]): Promise<void> {
  const { call, place, vmid } = update;
  if (guest.pending[key]?.value === value) return;
  if (isDriveKey(key)) {
    const current = guest.config[key];
    if (current !== undefined) requireDrivePrivileges(call, vmid, key, current);
    requireDrivePrivileges(call, vmid, key, value);
    const waiting = guest.pending[key]?.value;
    if (waiting !== undefined) registerUnused(place, guest, parseDrive(key, waiting), work.log);
    const { drives } = await createDrives(work, { call, place, vmid, settings: { [key]: value }, current: { ...guest.config } });
    guest.pending[key] = { value: drives[key]! };
    const drive = parseDrive(key, drives[key]!);
    if (isCdrom(drive) && !isCloudInit(drive)) appendToBootOrder(guest, key);
    if (isCloudInit(drive)) work.log("generating cloud-init ISO");
    return;
  }
  if (key === "tags") requireTagPrivileges(call, vmid, guest.config.tags, value);
  if (key === "boot") requireBootDevices(update, guest, value, deletes);
  guest.pending[key] = { value };
}

function requireBootDevices({ request }: Update, guest: GuestState, boot: string, deletes: string[]): void {
  for (const device of bootOrder(boot) ?? []) {
    const exists = guest.config[device] ?? guest.pending[device]?.value ?? request.settings[device];
    if (exists === undefined || deletes.includes(device)) fail(`invalid bootorder: device '${device}' does not exist'`);
  }
}

/** Devices of an `order=` boot string; undefined for the legacy form. */
function bootOrder(boot: string | undefined): string[] | undefined {
  const order = /^order=(.*)$/.exec(boot ?? "")?.[1];
  return order === undefined ? undefined : splitList(order);
}

function dropFromBootOrder(guest: GuestState, key: string): void {
  const order = bootOrder(guest.pending.boot?.value ?? guest.config.boot);
  if (order?.includes(key))
    setBootOrder(
      guest,
      order.filter((device) => device !== key),
    );
}

function appendToBootOrder(guest: GuestState, key: string): void {
  const order = bootOrder(guest.pending.boot?.value ?? guest.config.boot);
  if (order && !order.includes(key)) setBootOrder(guest, [...order, key]);
}

function setBootOrder(guest: GuestState, order: string[]): void {
  guest.pending.boot = { value: order.length === 0 ? " " : `order=${order.join(";")}` };
}
