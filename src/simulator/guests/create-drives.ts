/** Making the drives of a create or change: new images, imports, cloud-init, volumes that are there already. */
import type { Call } from "../kernel";
import { requireVolumeAccess } from "../volumes/access";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { parseVolid, volumePath } from "../volumes/names";
import { findBackend, getUsableStorage, isUsable } from "../volumes/storages";
import { traitsOf } from "../volumes/types";
import { allocateVolume, type FoundVolume, findVolume, freeVolume, getVolume, listVolumes, resolveVolid } from "../volumes/volumes";
import { copyDisk } from "./copy";
import { type Config, type Drive, drivesOf, isCloudInit, isDriveKey, newDiskOf, parseDrive, printDrive } from "./drive";
import { undoing, type Work } from "./work";

const cloudInitBytes = 4 * 1024 * 1024;
const efiVarsBytes = 528 * 1024;
const tpmStateBytes = 4 * 1024 * 1024;

export interface DriveRequest {
  call: Call;
  place: Place;
  vmid: number;
  /** Only the drive keys are looked at. */
  settings: Config;
  /** The guest's other drives: a second cloud-init drive is refused. */
  current: Config;
  defaultStorage?: string;
}

/** Drives as they go into the config. When one fails the images made before are freed again. */
export async function createDrives(work: Work, request: DriveRequest): Promise<{ drives: Config; created: string[] }> {
  const created: string[] = [];
  const make = async () => {
    const drives: Config = {};
    for (const key of Object.keys(request.settings).filter(isDriveKey).sort(byBus)) {
      drives[key] = await createDrive(work, request, parseDrive(key, request.settings[key]!), created);
    }
    return { drives, created };
  };
  return undoing(work, make, () => freeQuietly(work, request.place, created));
}

/** Frees what can be freed; what cannot is reported in the log and stays. */
export function freeQuietly(work: Pick<Work, "log">, place: Place, volids: readonly string[]): void {
  for (const volid of volids) {
    try {
      freeVolume(place, volid, work.log);
    } catch (error) {
      work.log(errorMessage(error));
    }
  }
}

