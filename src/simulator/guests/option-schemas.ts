/** Property strings of guest options other than drives and network cards. */
import { bootOrderFormat, configIdFormat, volumeIdFormat } from "./formats";
import type { Property, PropertySchema } from "./property-string";

const string = (rules: Omit<Property, "type"> = {}): Property => ({ type: "string", optional: true, ...rules });
const flag: Property = { type: "boolean", optional: true };
const integer = (rules: Omit<Property, "type"> = {}): Property => ({ type: "integer", optional: true, ...rules });
const schema = (properties: Record<string, Property>, aliases?: Record<string, string>): PropertySchema => ({
  properties,
  ...(aliases ? { aliases } : {}),
});

function physBitsFormat(value: string): string | undefined {
  return /^(8|9|[1-5]\d|6[0-4]|host)$/.test(value) ? undefined : "value must be an integer between 8 and 64 or 'host'";
}

const cpuRanges = /^\d+(-\d+)?(;\d+(-\d+)?)*$/;
const machinePattern =
  /^(pc|pc(-i440fx)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|q35|pc-q35-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|virt(-\d+(\.\d+)+)?(\+pve\d+)?)$/;
const vgaTypes = [
  "cirrus",
  "qxl",
  "qxl2",
  "qxl3",
  "qxl4",
  "none",
  "serial0",
  "serial1",
  "serial2",
  "serial3",
  "std",
  "virtio",
  "virtio-gl",
  "vmware",
];
const usbDevice = /^((0x)?[0-9A-Fa-f]{4}:(0x)?[0-9A-Fa-f]{4}|\d+-\d+(\.\d+)*|spice)$/i;
const pciDevice =
  /^([0-9A-Fa-f]{4}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}(\.[0-9A-Fa-f])?(;([0-9A-Fa-f]{4}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}(\.[0-9A-Fa-f])?)*$/;
const address = string({ pattern: /^[0-9a-fA-F.:/]+$|^dhcp$|^auto$/ });
const encoded = string({ pattern: /^[A-Za-z0-9+/]*={0,2}$|^[^,]*$/ });

export const optionSchemas = {
  agent: schema(
    {
      enabled: { type: "boolean", defaultKey: true },
      type: string({ enum: ["virtio", "isa"] }),
      "freeze-fs": flag,
      fstrim_cloned_disks: flag,
    },
    { "freeze-fs-on-backup": "freeze-fs", "guest-fsfreeze": "freeze-fs" },
  ),
  audio0: schema({
    device: { type: "string", enum: ["ich9-intel-hda", "intel-hda", "AC97"] },
    driver: string({ enum: ["spice", "none"] }),
  }),
  "amd-sev": schema({
    type: { type: "string", defaultKey: true, enum: ["std", "es", "snp"] },
    "no-debug": flag,
    "no-key-sharing": flag,
    "allow-smt": flag,
    "kernel-hashes": flag,
  }),
  "intel-tdx": schema({ type: { type: "string", defaultKey: true, enum: ["tdx"] }, attestation: { type: "boolean" } }),
  boot: schema({ legacy: string({ defaultKey: true, pattern: /^[acdn]{1,4}$/ }), order: string({ format: bootOrderFormat }) }),
  cicustom: schema({
    meta: string({ format: volumeIdFormat }),
    network: string({ format: volumeIdFormat }),
    user: string({ format: volumeIdFormat }),
    vendor: string({ format: volumeIdFormat }),
  }),
  cpu: schema({
    cputype: string({ defaultKey: true }),
    "reported-model": string(),
    hidden: flag,
    "hv-vendor-id": string({ pattern: /^[a-zA-Z0-9]{1,12}$/ }),
    flags: string({ pattern: /^[+-][a-zA-Z0-9\-_.]+(;[+-][a-zA-Z0-9\-_.]+)*$/ }),
    "phys-bits": string({ format: physBitsFormat }),
    "guest-phys-bits": integer({ minimum: 32, maximum: 64 }),
  }),
  hostpci: schema({
    host: string({ defaultKey: true, pattern: pciDevice }),
    mapping: string({ format: configIdFormat }),
    rombar: flag,
    romfile: string(),
    pcie: flag,
    "x-vga": flag,
    "legacy-igd": flag,
    mdev: string(),
    "vendor-id": string(),
    "device-id": string(),
    "sub-vendor-id": string(),
    "sub-device-id": string(),
  }),
  ipconfig: schema({ ip: address, gw: { ...address, requires: "ip" }, ip6: address, gw6: { ...address, requires: "ip6" } }),
  ivshmem: schema({ size: { type: "integer", minimum: 1 }, name: string({ pattern: /^[a-zA-Z0-9-]+$/ }) }),
  machine: schema({
    type: string({ defaultKey: true, pattern: machinePattern, maxLength: 40 }),
    viommu: string({ enum: ["intel", "virtio"] }),
    "aw-bits": { type: "number", optional: true, minimum: 32, maximum: 64 },
    "enable-s3": flag,
    "enable-s4": flag,
  }),
  memory: schema({ current: { type: "integer", defaultKey: true, minimum: 16 } }),
  numa: schema({
    cpus: { type: "string", pattern: cpuRanges },
    memory: { type: "number", optional: true },
    hostnodes: string({ pattern: cpuRanges }),
    policy: string({ enum: ["preferred", "bind", "interleave"] }),
  }),
  rng0: schema({
    source: { type: "string", defaultKey: true, enum: ["/dev/urandom", "/dev/random", "/dev/hwrng"] },
    max_bytes: integer(),
    period: integer(),
  }),
  smbios1: schema({
    uuid: string({ pattern: /^[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}$/ }),
    manufacturer: encoded,
    product: encoded,
    version: encoded,
    serial: encoded,
    sku: encoded,
    family: encoded,
    base64: flag,
  }),
  spice_enhancements: schema({ foldersharing: flag, videostreaming: string({ enum: ["off", "all", "filter"] }) }),
  usb: schema({ host: string({ defaultKey: true, pattern: usbDevice }), mapping: string({ format: configIdFormat }), usb3: flag }),
  vga: schema({
    type: string({ defaultKey: true, enum: vgaTypes }),
    memory: integer({ minimum: 4, maximum: 512 }),
    clipboard: string({ enum: ["vnc"] }),
  }),
  virtiofs: schema({
    dirid: { type: "string", defaultKey: true, format: configIdFormat },
    cache: string({ enum: ["auto", "always", "metadata", "never"] }),
    "direct-io": flag,
    "expose-acl": flag,
    "expose-xattr": flag,
  }),
  watchdog: schema({
    model: string({ defaultKey: true, enum: ["i6300esb", "ib700"] }),
    action: string({ enum: ["reset", "shutdown", "poweroff", "pause", "debug", "none"] }),
  }),
} as const satisfies Record<string, PropertySchema>;
