/** `POST …/template`: a guest whose disks become bases of linked clones. */
import type { Call, GuestState, Route, TaskContext } from "../kernel";
import { fail, integerParameter, type Place, placeOf } from "../volumes/calls";
import { nodeRule, vmidRule } from "../volumes/rules";
import { getVolume, renameVolume } from "../volumes/volumes";
import { diskKeys, drivesOf, isDisk, printDrive, volidOf } from "./drive";
import { getGuest, isTemplate, requireUnlocked } from "./lookup";

export function templateRoute(): Route {
  return {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/template",
    parameters: { node: nodeRule, vmid: vmidRule, disk: { type: "string", optional: true, enum: diskKeys } },
    permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Allocate"]),
    handler: makeTemplate,
  };
}

async function makeTemplate(call: Call): Promise<string> {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const { world, cluster } = place;
  await world.withGuestLock(cluster, vmid, () => requireConvertible(call, place, vmid));
  return call.startTask({ type: "qmtemplate", id: String(vmid) }, (task) =>
    world.withGuestLock(cluster, vmid, () => convert(call, place, requireConvertible(call, place, vmid), task)),
  );
}

function requireConvertible(call: Call, place: Place, vmid: number): GuestState {
  const guest = getGuest(place, vmid);
  requireUnlocked(guest);
  if (Object.keys(guest.snapshots).length > 0) fail("unable to create template, because VM contains snapshots");
  if (isTemplate(guest) && call.params.disk === undefined) fail("you can't convert a template to a template");
  if (guest.running) fail("you can't convert a VM to template if VM is running");
  return guest;
}

async function convert(call: Call, place: Place, guest: GuestState, task: TaskContext): Promise<void> {
  await task.pass(200);
  guest.config.template = "1";
  for (const drive of drivesOf(guest.config)) {
    const volid = volidOf(drive);
    if (volid === undefined || !isDisk(drive) || (call.params.disk !== undefined && call.params.disk !== drive.key)) continue;
    const found = getVolume(place, volid);
    if (found.name.isBase || found.name.vmid !== guest.vmid) continue;
    guest.config[drive.key] = printDrive({ ...drive, file: renameVolume(place, found, { vmid: guest.vmid, kind: "base" }) });
  }
  place.world.touch();
}
