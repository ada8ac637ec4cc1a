/** Drives of a guest: keys (`scsi0`), property strings, what kind of medium. */
import { formatDiskSize, parseDiskSize } from "../volumes/sizes";
import { diskSizeFormat, driveFileFormat, importSourceFormat, urlEncodedFormat, volumeIdFormat } from "./formats";
import { type Property, type PropertySchema, parsePropertyString, printPropertyString } from "./property-string";

export type Config = Record<string, string>;

/** A parsed drive: its key and the property string's values; `file` is always there. */
export interface Drive {
  key: string;
  file: string;
  options: Record<string, string>;
}

export const busSizes = { ide: 4, sata: 6, scsi: 31, virtio: 16 } as const;
export type Bus = keyof typeof busSizes;

/** As enumerations in Proxmox's schema list them. */
export const diskKeys: readonly string[] = [
  ...(["ide", "scsi", "virtio", "sata"] as const).flatMap((bus) => Array.from({ length: busSizes[bus] }, (_, index) => `${bus}${index}`)),
  "efidisk0",
  "tpmstate0",
];
export const unusedKeys: readonly string[] = Array.from({ length: 256 }, (_, index) => `unused${index}`);

export const isDriveKey = (key: string): boolean => diskKeys.includes(key);
export const isUnusedKey = (key: string): boolean => /^unused(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/.test(key);

const string = (rules: Omit<Property, "type"> = {}): Property => ({ type: "string", optional: true, ...rules });
const flag: Property = { type: "boolean", optional: true };
const integer = (minimum?: number): Property => ({ type: "integer", optional: true, ...(minimum === undefined ? {} : { minimum }) });
const number: Property = { type: "number", optional: true };

const limits = Object.fromEntries([
  ...["mbps", "mbps_rd", "mbps_wr", "mbps_max", "mbps_rd_max", "mbps_wr_max"].map((key) => [key, number]),
  ...["bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr", "iops_max", "iops_rd_max", "iops_wr_max"].map((key) => [key, integer()]),
  ...["bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"].map((key) => [`${key}_max_length`, integer(1)]),
]) as Record<string, Property>;

const file: Property = { type: "string", defaultKey: true, format: driveFileFormat };
const imageFormats = ["raw", "qcow", "qed", "qcow2", "vmdk", "cloop"];
const importable = { file, "import-from": string({ format: importSourceFormat }), size: string({ format: diskSizeFormat }) };

const common: Record<string, Property> = {
  ...limits,
  ...importable,
  format: string({ enum: imageFormats }),
  media: string({ enum: ["cdrom", "disk"] }),
  snapshot: flag,
  shared: flag,
  cache: string({ enum: ["none", "writethrough", "writeback", "unsafe", "directsync"] }),
  backup: flag,
  replicate: flag,
  werror: string({ enum: ["enospc", "ignore", "report", "stop"] }),
  rerror: string({ enum: ["ignore", "report", "stop"] }),
  aio: string({ enum: ["native", "threads", "io_uring"] }),
  discard: string({ enum: ["ignore", "on"] }),
  detect_zeroes: flag,
  serial: string({ format: urlEncodedFormat, maxLength: 60 }),
};
const wwn = string({ pattern: /^0x[0-9a-fA-F]{16}$/ });
const aliases = {
  volume: "file",
  ...Object.fromEntries(["bps_rd", "bps_wr", "iops_rd", "iops_wr"].map((key) => [`${key}_length`, `${key}_max_length`])),
};

const schemas: Record<Bus | "efidisk" | "tpmstate" | "unused", PropertySchema> = {
  ide: { aliases, properties: { ...common, model: string({ format: urlEncodedFormat, maxLength: 120 }), ssd: flag, wwn } },
  sata: { aliases, properties: { ...common, ssd: flag, wwn } },
  scsi: {
    aliases,
    properties: {
      ...common,
      iothread: flag,
      queues: integer(2),
      scsiblock: flag,
      ssd: flag,
      ro: flag,
      wwn,
      product: string({ pattern: /^[A-Za-z0-9\-_\s]{0,16}$/ }),
      vendor: string({ pattern: /^[A-Za-z0-9\-_\s]{0,8}$/ }),
    },
  },
  virtio: { aliases, properties: { ...common, iothread: flag, ro: flag } },
  efidisk: {
    aliases,
    properties: {
      ...importable,
      format: string({ enum: imageFormats }),
      efitype: string({ enum: ["2m", "4m"] }),
      "pre-enrolled-keys": flag,
      "ms-cert": string({ enum: ["2011", "2023", "2023w", "2023k"] }),
    },
  },
  tpmstate: {
    aliases,
    properties: { ...importable, format: string({ enum: ["raw", "qcow2", "vmdk"] }), version: string({ enum: ["v1.2", "v2.0"] }) },
  },
  unused: { aliases: { volume: "file" }, properties: { file: { type: "string", defaultKey: true, format: volumeIdFormat } } },
};

/** Schema of `scsi0`, `efidisk0`, `unused3` …; undefined for a key that is no drive. */
export function driveSchema(key: string): PropertySchema | undefined {
  const stem = key.replace(/\d+$/, "");
  return stem in schemas ? schemas[stem as keyof typeof schemas] : undefined;
}

/** Throws a PropertyError for a text that is no drive. */
export function parseDrive(key: string, text: string): Drive {
  // Disk geometry of old configs means nothing any more.
  const current = text
    .split(",")
    .filter((part) => !/^(cyls|heads|secs|trans)=/.test(part))
    .join(",");
  const values = parsePropertyString(driveSchema(key) ?? schemas.scsi, current, key);
  const { file: volume = "none", ...options } = values;
  return { key, file: volume, options };
}

/** The file first, everything else sorted; sizes in their largest unit. */
export function printDrive(drive: Drive): string {
  const size = drive.options.size === undefined ? undefined : parseDiskSize(drive.options.size);
  const values = { ...drive.options, ...(size === undefined ? {} : { size: formatDiskSize(size) }), file: drive.file };
  return printPropertyString({ properties: { file } }, values);
}

/** Every drive of a config, in the order in which Proxmox walks them. */
export function drivesOf(config: Config, options: { unused?: boolean } = {}): Drive[] {
  const keys = [...walkOrder, ...(options.unused ? unusedKeys : [])];
  return keys.filter((key) => config[key] !== undefined).map((key) => parseDrive(key, config[key]!));
}

const walkOrder = [
  ...(["ide", "scsi", "virtio", "sata"] as const).flatMap((bus) => Array.from({ length: busSizes[bus] }, (_, index) => `${bus}${index}`)),
  "efidisk0",
  "tpmstate0",
];

export const isCloudInit = (drive: Drive): boolean => /[:/]vm-\d+-cloudinit(\.\w+)?$/.test(drive.file) || drive.file.endsWith(":cloudinit");

/** A CD drive, cloud-init included. */
export const isCdrom = (drive: Drive): boolean => drive.options.media === "cdrom" || drive.file === "cdrom";

/** A drive with data of the guest: neither CD nor cloud-init nor empty. */
export const isDisk = (drive: Drive): boolean => !isCdrom(drive) && !isCloudInit(drive) && drive.file !== "none";

/** `store:32`: allocate so many GiB; undefined when the file is something else. */
export function newDiskOf(fileText: string): { storage?: string; gibibytes: number } | undefined {
  const match = /^(?:([^/:\s]+):)?(\d+(?:\.\d+)?)$/.exec(fileText);
  return match ? { ...(match[1] === undefined ? {} : { storage: match[1] }), gibibytes: Number(match[2]) } : undefined;
}

/** Volume id of a drive that has one. */
export function volidOf(drive: Drive): string | undefined {
  return drive.file === "none" || drive.file === "cdrom" || drive.file.startsWith("/") || !drive.file.includes(":")
    ? undefined
    : drive.file;
}
