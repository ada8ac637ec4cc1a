/**
 * A guest in Proxmox's own terms, as far as we manage it. `check` renders the declared shape, `read` observes the live
 * one; diff, update and drift are the same comparison of the two.
 */

export interface GuestShape {
  /** Plain configuration keys: `cores`, `memory`, `name`, … */
  scalars: Record<string, string>;
  /** Own disks by slot, `scsi0` to `scsi15`. */
  disks: Record<string, DiskShape>;
  /** By slot, `net0`, … */
  networks: Record<string, NetworkShape>;
  /** Storage of the cloud-init drive on `ide2`. */
  cloudInitStorage?: string;
  /** Sorted, with the identity tag. */
  tags: string[];
  /** Description without the mark. */
  text: string;
  /** Of its place, as the mark carries it; absent: none, or a mark that says nothing of it. */
  demands?: string;
  running: boolean;
}

export interface DiskShape {
  storage: string;
  sizeBytes: number;
  /** `discard`, `iothread`, `ssd`, `cache`. */
  options: Record<string, string>;
  /** Volid to import from at creation; not compared. */
  importFrom?: string;
}

export interface NetworkShape {
  model: string;
  bridge: string;
  vlan?: number;
  mtu?: number;
  firewall?: boolean;
  /** Absent in a declared shape: Proxmox's choice is kept. */
  mac?: string;
}

export interface ShapeChange {
  /** `cores`, `disks.scsi1.sizeBytes`, … */
  path: string;
  from: string;
  to: string;
  /** Takes effect only at the next start of a running guest. */
  needsRestart: boolean;
}

/** Long, or nobody else's business: that they differ is told, and not what they are. */
const UNQUOTED = new Set(["description", "demands", "sshkeys", "ciuser"]);

/** `cores is 8, declared 4` */
export function describeDifference({ path, from, to }: ShapeChange): string {
  const quote = (text: string) => (text === "" ? "absent" : text);
  return UNQUOTED.has(path) ? `${path} is not as declared` : `${path} is ${quote(from)}, declared ${quote(to)}`;
}

/** `cores 2 → 4` */
export function describeChange({ path, from, to }: ShapeChange): string {
  return UNQUOTED.has(path) ? path : `${path} ${from || "none"} → ${to || "none"}`;
}

/** Keys Proxmox changes in a running guest without a restart. */
const LIVE_KEYS = new Set(["name", "onboot", "startup", "boot", "balloon"]);

/** Slots of attached ProxmoxDisks, never compared: they belong to the disks' own resources. */
export function isOwnDiskSlot(key: string): boolean {
  const match = /^scsi(\d+)$/.exec(key);
  return match !== null && Number(match[1]) < 16;
}

/** Everything in which the observed guest differs from the declared one; empty = no drift. */
export function compareShapes(declared: GuestShape, observed: GuestShape): ShapeChange[] {
  return [
    ...compareScalars(declared, observed),
    ...compareDisks(declared, observed),
    ...compareNetworks(declared, observed),
    ...compareValue("cloudInit.storage", declared.cloudInitStorage, observed.cloudInitStorage, true),
    ...compareValue("tags", declared.tags.join(" "), observed.tags.join(" "), false),
    ...compareValue("description", declared.text, observed.text, false),
    ...compareValue("demands", declared.demands, observed.demands, false),
    ...compareValue("running", String(declared.running), String(observed.running), false),
  ];
}

function compareValue(path: string, to: string | undefined, from: string | undefined, needsRestart: boolean): ShapeChange[] {
  return to === from ? [] : [{ path, from: from ?? "", to: to ?? "", needsRestart }];
}

function compareScalars(declared: GuestShape, observed: GuestShape): ShapeChange[] {
  const keys = [...new Set([...Object.keys(declared.scalars), ...Object.keys(observed.scalars)])].sort();
  return keys.flatMap((key) => compareValue(key, declared.scalars[key], observed.scalars[key], !LIVE_KEYS.has(key)));
}

function compareDisks(declared: GuestShape, observed: GuestShape): ShapeChange[] {
  const slots = [...new Set([...Object.keys(declared.disks), ...Object.keys(observed.disks)])].sort();
  return slots.flatMap((slot) => {
    const want = declared.disks[slot];
    const have = observed.disks[slot];
    if (!want || !have) return compareValue(`disks.${slot}`, want && describeDisk(want), have && describeDisk(have), false);
    return [
      ...compareValue(`disks.${slot}.storage`, want.storage, have.storage, false),
      ...compareValue(`disks.${slot}.sizeBytes`, String(want.sizeBytes), String(have.sizeBytes), false),
      ...compareValue(`disks.${slot}.options`, formatOptions(want.options), formatOptions(have.options), true),
    ];
  });
}

function describeDisk(disk: DiskShape): string {
  return `${disk.sizeBytes} bytes on ${disk.storage}`;
}

export function formatOptions(options: Record<string, string>): string {
  return Object.keys(options)
    .sort()
    .map((key) => `${key}=${options[key]}`)
    .join(",");
}

function compareNetworks(declared: GuestShape, observed: GuestShape): ShapeChange[] {
  const slots = [...new Set([...Object.keys(declared.networks), ...Object.keys(observed.networks)])].sort();
  return slots.flatMap((slot) => {
    const want = declared.networks[slot];
    const have = observed.networks[slot];
    // A MAC that nobody declared is Proxmox's business and no difference.
    const comparable = have && want && want.mac === undefined ? { ...have, mac: undefined } : have;
    return compareValue(slot, want && formatNetwork(want), comparable && formatNetwork(comparable), false);
  });
}

export function formatNetwork(network: NetworkShape): string {
  const parts = [network.mac === undefined ? network.model : `${network.model}=${network.mac}`, `bridge=${network.bridge}`];
  if (network.firewall !== undefined) parts.push(`firewall=${network.firewall ? 1 : 0}`);
  if (network.mtu !== undefined) parts.push(`mtu=${network.mtu}`);
  if (network.vlan !== undefined) parts.push(`tag=${network.vlan}`);
  return parts.join(",");
}
