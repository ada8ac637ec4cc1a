/** Formats of guest options: each returns Proxmox's error text, or undefined when the value is good. */
import { storageFormat } from "../formats";
import { parseVolid } from "../volumes/names";
import { parseDiskSize } from "../volumes/sizes";

export function dnsNameFormat(value: string): string | undefined {
  const label = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
  return value !== "" && value.split(".").every((part) => label.test(part)) ? undefined : "value does not look like a valid DNS name";
}

export function tagFormat(value: string): string | undefined {
  return /^[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*$/.test(value) ? undefined : "invalid characters in tag";
}

export function configIdFormat(value: string): string | undefined {
  return /^[a-zA-Z][a-zA-Z0-9_-]+$/.test(value) ? undefined : `invalid configuration ID '${value}'`;
}

/** `a:b`, one id for all, or `1` for the same everywhere. */
export function storagePairFormat(value: string): string | undefined {
  if (value === "1") return undefined;
  const parts = value.split(":");
  const problem = (parts.length > 2 ? [value] : parts).map(storageFormat).find((error) => error !== undefined);
  return problem === undefined ? undefined : `entry '${value}' contains invalid ID - ${problem}\n\n`;
}

/** The same for bridges. */
export function bridgePairFormat(value: string): string | undefined {
  const parts = value.split(":");
  const bad = (parts.length > 2 ? [value] : parts).find((part) => !/^[-_.\w]+$/.test(part));
  return bad === undefined ? undefined : `entry '${value}' contains invalid ID - invalid bridge ID '${bad}'\n\n`;
}

export function volumeIdFormat(value: string): string | undefined {
  return parseVolid(value) ? undefined : `unable to parse volume ID '${value}'`;
}

/** A volume id, an absolute path, `none` or `cdrom`. */
export function driveFileFormat(value: string): string | undefined {
  return value === "none" || value === "cdrom" || value.startsWith("/") ? undefined : volumeIdFormat(value);
}

export function importSourceFormat(value: string): string | undefined {
  return value.startsWith("/") ? undefined : volumeIdFormat(value);
}

export function diskSizeFormat(value: string): string | undefined {
  return parseDiskSize(value) === undefined ? `value does not look like a valid disk size: ${value}` : undefined;
}

export function urlEncodedFormat(value: string): string | undefined {
  return /^[-%a-zA-Z0-9_.!~*'()]*$/.test(value) ? undefined : `invalid urlencoded string: ${value}`;
}

export function macFormat(value: string): string | undefined {
  return /^[a-f0-9][02468ace](:[a-f0-9]{2}){5}$/i.test(value) ? undefined : "value does not look like a valid unicast MAC address";
}

export function bridgeFormat(value: string): string | undefined {
  return /^[-_.\w]+$/.test(value) ? undefined : `bridge '${value}' contains illegal characters`;
}

export function startupFormat(value: string): string | undefined {
  const good = value.split(/,/).every((part) => part === "" || /^((order=)?\d+|up=\d+|down=\d+)$/.test(part));
  return good ? undefined : "unable to parse startup options";
}

export function cpusetFormat(value: string): string | undefined {
  return value.split(",").every((part) => /^\s*\d+(-\d+)?\s*$/.test(part)) ? undefined : "unable to parse cpuset option";
}

export function hotplugFormat(value: string): string | undefined {
  if (value === "0" || value === "1") return undefined;
  const bad = value.split(/[,;\s]+/).find((part) => part !== "" && !/^(network|disk|cpu|memory|usb|cloudinit)$/.test(part));
  return bad === undefined ? undefined : `invalid hotplug feature '${bad}'`;
}

export function bootOrderFormat(value: string): string | undefined {
  const devices =
    /^((ide[0-3]|sata[0-5]|scsi(\d|[12]\d|30)|virtio(\d|1[0-5])|efidisk0)|net([0-9]|[12]\d|3[01])|usb(\d|1[0-3])|hostpci(\d|1[0-5]))$/;
  const bad = value.split(";").find((part) => part !== "" && !devices.test(part));
  return bad === undefined ? undefined : `invalid boot device '${bad}'`;
}

const cpuFlags = {
  "8.4": [
    "pcid",
    "spec-ctrl",
    "ibpb",
    "ssbd",
    "virt-ssbd",
    "amd-ssbd",
    "amd-no-ssb",
    "pdpe1gb",
    "md-clear",
    "hv-tlbflush",
    "hv-evmcs",
    "aes",
  ],
  "9.2": [
    "aes",
    "amd-no-ssb",
    "amd-ssbd",
    "hv-evmcs",
    "hv-tlbflush",
    "ibpb",
    "md-clear",
    "nested-virt",
    "pcid",
    "pdpe1gb",
    "spec-ctrl",
    "ssbd",
    "virt-ssbd",
  ],
} as const;

const cpuModelPattern =
  /^(host|max|kvm32|kvm64|qemu32|qemu64|486|pentium[23]?|coreduo|core2duo|athlon|phenom|x86-64-v[234](-AES)?|x86-64-v4|Opteron_G[1-5]|EPYC[A-Za-z0-9-]*|(Conroe|Penryn|Nehalem|Westmere|SandyBridge|IvyBridge|Haswell|Broadwell|Skylake|Cascadelake|Cooperlake|Icelake|KnightsMill|SapphireRapids|GraniteRapids|SierraForest)[A-Za-z0-9-]*)$/;

/** Checks beyond the property string: the model exists, the flags may be set per guest. */
export function cpuError(era: keyof typeof cpuFlags, values: Record<string, string>): string | undefined {
  const model = values.cputype ?? "kvm64";
  if (model.startsWith("custom-")) return `Custom cputype '${model.slice("custom-".length)}' not found`;
  if (!cpuModelPattern.test(model)) return `Built-in cputype '${model}' is not defined (missing 'custom-' prefix?)`;
  const allowed: readonly string[] = cpuFlags[era];
  const flags = (values.flags ?? "").split(";").filter((flag) => flag !== "");
  return flags.every((flag) => allowed.includes(flag.slice(1)))
    ? undefined
    : `VM-specific CPU flags must be a subset of: ${allowed.join(", ")}`;
}