function byBus(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

async function createDrive(work: Work, request: DriveRequest, drive: Drive, created: string[]): Promise<string> {
  const { size: _, ...withoutSize } = drive.options;
  if (drive.file === "none" || drive.file === "cdrom") return printDrive({ ...drive, options: withoutSize });
  if (drive.file.endsWith(":cloudinit")) return createCloudInit(work, request, drive, created);
  const fresh = newDiskOf(drive.file);
  if (!fresh) return attachExisting(request, drive);
  const storage = fresh.storage ?? request.defaultStorage ?? fail("no storage ID specified (and no default storage)");
  const source = drive.options["import-from"];
  const made =
    source === undefined
      ? allocateBlank(work, request, drive, storage, fresh.gibibytes, created)
      : await importDisk(work, request, drive, storage, source, created);
  const { format: _format, "import-from": _source, ...options } = drive.options;
  const printed = printDrive({ key: drive.key, file: made.volid, options: { ...options, size: String(made.volume.sizeBytes) } });
  work.log(`${drive.key}: successfully created disk '${printed}'`);
  return printed;
}

function allocateBlank(
  work: Work,
  request: DriveRequest,
  drive: Drive,
  storage: string,
  gibibytes: number,
  created: string[],
): FoundVolume {
  const { place, vmid } = request;
  const format = drive.options.format;
  requireFormat(place, storage, format);
  const firmware = drive.key === "efidisk0" ? efiVarsBytes : drive.key === "tpmstate0" ? tpmStateBytes : undefined;
  const sizeBytes = firmware ?? Math.floor(gibibytes * 1024 ** 2) * 1024;
  const volid = allocateVolume(
    place,
    { storage, vmid, sizeBytes, ...(drive.key === "tpmstate0" ? { format: "raw" } : { format }) },
    work.log,
  );
  created.push(volid);
  return getVolume(place, volid);
}

function requireFormat(place: Place, storageId: string, format: string | undefined): void {
  const storage = getUsableStorage(place, storageId);
  if (format !== undefined && !traitsOf(storage).formats.includes(format)) fail(`unsupported format '${format}'`);
}

async function createCloudInit(work: Work, request: DriveRequest, drive: Drive, created: string[]): Promise<string> {
  const { place, vmid } = request;
  const other = drivesOf(request.current).find((existing) => existing.key !== drive.key && isCloudInit(existing));
  if (other) fail(`${drive.key} - cloud-init drive is already attached at '${other.key}'`);
  const storage = drive.file.slice(0, -":cloudinit".length);
  const format = traitsOf(getUsableStorage(place, storage)).naming === "file" ? (drive.options.format ?? "qcow2") : "raw";
  const volid = allocateVolume(place, { storage, vmid, sizeBytes: cloudInitBytes, format, stem: `vm-${vmid}-cloudinit` }, work.log);
  created.push(volid);
  const { format: _, size: _size, ...options } = drive.options;
  const printed = printDrive({ ...drive, file: volid, options: { ...options, media: "cdrom" } });
  work.log(`${drive.key}: successfully created disk '${printed}'`);
  return printed;
}

/** A volume that is there already: it stays its owner's. */
function attachExisting(request: DriveRequest, drive: Drive): string {
  if (!parseVolid(drive.file)) return printDrive(drive);
  requireVolumeAccess(request.call, drive.file, { vmid: request.vmid });
  const found = getVolume(request.place, drive.file);
  if (found.name.content !== "images" && found.name.content !== "iso") {
    fail(`cannot use volume ${drive.file} - content type needs to be 'images' or 'iso'`);
  }
  // A cloud-init drive has no size in the config.
  const { size: _, ...options } = drive.options;
  return printDrive({ ...drive, options: isCloudInit(drive) ? options : { ...options, size: String(found.volume.sizeBytes) } });
}

async function importDisk(
  work: Work,
  request: DriveRequest,
  drive: Drive,
  storage: string,
  sourceText: string,
  created: string[],
): Promise<FoundVolume> {
  const { place, vmid } = request;
  const source = findImportSource(work, place, sourceText);
  if (parseVolid(sourceText)) work.log(`create full clone of drive ${keyOfVolume(place, sourceText)}(${sourceText})`);
  const format = drive.options.format ?? source.volume.format;
  const volid = allocateVolume(place, { storage, vmid, sizeBytes: source.volume.sizeBytes, format }, work.log);
  created.push(volid);
  if (parseVolid(sourceText) && place.cluster.era === "9.2") work.log(`allocated target volume '${volid}'`);
  await copyDisk(work, place, { source, targetVolid: volid, fullError: `copy failed: No space left on device` });
  return getVolume(place, volid);
}

function findImportSource(work: Work, place: Place, text: string): FoundVolume {
  const parsed = parseVolid(text);
  const found = parsed ? findVolume(place, text) : findByPath(place, text);
  if (found) return found;
  work.log(`failed to stat '${parsed ? pathOf(place, text) : text}'`);
  return fail(`cannot import from '${text}' - could not get size of ${text}`);
}

function pathOf(place: Place, volid: string): string {
  const { storage, name } = resolveVolid(place, volid);
  return volumePath(storage, name);
}

function findByPath(place: Place, path: string): FoundVolume | undefined {
  for (const storage of Object.values(place.cluster.storages)) {
    if (!isUsable(storage, place.node) || traitsOf(storage).naming !== "file" || !findBackend(place, storage)) continue;
    const found = listVolumes(place, storage).find(({ name }) => volumePath(storage, name) === path);
    if (found) return found;
  }
  return undefined;
}

/** `scsi0 ` when a guest's config names the volume, nothing otherwise. */
function keyOfVolume(place: Place, volid: string): string {
  for (const guest of Object.values(place.cluster.guests)) {
    const drive = drivesOf(guest.config).find(({ file }) => file === volid);
    if (drive) return `${drive.key} `;
  }
  return "";
}
