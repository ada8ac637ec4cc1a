/** `POST …/move_disk`: a disk to another storage, or to another guest of the node. */
import type { Call, GuestState, Route, TaskContext } from "../kernel";
import type { Era } from "../state";
import { callLimitBytesPerSecond } from "../volumes/bandwidth-limit";
import { errorMessage, fail, failParameter, flagParameter, integerParameter, type Place, placeOf, textParameter } from "../volumes/calls";
import { bandwidthRule, digestRule, nodeRule, optional, optionalFlag, storageRule, vmidRule } from "../volumes/rules";
import { getUsableStorage } from "../volumes/storages";
import { imageFormat } from "../volumes/types";
import { allocateVolume, freeVolume, getVolume, renameVolume } from "../volumes/volumes";
import { requireGuestPrivilege } from "./access";
import { configDigest } from "./config-text";
import { copyDisk } from "./copy";
import { freeQuietly } from "./create-drives";
import { type Drive, diskKeys, drivesOf, isCdrom, isCloudInit, isUnusedKey, parseDrive, printDrive, unusedKeys, volidOf } from "./drive";
import { getGuest, isTemplate, requireUnlocked } from "./lookup";
import { addUnused, forgetUsed } from "./unused";
import { undoing } from "./work";

export function moveDiskRoute(): Route {
  const anyDisk = [...diskKeys, ...unusedKeys];
  return {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/move_disk",
    parameters: {
      node: nodeRule,
      vmid: vmidRule,
      disk: { type: "string", enum: anyDisk },
      storage: optional(storageRule),
      "target-vmid": optional(vmidRule),
      "target-disk": { type: "string", optional: true, enum: anyDisk },
      format: { type: "string", optional: true, enum: ["raw", "qcow2", "vmdk"] },
      delete: optionalFlag,
      digest: digestRule,
      "target-digest": digestRule,
      bwlimit: bandwidthRule,
    },
    permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Config.Disk"]),
    handler: moveDisk,
  };
}

function moveDisk(call: Call): string {
  const storage = textParameter(call, "storage");
  const targetVmid = integerParameter(call, "target-vmid");
  if (storage !== undefined && targetVmid !== undefined) {
    const text = "either set 'storage' or 'target-vmid', but not both";
    return failParameter({ storage: text, "target-vmid": text });
  }
  if (targetVmid !== undefined) return reassign(call, targetVmid);
  if (storage !== undefined) return moveToStorage(call, storage);
  const text = "both 'storage' and 'target-vmid' missing, either needs to be set";
  return failParameter({ storage: text, "target-vmid": text });
}

function requireSameDigest(guest: GuestState, digest: string | undefined): void {
  if (digest !== undefined && digest !== configDigest(guest))
    fail("detected modified configuration - file changed by other user? Try again.");
}

function inSnapshot(guest: GuestState, volid: string): boolean {
  return Object.values(guest.snapshots).some(({ config }) => drivesOf(config).some(({ file }) => file === volid));
}

function moveToStorage(call: Call, storageId: string): string {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const { world, cluster } = place;
  call.requirePrivilege(`/storage/${storageId}`, ["Datastore.AllocateSpace"]);
  const storage = getUsableStorage(place, storageId);
  if (!storage.content.includes("images")) failParameter({ storage: `storage '${storageId}' does not support vm images` });
  checkMove(call, place, vmid, storageId);
  return call.startTask({ type: "qmmove", id: String(vmid) }, (task) =>
    world.withGuestLock(cluster, vmid, async () => {
      const { guest, drive, volid } = checkMove(call, place, vmid, storageId);
      try {
        await copyToStorage(call, place, guest, drive, volid, task);
      } catch (error) {
        throw new Error(`storage migration failed: ${errorMessage(error)}`, { cause: error });
      }
    }),
  );
}

