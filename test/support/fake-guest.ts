/** A guest of a fake cluster and the lines of its configuration, as Proxmox writes them. */

export interface FakeGuest {
  vmid: number;
  node: string;
  config: Record<string, string>;
  /** Values that wait for the next start; `undefined` = will be deleted. */
  pending: Record<string, string | undefined>;
  /** `prelaunch`: the process of a stopped guest's backup; it shows as running. */
  power: "stopped" | "prelaunch" | "running";
  pool?: string;
  /** Has no ear for a shutdown request. */
  deaf?: boolean;
  agentAnswers: boolean;
}

export interface FakeVolume {
  volid: string;
  vmid: number;
  sizeBytes: number;
  /** Who has written, in order: proves whose data this is. */
  writes: string[];
}

export const DRIVE_KEY = /^(?:ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+$/;

const UNITS: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

export function storedSize(bytes: number): string {
  for (const unit of ["T", "G", "M", "K"]) if (bytes % UNITS[unit]! === 0) return `${bytes / UNITS[unit]!}${unit}`;
  return String(bytes);
}

/** Volume first, then the options by name. */
export function storedDrive(volid: string, options: Record<string, string>): string {
  return [
    volid,
    ...Object.keys(options)
      .sort()
      .map((key) => `${key}=${options[key]}`),
  ].join(",");
}

export function splitDrive(line: string): { volume: string; options: Record<string, string> } {
  const [volume = "", ...rest] = line.split(",");
  const options: Record<string, string> = {};
  for (const part of rest) options[part.slice(0, part.indexOf("="))] = part.slice(part.indexOf("=") + 1);
  return { volume, options };
}

export function isDataDrive(key: string, line: string): boolean {
  return DRIVE_KEY.test(key) && !key.startsWith("unused") && !line.includes("media=cdrom");
}

/** The card's model gets an address where it has none; options by name. */
export function storedNet(line: string, newMac: () => string): string {
  const [head = "", ...options] = line.split(",");
  return [head.includes("=") ? head : `${head}=${newMac()}`, ...options.sort()].join(",");
}

export function storedTags(tags: string): string {
  const list = tags.toLowerCase().split(/[;, ]+/);
  return [...new Set(list.filter((tag) => tag !== ""))].sort().join(";") || " ";
}

/** Keys that change in a running guest at once. */
const LIVE_KEYS = /^(?:name|description|tags|onboot|startup|boot|protection|balloon|scsi\d+|virtio\d+|net\d+|unused\d+|lock)$/;

export function isLiveKey(key: string): boolean {
  return LIVE_KEYS.test(key);
}
