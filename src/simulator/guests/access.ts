/** Who may change what of a guest: Proxmox's checks per option, storage, bridge, device and tag. */
import { ApiError, type Call } from "../kernel";
import { requireVolumeAccess } from "../volumes/access";
import { fail, failParameter, placeOf } from "../volumes/calls";
import { parseVolid, parseVolname } from "../volumes/names";
import { getStorage } from "../volumes/storages";
import { findVolume } from "../volumes/volumes";
import { type Config, isCdrom, isCloudInit, isDriveKey, isUnusedKey, newDiskOf, parseDrive } from "./drive";
import { isNetKey, parseNet } from "./net";
import { findOption } from "./options";

/** A right on the guest, or on the pool it is about to join. */
export function requireGuestPrivilege(
  call: Call,
  vmid: number,
  pool: string | undefined,
  privileges: string[],
  mode: "any" | "all" = "all",
): void {
  if (pool !== undefined) {
    const held = (privilege: string) => call.hasPrivilege(`/pool/${pool}`, privilege);
    if (mode === "any" ? privileges.some(held) : privileges.every(held)) return;
  }
  call.requirePrivilege(`/vms/${vmid}`, privileges, mode);
}

export function requirePool(call: Call, pool: string): void {
  if (!call.cluster.pools[pool]) throw new ApiError(403, `Permission check failed (pool '${pool}' does not exist)`);
}

/** Rights for the keys of a change; drives, devices and tags have checks of their own. */
export function requireOptionPrivileges(call: Call, vmid: number, pool: string | undefined, keys: readonly string[]): void {
  if (call.user.isRoot) return;
  for (const key of keys) {
    if (isDriveKey(key) || isUnusedKey(key) || key === "cdrom" || key === "tags" || /^(serial|usb|hostpci|virtiofs)\d+$/.test(key))
      continue;
    const guard = findOption(call.cluster.era, key)?.guard;
    if (guard === undefined || guard === "root" || guard === "own") fail(`only root can set '${key}' config`);
    if (guard === "VM.Config.Cloudinit") requireGuestPrivilege(call, vmid, pool, [guard, "VM.Config.Network"], "any");
    else requireGuestPrivilege(call, vmid, pool, [guard as string]);
    if (key === "startup") call.requirePrivilege("/", ["Sys.Modify"]);
  }
}

/** Serial ports, USB and PCI devices, shared directories: only mapped or virtual ones for others than root. */
export function requireDevicePrivileges(call: Call, vmid: number, pool: string | undefined, settings: Config): void {
  if (call.user.isRoot) return;
  for (const [key, value] of Object.entries(settings)) {
    const kind = /^(serial|usb|hostpci|virtiofs)\d+$/.exec(key)?.[1];
    if (kind === undefined) continue;
    requireGuestPrivilege(call, vmid, pool, [kind === "virtiofs" ? "VM.Config.Options" : "VM.Config.HWType"]);
    const mapping = /(?:^|,)mapping=([^,]+)/.exec(value)?.[1];
    if (kind === "serial" && value !== "socket") fail(`only root can modify '${key}' config for real devices`);
    if (kind === "usb") {
      if (mapping !== undefined) call.requirePrivilege(`/mapping/usb/${mapping}`, ["Mapping.Use"]);
      else if (!/^(host=)?spice/i.test(value)) fail(`only root can set '${key}' config for real devices`);
    }
    if (kind === "hostpci") {
      if (mapping === undefined) fail(`only root can set '${key}' config for non-mapped devices`);
      call.requirePrivilege(`/mapping/pci/${mapping}`, ["Mapping.Use"]);
    }
    if (kind === "virtiofs") call.requirePrivilege(`/mapping/dir/${value.replace(/^dirid=/, "").split(",")[0]}`, ["Mapping.Use"]);
  }
}

/** Every storage and volume that the drives of a change touch. */
export function requireStorageAccess(call: Call, vmid: number, settings: Config, defaultStorage?: string): void {
  for (const [key, value] of Object.entries(settings)) {
    if (isDriveKey(key)) requireDriveAccess(call, vmid, key, value, defaultStorage);
  }
  const stateStorage = settings.vmstatestorage;
  if (stateStorage !== undefined) call.requirePrivilege(`/storage/${stateStorage}`, ["Datastore.AllocateSpace"]);
}

