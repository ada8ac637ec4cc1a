/** The table of guest options: types, limits, formats and who may change them. Written by hand from Proxmox's documentation. */
import { storageFormat } from "../formats";
import type { ParameterRule, ParameterTable } from "../kernel";
import type { Era } from "../state";
import { busSizes, driveSchema } from "./drive";
import {
  cpuError,
  cpusetFormat,
  dnsNameFormat,
  hotplugFormat,
  startupFormat,
  tagFormat,
  urlEncodedFormat,
  volumeIdFormat,
} from "./formats";
import { netSchema } from "./net";
import { optionSchemas } from "./option-schemas";
import { PropertyError, type PropertySchema, parsePropertyString, propertyStringFormat } from "./property-string";

/**
 * Who may change an option. `root`: only root@pam. `own`: a check of its own (drives, cards, devices, tags).
 */
export type OptionGuard =
  | "VM.Config.CPU"
  | "VM.Config.Memory"
  | "VM.Config.HWType"
  | "VM.Config.Options"
  | "VM.Config.Disk"
  | "VM.Config.Network"
  | "VM.Config.Cloudinit"
  | "VM.PowerMgmt"
  | "root"
  | "own";

export interface GuestOption extends ParameterRule {
  guard: OptionGuard;
  /** Of an option that a running guest takes at once, without hardware hotplug. */
  immediate?: boolean;
  /** Of a property string. */
  schema?: PropertySchema;
}

const flag = (guard: OptionGuard, more: Partial<GuestOption> = {}): GuestOption => ({ type: "boolean", optional: true, guard, ...more });
const integer = (guard: OptionGuard, more: Partial<GuestOption> = {}): GuestOption => ({ type: "integer", optional: true, guard, ...more });
const number = (guard: OptionGuard, more: Partial<GuestOption> = {}): GuestOption => ({ type: "number", optional: true, guard, ...more });
const text = (guard: OptionGuard, more: Partial<GuestOption> = {}): GuestOption => ({ type: "string", optional: true, guard, ...more });
const propertyString = (guard: OptionGuard, key: string, schema: PropertySchema, more: Partial<GuestOption> = {}): GuestOption =>
  text(guard, { schema, format: propertyStringFormat(schema, key), ...more });

const osTypes = ["other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris"];
const keyboards = "de,de-ch,da,en-gb,en-us,es,fi,fr,fr-be,fr-ca,fr-ch,hu,is,it,ja,lt,mk,nl,no,pl,pt,pt-br,sv,sl,tr".split(",");
const locks = ["backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspending", "suspended"];

const cloudInit = (more: Partial<GuestOption> = {}): GuestOption => text("VM.Config.Cloudinit", { immediate: true, ...more });

