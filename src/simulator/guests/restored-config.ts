/** Rewriting an archive's configuration for the guest that is restored from it. */
import type { World } from "../kernel";
import type { Era } from "../state";
import { formatDiskSize } from "../volumes/sizes";
import { parseSection } from "./config-text";
import { type Config, isDriveKey, isUnusedKey, parseDrive, printDrive } from "./drive";
import { uuid } from "./lookup";
import { isNetKey, parseNet, printNet, randomMac } from "./net";
import { findOption } from "./options";

export interface RestoredDisk {
  volid: string;
  sizeBytes: number;
}

export interface RewriteOptions {
  era: Era;
  world: World;
  vmid: number;
  /** New MACs and uuid. */
  unique: boolean;
  /** New volume per drive key of the archive. */
  disks: Readonly<Record<string, RestoredDisk>>;
  log(line: string): void;
}

/** Keys of a config file that are no parameters. */
const internalKeys = new Set(["meta", "parent", "vmstate", "snaptime", "runningmachine", "runningcpu", "running-nets-host-mtu", "digest"]);

/** MAC, uuid, name, tags and onboot stay; vmgenid is new; a disk without backup becomes a line of the description. */
export function rewriteConfig(text: string, options: RewriteOptions): Config {
  const lines = text.split("\n").filter((line) => !/^#(qmdump|vzdump)#/.test(line) && !/^(lock|parent|unused\d+):/.test(line));
  const config = parseSection(lines.map((line) => (isExcludedDisk(line, options.disks) ? `#${line}` : line)).join("\n"));
  for (const [key, value] of Object.entries(config)) {
    const rewritten = rewriteValue(key, value, options);
    if (rewritten === undefined) delete config[key];
    else config[key] = rewritten;
  }
  return config;
}

function isExcludedDisk(line: string, disks: RewriteOptions["disks"]): boolean {
  const match = /^([a-z]+\d+): (.*)$/.exec(line);
  if (!match || !isDriveKey(match[1]!) || disks[match[1]!]) return false;
  return parseDrive(match[1]!, match[2]!).options.backup === "0";
}

function rewriteValue(key: string, value: string, options: RewriteOptions): string | undefined {
  const { era, world, vmid, disks, unique, log } = options;
  if (isUnusedKey(key)) return undefined;
  if (!internalKeys.has(key) && key !== "description" && !findOption(era, key)) {
    log(`vm ${vmid} - unable to parse value of '${key}' - unknown setting '${key}'`);
    return undefined;
  }
  if (key === "vmgenid") return value === "0" ? value : uuid((digits) => world.randomHex(digits));
  if (unique && key === "smbios1") return value.replace(/uuid=[^,]+/, `uuid=${uuid((digits) => world.randomHex(digits))}`);
  if (unique && isNetKey(key)) return printNet({ ...parseNet(value, key), macaddr: randomMac(world) });
  const disk = isDriveKey(key) ? disks[key] : undefined;
  if (!disk) return value;
  const { format: _, ...rest } = parseDrive(key, value).options;
  return printDrive({ key, file: disk.volid, options: { ...rest, size: formatDiskSize(disk.sizeBytes) } });
}