function requireDriveAccess(call: Call, vmid: number, key: string, value: string, defaultStorage: string | undefined): void {
  const drive = parseDrive(key, value);
  const fresh = newDiskOf(drive.file);
  if (drive.file === "none") return;
  if (isCdrom(drive) && drive.file === "cdrom") {
    call.requirePrivilege("/", ["Sys.Console"]);
    return;
  }
  // Where a new cloud-init drive goes is looked at in the worker only.
  if (drive.file.endsWith(":cloudinit")) return;
  if (fresh) {
    const storage = fresh.storage ?? defaultStorage ?? fail("no storage ID specified (and no default storage)");
    requireSpaceOn(call, storage);
  } else {
    requireVolumeAccess(call, drive.file, { vmid });
  }
  const source = drive.options["import-from"];
  if (source !== undefined) requireImportAccess(call, vmid, key, source);
}

function requireSpaceOn(call: Call, id: string): void {
  call.requirePrivilege(`/storage/${id}`, ["Datastore.AllocateSpace"]);
  const storage = getStorage(call.cluster, id);
  if (!storage.content.includes("images")) failParameter({ storage: `storage '${id}' does not support vm images` });
}

function requireImportAccess(call: Call, vmid: number, key: string, source: string): void {
  const parsed = parseVolid(source);
  if (!parsed) {
    requireVolumeAccess(call, source, { vmid });
    return;
  }
  const name = parseVolname(getStorage(call.cluster, parsed.storage), parsed.volname);
  if (name.content !== "images" && name.content !== "import") {
    failParameter({ [key]: `${source} has wrong type '${name.content}' - needs to be 'images' or 'import'` });
  }
  if (name.vmid !== undefined) call.requirePrivilege(`/vms/${name.vmid}`, ["VM.Clone"]);
  else requireVolumeAccess(call, source, { vmid });
}

/** SDN.Use on every bridge (and VLAN) that the cards of a change name. */
export function requireBridgeAccess(call: Call, settings: Config): void {
  if (call.user.isRoot) return;
  for (const [key, value] of Object.entries(settings)) {
    if (!isNetKey(key)) continue;
    const net = parseNet(value, key);
    if (net.bridge === undefined) continue;
    const path = `/sdn/zones/localnetwork/${net.bridge}`;
    const tags = [net.tag, ...(net.trunks ?? "").split(";")].filter((tag) => tag !== undefined && tag !== "");
    if (tags.length === 0) call.requirePrivilege(path, ["SDN.Use"]);
    for (const tag of tags) call.requirePrivilege(`${path}/${tag}`, ["SDN.Use"]);
  }
}

/** A hook script must be there: `script '…' does not exist`. */
export function requireHookScript(call: Call, settings: Config): void {
  const volid = settings.hookscript;
  if (volid === undefined) return;
  const found = findVolume(placeOf(call), volid);
  if (!found) failParameter({ hookscript: `script '${volid}' does not exist\n` });
  else if (found.name.content !== "snippets")
    failParameter({ hookscript: `hookscript volid '${volid}' is not in the snippets content directory\n` });
}

/** `import-from` goes with `<storage>:0` only; an empty disk with a size of its own. */
export function requireImportSyntax(settings: Config): void {
  for (const [key, value] of Object.entries(settings)) {
    if (!isDriveKey(key)) continue;
    const drive = parseDrive(key, value);
    if (drive.options["import-from"] !== undefined && newDiskOf(drive.file)?.gibibytes !== 0) {
      failParameter({ [key]: "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>" });
    }
  }
}

/** Rights for attaching, changing or detaching a drive. */
export function requireDrivePrivileges(call: Call, vmid: number, key: string, value: string): void {
  const drive = parseDrive(key, value);
  if (isCloudInit(drive)) requireGuestPrivilege(call, vmid, undefined, ["VM.Config.Cloudinit", "VM.Config.CDROM"]);
  else requireGuestPrivilege(call, vmid, undefined, [isCdrom(drive) ? "VM.Config.CDROM" : "VM.Config.Disk"]);
}
