import { FormatError } from "./errors";
import {
  formatPropertyString,
  getProperty,
  type PropertyString,
  parsePropertyBoolean,
  parsePropertyString,
  setProperty,
} from "./property-string";
import { formatSize, parseSize } from "./sizes";
import { isVolid } from "./volid";

export type DriveBus = "ide" | "sata" | "scsi" | "virtio" | "efidisk" | "tpmstate" | "unused";

/** Highest index of each bus. */
const lastIndex: Record<DriveBus, number> = { ide: 3, sata: 5, scsi: 30, virtio: 15, efidisk: 0, tpmstate: 0, unused: 255 };

export interface DriveSlot {
  bus: DriveBus;
  index: number;
}

/** `scsi0` → bus and index; `undefined` for any other configuration key. */
export function findDriveSlot(key: string): DriveSlot | undefined {
  const match = /^(ide|sata|scsi|virtio|efidisk|tpmstate|unused)(0|[1-9]\d*)$/.exec(key);
  if (match === null) return undefined;
  const bus = match[1] as DriveBus;
  const index = Number(match[2]);
  return index <= lastIndex[bus] ? { bus, index } : undefined;
}

/** What is in the drive. */
export type DriveFile =
  | { kind: "none" }
  /** The host's own CD drive. */
  | { kind: "cdrom" }
  /** An existing volume. */
  | { kind: "volume"; volid: string }
  /** `storage:8`: allocate so many GiB; 0 with `import-from`. Only in requests. */
  | { kind: "allocate"; storage: string; sizeGiB: number }
  /** `storage:cloudinit`: allocate the cloud-init image. Only in requests. */
  | { kind: "cloudinit"; storage: string }
  /** A device or file of the host. */
  | { kind: "path"; path: string };

/** A drive line of a guest's configuration, printable without loss. */
export interface Drive extends DriveSlot {
  file: DriveFile;
  /** All properties, `file` among them, in their order. */
  properties: PropertyString;
}

/** Throws {@link FormatError} when the key is no drive or the value no drive line. */
export function parseDrive(key: string, text: string): Drive {
  const slot = findDriveSlot(key);
  if (slot === undefined)
    throw new FormatError("drive name", key, "ide0–3, sata0–5, scsi0–30, virtio0–15, efidisk0, tpmstate0, unused0–255");
  const properties = parsePropertyString(text, "file");
  const file = fileOf(properties);
  if (file === undefined) throw new FormatError("drive", text, "it names no volume");
  return { ...slot, file: parseDriveFile(file, text), properties };
}

/** `volume` is an older name of `file`. */
function fileOf(properties: PropertyString): string | undefined {
  return getProperty(properties, "file") ?? getProperty(properties, "volume");
}

function parseDriveFile(file: string, text: string): DriveFile {
  if (file === "none") return { kind: "none" };
  if (file === "cdrom") return { kind: "cdrom" };
  if (file.startsWith("/")) return { kind: "path", path: file };
  const allocate = /^([^/:\s]+):(\d+(?:\.\d+)?)$/.exec(file);
  if (allocate !== null) return { kind: "allocate", storage: allocate[1]!, sizeGiB: Number(allocate[2]) };
  const cloudinit = /^([^/:\s]+):cloudinit$/.exec(file);
  if (cloudinit !== null) return { kind: "cloudinit", storage: cloudinit[1]! };
  if (isVolid(file)) return { kind: "volume", volid: file };
  throw new FormatError("drive", text, `"${file}" is neither a volid, storage:size, a path, none nor cdrom`);
}

/** The text it was parsed from, with what {@link withDriveOption} changed. */
export function formatDrive(drive: Drive): string {
  return formatPropertyString(drive.properties);
}

/** Value of `discard`, `iothread`, `size`, `backup`, … */
export function driveOption(drive: Drive, name: string): string | undefined {
  return getProperty(drive.properties, name);
}

/** A copy with one option changed or, by `undefined`, taken out. */
export function withDriveOption(drive: Drive, name: string, value: string | number | boolean | undefined): Drive {
  return { ...drive, properties: setProperty(drive.properties, name, value) };
}

/** Volid of the volume in it, if there is one. */
export function driveVolid(drive: Drive): string | undefined {
  return drive.file.kind === "volume" ? drive.file.volid : undefined;
}

/** Bytes by its `size` option. Only what was true when the line was written: the storage knows better. */
export function driveSizeBytes(drive: Drive): number | undefined {
  const size = driveOption(drive, "size");
  return size === undefined ? undefined : parseSize(size);
}

export function isCdrom(drive: Drive): boolean {
  return driveOption(drive, "media") === "cdrom" || drive.file.kind === "cdrom";
}

export function isCloudInit(drive: Drive): boolean {
  return drive.file.kind === "cloudinit" || (drive.file.kind === "volume" && /[:/]vm-\d+-cloudinit(?:\.\w+)?$/.test(drive.file.volid));
}

/** Options that hold 0 or 1. */
const flags = new Set([
  "backup",
  "detect_zeroes",
  "iothread",
  "pre-enrolled-keys",
  "replicate",
  "ro",
  "scsiblock",
  "shared",
  "snapshot",
  "ssd",
]);
/** Accepted and forgotten since Proxmox VE 5. */
const forgotten = new Set(["cyls", "heads", "secs", "trans"]);

/**
 * As Proxmox stores it: volume first, other options sorted, sizes in the biggest exact unit, flags as 0 and 1.
 * Two lines that mean the same give the same text.
 */
export function canonicalDrive(drive: Drive): string {
  const options = drive.properties
    .filter(({ key }) => key !== "" && key !== "file" && key !== "volume" && !forgotten.has(key))
    .map(({ key, value }) => ({ key, text: `${key}=${canonicalValue(key, value)}` }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return [fileOf(drive.properties), ...options.map(({ text }) => text)].join(",");
}

function canonicalValue(key: string, value: string): string {
  if (key === "size") return formatSize(parseSize(value));
  const flag = flags.has(key) ? parsePropertyBoolean(value) : undefined;
  return flag === undefined ? value : flag ? "1" : "0";
}