function checkMove(call: Call, place: Place, vmid: number, storageId: string): { guest: GuestState; drive: Drive; volid: string } {
  const guest = getGuest(place, vmid);
  requireUnlocked(guest);
  requireSameDigest(guest, textParameter(call, "digest"));
  const key = String(call.params.disk);
  const drive = parseDrive(key, guest.config[key] ?? fail(`disk '${key}' does not exist`));
  const volid = volidOf(drive) ?? fail(`disk '${key}' has no associated volume`);
  if (isCdrom(drive) && !isCloudInit(drive)) fail("you can't move a cdrom");
  const oldFormat = /\.(raw|qcow2|vmdk)$/.exec(volid)?.[1];
  const format = textParameter(call, "format");
  if (volid.startsWith(`${storageId}:`) && (format === undefined || oldFormat === undefined || oldFormat === format)) {
    fail("you can't move to the same storage with same format");
  }
  if (flagParameter(call, "delete") && inSnapshot(guest, volid)) fail("you can't move a disk with snapshots and delete the source");
  return { guest, drive, volid };
}

async function copyToStorage(call: Call, place: Place, guest: GuestState, drive: Drive, volid: string, task: TaskContext): Promise<void> {
  const newEra = place.cluster.era === "9.2";
  const storageId = textParameter(call, "storage")!;
  const source = getVolume(place, volid);
  if (newEra) task.log(`copying volume '${volid}' from current storage '${source.storage.storage}' to target storage '${storageId}'`);
  task.log(`create full clone of drive ${drive.key} (${volid})`);
  const format = imageFormat(getUsableStorage(place, storageId), textParameter(call, "format") ?? source.volume.format);
  const stem = isCloudInit(drive) ? { stem: `vm-${guest.vmid}-cloudinit` } : {};
  const target = allocateVolume(
    place,
    { storage: storageId, vmid: guest.vmid, sizeBytes: source.volume.sizeBytes, format, ...stem },
    task.log,
  );
  await undoing(
    task,
    async () => {
      if (newEra) task.log(`allocated target volume '${target}'`);
      if (guest.running) task.log(`drive mirror is starting for drive-${drive.key}`);
      await copyDisk(task, place, {
        source,
        targetVolid: target,
        limitBytesPerSecond: callLimitBytesPerSecond(call, "move", [source.storage.storage, storageId]),
        ...(guest.running ? { prefix: `mirror-${drive.key}: ` } : {}),
        fullError: fullError(place.cluster.era, guest.running, drive.key),
      });
    },
    () => freeQuietly({ log: () => {} }, place, [target]),
  );
  const { format: _, ...options } = drive.options;
  const printed = printDrive({ ...drive, file: target, options: { ...options, size: String(getVolume(place, target).volume.sizeBytes) } });
  guest.config[drive.key] = printed;
  if (guest.runningConfig) guest.runningConfig[drive.key] = printed;
  retireSource(call, place, guest, volid, task);
  place.world.touch();
}

/** What copying says when the target storage is full. */
export function fullError(era: Era, running: boolean, key: string): string {
  if (!running) return "copy failed: error while writing: No space left on device";
  return `block job (mirror) error: ${era === "9.2" ? "mirror" : "drive"}-${key}: No space left on device (io-status: ok)`;
}

function retireSource(call: Call, place: Place, guest: GuestState, volid: string, task: TaskContext): void {
  const newEra = place.cluster.era === "9.2";
  if (getVolume(place, volid).name.vmid !== guest.vmid) return;
  if (!flagParameter(call, "delete")) {
    const key = addUnused(guest.config, volid);
    if (newEra) task.log(`adding source volume '${volid}' as '${key}' to config`);
    return;
  }
  if (newEra) task.log(`removing source volume '${volid}' after successful copy`);
  try {
    freeVolume(place, volid, task.log);
  } catch (error) {
    task.log(errorMessage(error));
    addUnused(guest.config, volid);
  }
}

