/** Restoring a guest from an archive: what is checked, what a failure leaves behind. */
import { type Call, type GuestState, type TaskContext, TaskInterrupted } from "../kernel";
import { requireVolumeAccess } from "../volumes/access";
import { errorMessage, fail, failParameter, flagParameter, integerParameter, type Place, textParameter } from "../volumes/calls";
import { parseVolid, volumePath } from "../volumes/names";
import { findBackend, isUsable } from "../volumes/storages";
import { traitsOf } from "../volumes/types";
import { type FoundVolume, getVolume, listVolumes, renameVolume } from "../volumes/volumes";
import { requireBridgeAccess } from "./access";
import { type Archive, isDatastore } from "./archive";
import { parseSection } from "./config-text";
import { type Config, drivesOf, isDisk, isDriveKey, printDrive, volidOf } from "./drive";
import { keyProblem } from "./encryption";
import { findGuest, getGuest, isTemplate, requireUnprotected } from "./lookup";
import { type RestoreRequest, restoreData } from "./restore-data";
import { startAfterwards } from "./start-afterwards";

/** The synchronous checks of a restore; the archive must be there and readable for the caller. */
export function prepareRestore(call: Call, place: Place, vmid: number, archive: string, settings: Config): RestoreRequest {
  for (const key of Object.keys(settings).sort()) if (isDriveKey(key)) failParameter({ [key]: "option conflicts with option 'archive'" });
  if (archive === "-") fail("pipe requires cli environment");
  requireVolumeAccess(call, archive, { vmid, content: "backup" });
  return {
    vmid,
    archiveVolid: parseVolid(archive) ? getVolume(place, archive).volid : findArchiveByPath(place, archive).volid,
    storage: textParameter(call, "storage"),
    pool: textParameter(call, "pool"),
    unique: flagParameter(call, "unique"),
    live: flagParameter(call, "live-restore"),
    start: flagParameter(call, "start"),
    limitKibibytes: integerParameter(call, "bwlimit"),
    overrides: settings,
  };
}

function findArchiveByPath(place: Place, path: string): FoundVolume {
  for (const storage of Object.values(place.cluster.storages)) {
    if (!isUsable(storage, place.node) || traitsOf(storage).naming !== "file" || !findBackend(place, storage)) continue;
    const found = listVolumes(place, storage).find(({ name }) => volumePath(storage, name) === path);
    if (found) return found;
  }
  return fail(`can't find file '${path}'`);
}

/** The worker. It holds the guest's file lock over its whole life; the config itself shows no lock once data moves. */
export async function restoreGuest(call: Call, place: Place, request: RestoreRequest, task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  const progress = { dataRestored: false };
  try {
    await world.withGuestLock(cluster, request.vmid, () => restoreUnderLock(call, place, request, task, progress));
  } catch (error) {
    if (!task.killed) leaveAsIs(place, request.vmid, progress.dataRestored, task);
    throw error;
  }
  world.event("restored", { cluster: cluster.id, node: place.node, vmid: request.vmid, archive: request.archiveVolid });
  if (!request.start || request.live) return;
  task.log("Execute autostart");
  await startAfterwards(place, request.vmid, task);
}

/** Only the `create` lock goes; everything else of a failed restore stays for the administrator. */
export function leaveAsIs(place: Place, vmid: number, dataRestored: boolean, task: TaskContext): void {
  const guest = findGuest(place, vmid);
  if (guest?.config.lock === "create") delete guest.config.lock;
  else if (guest) task.log("no lock found trying to remove 'create'  lock");
  const what = dataRestored
    ? "error after data was restored, VM disks should be OK but config may require adaptions."
    : "error before or during data restore, some or all disks were not completely restored.";
  task.log(`${what} VM ${vmid} state is NOT cleaned up.`);
  place.world.touch();
}

async function restoreUnderLock(
  call: Call,
  place: Place,
  request: RestoreRequest,
  task: TaskContext,
  progress: { dataRestored: boolean },
): Promise<void> {
  const { vmid } = request;
  const guest = getGuest(place, vmid);
  requireUnprotected(guest, `unable to restore VM ${vmid} -`);
  if (guest.running) fail(`unable to restore VM ${vmid} - vm is running`);
  const found = getVolume(place, request.archiveVolid);
  await task.pass(200);
  const { archive } = found.volume;
  const keyError = archive && keyProblem(found.storage, archive);
  if (keyError) task.log(`Could not extract backed up config: proxmox-backup-client failed: Error: ${keyError}\nSkipping early checks!`);
  else if (archive) requireRestorePrivileges(call, archive, request);
  else task.log("Could not extract backed up config\nSkipping early checks!");
  if (request.live && !isDatastore(found.storage)) fail("live-restore is only compatible with backup images from a Proxmox Backup Server");
  await restoreData({ call, place, request, guest, found, task, progress });
  if (isTemplate(guest)) convertDisks(place, guest, task);
}

/** Bridges of the archive's configuration, or of the cards the call puts in their place. */
function requireRestorePrivileges(call: Call, archive: Archive, request: RestoreRequest): void {
  requireBridgeAccess(call, { ...parseSection(archive.config), ...request.overrides });
}

/** A backup of a template becomes one again: its disks are turned into bases. */
function convertDisks(place: Place, guest: GuestState, task: TaskContext): void {
  task.log("Convert to template.");
  try {
    for (const drive of drivesOf(guest.config)) {
      const volid = volidOf(drive);
      if (volid === undefined || !isDisk(drive)) continue;
      const found = getVolume(place, volid);
      if (found.name.isBase) continue;
      guest.config[drive.key] = printDrive({ ...drive, file: renameVolume(place, found, { vmid: guest.vmid, kind: "base" }) });
    }
  } catch (error) {
    if (error instanceof TaskInterrupted) throw error;
    task.log(errorMessage(error));
  }
}
