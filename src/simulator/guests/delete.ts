/** `DELETE /nodes/{node}/qemu/{vmid}`: what goes with a guest and what stays. */
import { removeFromRules } from "../ha/rules";
import type { Call, GuestState, Route, TaskContext } from "../kernel";
import { splitList } from "../parameters";
import { forgetJob, jobsOf } from "../replication/jobs";
import { errorMessage, fail, flagParameter, integerParameter, type Place, placeOf, requireRootFor } from "../volumes/calls";
import { nodeRule, optionalFlag, vmidRule } from "../volumes/rules";
import { findBackend, isUsable } from "../volumes/storages";
import { findVolume, freeVolume, isBaseInUse, listVolumes, ownerOf } from "../volumes/volumes";
import { drivesOf, isCdrom, isCloudInit, volidOf } from "./drive";
import { getGuest, isHaConfigured, isTemplate, requireUnlocked, requireUnprotected } from "./lookup";

export function deleteRoute(): Route {
  return {
    method: "DELETE",
    path: "/nodes/{node}/qemu/{vmid}",
    parameters: {
      node: nodeRule,
      vmid: vmidRule,
      purge: optionalFlag,
      "destroy-unreferenced-disks": optionalFlag,
      skiplock: optionalFlag,
    },
    permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Allocate"]),
    handler: deleteGuest,
  };
}

function deleteGuest(call: Call): string {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  requireRootFor(call, "skiplock");
  requireDestroyable(call, place, vmid);
  return call.startTask({ type: "qmdestroy", id: String(vmid) }, (task) =>
    place.world.withGuestLock(place.cluster, vmid, () => destroy(call, place, vmid, task)),
  );
}

/** Checked in the call and again under the lock. */
function requireDestroyable(call: Call, place: Place, vmid: number): GuestState {
  const guest = getGuest(place, vmid);
  requireUnprotected(guest, `can't remove VM ${vmid}`);
  if (!flagParameter(call, "purge")) {
    if (isHaConfigured(place, vmid)) fail(`unable to remove VM ${vmid} - used in HA resources and purge parameter not set.`);
    const job = replicationJobs(place, vmid)[0];
    if (job !== undefined) fail(`There is a replication job '${job}' for guest '${vmid}' - Please remove that first.`);
  }
  if (guest.running) fail(`VM ${vmid} is running - destroy failed`);
  return guest;
}

function replicationJobs({ cluster }: Place, vmid: number): string[] {
  return jobsOf(cluster, vmid).map(([id]) => id);
}

async function destroy(call: Call, place: Place, vmid: number, task: TaskContext): Promise<void> {
  const guest = requireDestroyable(call, place, vmid);
  if (!flagParameter(call, "skiplock") && guest.config.lock !== "suspended") requireUnlocked(guest);
  if (isTemplate(guest)) requireUnusedBases(place, guest);
  await task.pass(200);
  freeOwnVolumes(place, guest, task.log);
  if (flagParameter(call, "destroy-unreferenced-disks")) freeAllOfNumber(place, vmid, task);
  forgetGuest(place, vmid);
  if (flagParameter(call, "purge")) purge(place, vmid, task);
  delete place.cluster.guests[vmid];
  place.world.event("destroyed", { cluster: place.cluster.id, node: place.node, vmid });
  place.world.touch();
}

function requireUnusedBases(place: Place, guest: GuestState): void {
  for (const drive of drivesOf(guest.config, { unused: true })) {
    const volid = volidOf(drive);
    const found = volid === undefined || isCdrom(drive) ? undefined : findVolume(place, volid);
    if (found?.name.isBase && isBaseInUse(found.backend, found.name.key)) fail(`base volume '${volid}' is still in use by linked cloned`);
  }
}

/** Volumes that carry the guest's number and that its config or a snapshot names. Foreign ones stay. */
export function freeOwnVolumes(place: Place, guest: GuestState, log: TaskContext["log"]): void {
  const volids = new Set<string>();
  for (const config of [guest.config, ...Object.values(guest.snapshots).map((snapshot) => snapshot.config)]) {
    for (const drive of drivesOf(config, { unused: true })) {
      const volid = volidOf(drive);
      if (volid !== undefined && (!isCdrom(drive) || isCloudInit(drive))) volids.add(volid);
    }
    if (config.vmstate !== undefined) volids.add(config.vmstate);
  }
  for (const volid of volids) freeIfOwned(place, guest.vmid, volid, log);
}

function freeIfOwned(place: Place, vmid: number, volid: string, log: TaskContext["log"]): void {
  try {
    if (ownerOf(place, volid) === vmid) freeVolume(place, volid, log);
  } catch (error) {
    log(`Could not remove disk '${volid}', check manually: ${errorMessage(error)}`);
  }
}

/** `destroy-unreferenced-disks`: every image of this number on every storage of the node, whoever made it. */
function freeAllOfNumber(place: Place, vmid: number, task: TaskContext): void {
  for (const storage of Object.values(place.cluster.storages)) {
    if (!isUsable(storage, place.node) || !storage.content.includes("images") || !findBackend(place, storage)) continue;
    for (const { volid, name, volume } of listVolumes(place, storage)) {
      if (volume.content === "images" && name.vmid === vmid) freeIfOwned(place, vmid, volid, task.log);
    }
  }
}

/** Rights on the guest's own path and its pool membership go with it. */
function forgetGuest({ cluster }: Place, vmid: number): void {
  cluster.access.acl = cluster.access.acl.filter((entry) => entry.path !== `/vms/${vmid}`);
  for (const pool of Object.values(cluster.pools)) pool.vms = pool.vms.filter((member) => member !== vmid);
}

/** Replication and backup jobs, HA. */
function purge(place: Place, vmid: number, task: TaskContext): void {
  const { cluster } = place;
  task.log(`purging VM ${vmid} from related configurations..`);
  for (const id of replicationJobs(place, vmid)) forgetJob(cluster, id);
  for (const job of Object.values(cluster.backupJobs)) {
    for (const key of ["vmid", "exclude"]) {
      if (job[key] === undefined) continue;
      job[key] = splitList(job[key])
        .filter((member) => member !== String(vmid))
        .join(",");
    }
  }
  if (!isHaConfigured(place, vmid)) return;
  delete cluster.ha.resources[`vm:${vmid}`];
  removeFromRules(cluster, `vm:${vmid}`);
  task.log(`NOTE: removed VM ${vmid} from HA resource configuration.`);
}