/** Options by key; `key[n]` for families. */
function guestOptions(era: Era): Record<string, GuestOption> {
  const options: Record<string, GuestOption> = {
    acpi: flag("VM.Config.HWType"),
    affinity: text("root", { format: cpusetFormat }),
    agent: propertyString("VM.Config.Options", "agent", optionSchemas.agent),
    "amd-sev": propertyString("root", "amd-sev", optionSchemas["amd-sev"]),
    arch: text("root", { enum: ["x86_64", "aarch64"] }),
    args: text("root"),
    audio0: propertyString("VM.Config.HWType", "audio0", optionSchemas.audio0),
    autostart: flag("VM.Config.Options"),
    balloon: integer("VM.Config.Memory", { minimum: 0 }),
    bios: text("VM.Config.Options", { enum: ["seabios", "ovmf"] }),
    boot: propertyString("VM.Config.Disk", "boot", optionSchemas.boot),
    bootdisk: text("VM.Config.Disk", { pattern: /^(ide|sata|scsi|virtio)\d+$/ }),
    cdrom: propertyString("own", "cdrom", driveSchema("ide0")!),
    cicustom: propertyString("VM.Config.Cloudinit", "cicustom", optionSchemas.cicustom, { immediate: true }),
    cipassword: cloudInit(),
    citype: cloudInit({ enum: ["configdrive2", "nocloud", "opennebula"] }),
    ciupgrade: flag("VM.Config.Cloudinit", { immediate: true }),
    ciuser: cloudInit(),
    cores: integer("VM.Config.CPU", { minimum: 1 }),
    cpu: text("VM.Config.CPU", { format: (value) => cpuFormat(era, value) }),
    cpulimit: number("VM.Config.CPU", { minimum: 0, maximum: 128, immediate: true }),
    cpuunits: integer("VM.Config.CPU", { minimum: 1, maximum: 262_144, immediate: true }),
    description: text("VM.Config.Options", { maxLength: 8192, immediate: true }),
    efidisk0: propertyString("own", "efidisk0", driveSchema("efidisk0")!),
    freeze: flag("VM.PowerMgmt"),
    hookscript: text("root", { format: volumeIdFormat, immediate: true }),
    "hostpci[n]": propertyString("own", "hostpci0", optionSchemas.hostpci, { family: 16 }),
    hotplug: text("VM.Config.HWType", { format: hotplugFormat }),
    hugepages: text("root", { enum: ["any", "2", "1024"] }),
    "ipconfig[n]": propertyString("VM.Config.Cloudinit", "ipconfig0", optionSchemas.ipconfig, { family: 32, immediate: true }),
    ivshmem: propertyString("root", "ivshmem", optionSchemas.ivshmem),
    keephugepages: flag("root"),
    keyboard: text("VM.Config.Options", { enum: keyboards }),
    kvm: flag("VM.Config.HWType"),
    localtime: flag("VM.Config.Options"),
    lock: text("root", { enum: locks, immediate: true }),
    machine: propertyString("VM.Config.HWType", "machine", optionSchemas.machine),
    memory: propertyString("VM.Config.Memory", "memory", optionSchemas.memory),
    migrate_downtime: number("VM.Config.Options", { minimum: 0, immediate: true }),
    migrate_speed: integer("VM.Config.Options", { minimum: 0, immediate: true }),
    name: text("VM.Config.Options", { format: dnsNameFormat, immediate: true }),
    nameserver: cloudInit(),
    "net[n]": propertyString("VM.Config.Network", "net0", netSchema, { family: 32 }),
    numa: flag("VM.Config.CPU"),
    "numa[n]": propertyString("VM.Config.CPU", "numa0", optionSchemas.numa, { family: 8 }),
    onboot: flag("VM.Config.Options", { immediate: true }),
    ostype: text("VM.Config.Options", { enum: osTypes }),
    "parallel[n]": text("root", { pattern: /^(\/dev\/parport\d+|\/dev\/usb\/lp\d+)$/, family: 3 }),
    protection: flag("VM.Config.Options", { immediate: true }),
    reboot: flag("VM.Config.Options"),
    rng0: propertyString("VM.Config.HWType", "rng0", optionSchemas.rng0),
    scsihw: text("VM.Config.HWType", { enum: ["lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"] }),
    searchdomain: cloudInit(),
    "serial[n]": text("own", { pattern: era === "9.2" ? /^(\/dev\/[^,]+|socket)$/ : /^(\/dev\/.+|socket)$/, family: 4 }),
    shares: integer("VM.Config.Memory", { minimum: 0, maximum: 50_000, immediate: true }),
    smbios1: propertyString("VM.Config.HWType", "smbios1", optionSchemas.smbios1, { maxLength: 512 }),
    smp: integer("VM.Config.CPU", { minimum: 1 }),
    sockets: integer("VM.Config.CPU", { minimum: 1 }),
    spice_enhancements: propertyString("VM.Config.Options", "spice_enhancements", optionSchemas.spice_enhancements),
    sshkeys: cloudInit({ format: urlEncodedFormat }),
    startdate: text("VM.Config.Options", { pattern: /^(now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?)$/ }),
    startup: text("VM.Config.Options", { format: startupFormat, immediate: true }),
    tablet: flag("VM.Config.HWType"),
    tags: { type: "list", optional: true, guard: "own", format: tagFormat, immediate: true },
    tdf: flag("VM.Config.Options"),
    template: flag("VM.Config.Options"),
    tpmstate0: propertyString("own", "tpmstate0", driveSchema("tpmstate0")!),
    "unused[n]": propertyString("own", "unused0", driveSchema("unused0")!, { family: 256 }),
    "usb[n]": propertyString("own", "usb0", optionSchemas.usb, { family: 14 }),
    vcpus: integer("VM.Config.CPU", { minimum: 1 }),
    vga: propertyString("VM.Config.HWType", "vga", optionSchemas.vga),
    "virtiofs[n]": propertyString("own", "virtiofs0", optionSchemas.virtiofs, { family: 10 }),
    vmgenid: text("VM.Config.Options", { pattern: /^([a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])$/ }),
    vmstatestorage: text("VM.Config.Disk", { format: storageFormat, immediate: true }),
    watchdog: propertyString("VM.Config.HWType", "watchdog", optionSchemas.watchdog),
  };
  for (const [bus, size] of Object.entries(busSizes)) {
    options[`${bus}[n]`] = propertyString("own", `${bus}0`, driveSchema(`${bus}0`)!, { family: size });
  }
  if (era === "9.2") {
    options["allow-ksm"] = flag("VM.Config.Memory");
    options["intel-tdx"] = propertyString("root", "intel-tdx", optionSchemas["intel-tdx"]);
  }
  return options;
}

function cpuFormat(era: Era, value: string): string | undefined {
  try {
    return cpuError(era, parsePropertyString(optionSchemas.cpu, value, "cpu"));
  } catch (error) {
    if (error instanceof PropertyError) return error.message;
    throw error;
  }
}

/** `net[n]` becomes `net0`, `net1`, …: an error names the member. */
function expandFamilies(options: Record<string, GuestOption>): Record<string, GuestOption> {
  const expanded: Record<string, GuestOption> = {};
  for (const [key, { family, ...option }] of Object.entries(options)) {
    if (family === undefined) expanded[key] = option;
    for (let index = 0; index < (family ?? 0); index += 1) {
      const member = key.replace("[n]", String(index));
      expanded[member] = option.schema ? { ...option, format: propertyStringFormat(option.schema, member) } : option;
    }
  }
  return expanded;
}

const tables: Record<Era, Record<string, GuestOption>> = {
  "8.4": expandFamilies(guestOptions("8.4")),
  "9.2": expandFamilies(guestOptions("9.2")),
};

/** Options of an era as a parameter table. */
export function optionTable(era: Era): ParameterTable {
  return tables[era];
}

/** `undefined` for an unknown key. */
export function findOption(era: Era, key: string): GuestOption | undefined {
  return Object.hasOwn(tables[era], key) ? tables[era][key] : undefined;
}