/** The volume gets the new owner's number, whoever owned it before: also one that was only attached. */
function reassign(call: Call, targetVmid: number): string {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  requireGuestPrivilege(call, targetVmid, undefined, ["VM.Config.Disk"]);
  if (targetVmid === vmid) failParameter({ "target-vmid": "must be different than source VMID to reassign disk" });
  const key = String(call.params.disk);
  const targetKey = textParameter(call, "target-disk") ?? key;
  const { volid } = checkReassign(call, place, vmid, targetVmid, targetKey);
  call.requirePrivilege(`/storage/${volid.split(":", 1)[0]}`, ["Datastore.AllocateSpace"]);
  return call.startTask({ type: "qmmove", id: `${vmid}-${key}>${targetVmid}-${targetKey}` }, (task) =>
    place.world.withGuestLock(place.cluster, vmid, () =>
      place.world.withGuestLock(place.cluster, targetVmid, async () => {
        await task.pass(200);
        reassignUnderLock(call, place, { vmid, targetVmid, key, targetKey }, task);
      }),
    ),
  );
}

function checkReassign(call: Call, place: Place, vmid: number, targetVmid: number, targetKey: string) {
  const { guests } = place.cluster;
  if (!guests[vmid]) fail(`could not find VM ${vmid}`);
  if (!guests[targetVmid]) fail(`could not find target VM ${targetVmid}`);
  if (guests[vmid]!.node !== guests[targetVmid]!.node) fail("Both VMs need to be on the same node");
  const source = getGuest(place, vmid);
  const target = getGuest(place, targetVmid);
  requireUnlocked(source);
  requireUnlocked(target);
  if (isTemplate(source) || isTemplate(target)) fail("Can't move disks from or to template VMs");
  requireSameDigest(source, textParameter(call, "digest"));
  requireSameDigest(target, textParameter(call, "target-digest"));
  const key = String(call.params.disk);
  const drive = parseDrive(key, source.config[key] ?? fail(`Disk '${key}' for VM '${vmid}' does not exist`));
  if (target.config[targetKey] !== undefined) fail(`Target disk key '${targetKey}' is already in use for VM '${targetVmid}'`);
  if (isCdrom(drive) && !isCloudInit(drive)) fail("CD drive contents can't be moved to another VM");
  const volid = volidOf(drive) ?? fail(`disk '${key}' has no associated volume`);
  if (inSnapshot(source, volid)) fail("Can't move disk used by a snapshot to another VM");
  if (source.running && !isUnusedKey(key)) fail("Cannot move disk to another VM while the source VM is running - detach first");
  return { source, target, drive, volid };
}

function reassignUnderLock(
  call: Call,
  place: Place,
  move: { vmid: number; targetVmid: number; key: string; targetKey: string },
  task: TaskContext,
): void {
  const { source, target, drive, volid } = checkReassign(call, place, move.vmid, move.targetVmid, move.targetKey);
  task.log(
    place.cluster.era === "9.2"
      ? `reassign disk '${move.key}' from VM '${move.vmid}' as '${move.targetKey}' to VM '${move.targetVmid}'`
      : `moving disk '${move.key}' from VM '${move.vmid}' to '${move.targetVmid}'`,
  );
  const renamed = renameVolume(place, getVolume(place, volid), { vmid: move.targetVmid, kind: "vm" });
  task.log(`removing disk '${move.key}' from VM '${move.vmid}' config`);
  delete source.config[move.key];
  forgetBootDevice(source, move.key);
  if (isUnusedKey(move.targetKey)) {
    target.config[move.targetKey] = renamed;
  } else {
    const printed = printDrive({ key: move.targetKey, file: renamed, options: drive.options });
    task.log(`update VM ${move.targetVmid}: -${move.targetKey} ${printed}`);
    target.config[move.targetKey] = printed;
    forgetUsed(target.config);
  }
  place.world.event("disk-reassigned", { cluster: place.cluster.id, volid, renamed, from: move.vmid, to: move.targetVmid });
  place.world.touch();
}

function forgetBootDevice(guest: GuestState, key: string): void {
  const order = /^order=(.*)$/.exec(guest.config.boot ?? "")?.[1];
  if (order === undefined) return;
  const rest = order.split(";").filter((device) => device !== key);
  guest.config.boot = rest.length === 0 ? " " : `order=${rest.join(";")}`;
}
