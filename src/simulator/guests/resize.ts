/** `PUT …/resize`: growing a disk. */
import type { Call, Route, TaskContext } from "../kernel";
import { backendFreeBytes } from "../usage";
import { fail, flagParameter, integerParameter, placeOf, requireRootFor, textParameter } from "../volumes/calls";
import { digestRule, nodeRule, optionalFlag, vmidRule } from "../volumes/rules";
import { parseDiskSize } from "../volumes/sizes";
import { roundedSizeBytes, traitsOf } from "../volumes/types";
import { findVolume } from "../volumes/volumes";
import { diskKeys, isCdrom, parseDrive, printDrive, volidOf } from "./drive";
import { getGuest, requireDigest, requireUnlocked } from "./lookup";

export function resizeRoute(): Route {
  return {
    method: "PUT",
    path: "/nodes/{node}/qemu/{vmid}/resize",
    parameters: {
      node: nodeRule,
      vmid: vmidRule,
      disk: { type: "string", enum: diskKeys },
      size: { type: "string", pattern: /^\+?\d+(\.\d+)?[KMGT]?$/ },
      digest: digestRule,
      skiplock: optionalFlag,
    },
    permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Config.Disk"]),
    handler: (call) => {
      requireRootFor(call, "skiplock");
      const vmid = integerParameter(call, "vmid")!;
      return call.startTask({ type: "resize", id: String(vmid) }, (task) => resize(call, vmid, task));
    },
  };
}

function resize(call: Call, vmid: number, task: TaskContext): Promise<void> {
  const place = placeOf(call);
  const { world, cluster } = place;
  return world.withGuestLock(cluster, vmid, async () => {
    const guest = getGuest(place, vmid);
    requireDigest(guest, textParameter(call, "digest"));
    if (!flagParameter(call, "skiplock")) requireUnlocked(guest);
    const key = String(call.params.disk);
    const drive = parseDrive(key, guest.config[key] ?? fail(`disk '${key}' does not exist`));
    if (isCdrom(drive)) fail("you can't resize a cdrom");
    const volid = volidOf(drive) ?? fail(`disk '${key}' has no associated volume`);
    call.requirePrivilege(`/storage/${volid.split(":", 1)[0]}`, ["Datastore.AllocateSpace"]);
    const found = findVolume(place, volid) ?? fail(`volume '${volid}' does not exist`);
    const { volume, storage, backend } = found;
    const wanted = String(call.params.size);
    const bytes = parseDiskSize(wanted.replace(/^\+/, ""))!;
    const sizeBytes = wanted.startsWith("+") ? volume.sizeBytes + bytes : bytes;
    if (sizeBytes < volume.sizeBytes) fail("shrinking disks is not supported");
    if (sizeBytes === volume.sizeBytes) return;
    const newSizeBytes = roundedSizeBytes(storage, sizeBytes);
    if (!volume.thin && newSizeBytes - volume.sizeBytes > backendFreeBytes(backend, world.blockBytes))
      fail("not enough free space to grow the volume");
    await task.pass(200);
    volume.sizeBytes = newSizeBytes;
    if (!guest.running && traitsOf(storage).naming === "file") task.log("Image resized.");
    const printed = printDrive({ ...drive, options: { ...drive.options, size: String(newSizeBytes) } });
    guest.config[key] = printed;
    if (guest.runningConfig) guest.runningConfig[key] = printed;
    world.touch();
  });
}
