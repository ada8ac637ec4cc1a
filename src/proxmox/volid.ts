import { FormatError } from "./errors";

export interface Volid {
  storage: string;
  /** Everything after the colon; its form depends on the storage's type, see {@link parseVolname}. */
  volname: string;
}

/** Splits `local:100/vm-100-disk-0.raw`. Throws {@link FormatError}. */
export function parseVolid(text: string): Volid {
  const match = /^([A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]|[A-Za-z]):(\S.*)$/.exec(text);
  if (match === null) throw new FormatError("volid", text, "it has the form storage:volume");
  return { storage: match[1]!, volname: match[2]! };
}

export function isVolid(text: string): boolean {
  return /^(?:[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]|[A-Za-z]):\S/.test(text);
}

export function formatVolid({ storage, volname }: Volid): string {
  return `${storage}:${volname}`;
}

export interface Volname {
  content: "images" | "iso" | "vztmpl" | "backup" | "snippets" | "import" | "rootdir";
  /** Name without directories; of a PBS archive its snapshot, `vm/100/2026-01-01T00:00:00Z`. */
  name: string;
  /** The guest it belongs to: Proxmox knows ownership by name only. */
  vmid?: number;
  /** Base image of a linked clone, and the template that owns it. */
  base?: { name: string; vmid: number };
  /** It is a template's base image. */
  isBase: boolean;
  /** As the name tells it: `raw`, `qcow2`, `vmdk`, `subvol`, `pbs-vm`, `pbs-ct`, `pbs-host`. */
  format: string;
}

const fileTypes = new Set(["dir", "nfs", "cifs", "cephfs", "btrfs", "glusterfs"]);

/** What a volume's name says on a storage of that type (`dir`, `lvmthin`, `pbs`, …). Throws {@link FormatError}. */
export function parseVolname(type: string, volname: string): Volname {
  const parsed = type === "pbs" ? parsePbsName(volname) : fileTypes.has(type) ? parseFileName(volname) : parseBlockName(type, volname);
  if (parsed === undefined) throw new FormatError(`volume name of a ${type} storage`, volname, "no known form fits");
  return parsed;
}

/** Vmid that owns a volume, or `undefined` where the name tells none (ISO images, foreign names). */
export function ownerOf(type: string, volname: string): number | undefined {
  try {
    return parseVolname(type, volname).vmid;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function parsePbsName(volname: string): Volname | undefined {
  const match = /^backup\/((vm|ct|host)\/([^\s/]+)\/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/.exec(volname);
  if (match === null) return undefined;
  const owner = match[2] !== "host" && /^\d+$/.test(match[3]!) ? { vmid: Number(match[3]) } : {};
  return { content: "backup", name: match[1]!, ...owner, isBase: false, format: `pbs-${match[2]}` };
}

/** Directory storages: content by subdirectory, images by `vmid/name.format`. */
function parseFileName(volname: string): Volname | undefined {
  const linked = /^(\d+)\/([^/\s]+)\/(\d+)\/([^/\s]+)$/.exec(volname);
  if (linked !== null) {
    const format = imageFormat(linked[4]!);
    if (format === undefined || imageFormat(linked[2]!) === undefined) return undefined;
    return { ...image(linked[4]!, Number(linked[3]), format), base: { name: linked[2]!, vmid: Number(linked[1]) } };
  }
  const plain = /^(\d+)\/([^/\s]+)$/.exec(volname);
  if (plain !== null) {
    const format = imageFormat(plain[2]!);
    return format === undefined ? undefined : image(plain[2]!, Number(plain[1]), format);
  }
  return parseFileContent(volname);
}

function image(name: string, vmid: number, format: string): Volname {
  return { content: "images", name, vmid, isBase: /^base(?:vol)?-/.test(name), format };
}

function imageFormat(name: string): string | undefined {
  return /\.(raw|qcow2|vmdk|subvol)$/.exec(name)?.[1];
}

function parseFileContent(volname: string): Volname | undefined {
  const [, directory, name] = /^(iso|vztmpl|backup|snippets|import)\/([^/]+)$/.exec(volname) ?? [];
  if (directory === undefined || name === undefined) return undefined;
  const plain = { name, isBase: false, format: "raw" };
  switch (directory) {
    case "iso":
      return /\.(?:iso|img)$/i.test(name) ? { content: "iso", ...plain } : undefined;
    case "vztmpl":
      return /\.tar(?:\.(?:gz|xz|zst|bz2))?$/.test(name) ? { content: "vztmpl", ...plain } : undefined;
    case "snippets":
      return { content: "snippets", ...plain };
    case "import": {
      const format = /\.(raw|qcow2|vmdk|ova|ovf)$/.exec(name)?.[1];
      return format === undefined ? undefined : { content: "import", ...plain, format };
    }
    default: {
      if (!/\.(?:tar|tgz|vma|tar\.gz|tar\.zst|tar\.lzo|vma\.gz|vma\.zst|vma\.lzo)$/.test(name)) return undefined;
      const owner = /^vzdump-(?:qemu|lxc|openvz)-(\d+)-/.exec(name)?.[1];
      return { content: "backup", ...plain, ...(owner === undefined ? {} : { vmid: Number(owner) }) };
    }
  }
}

/** LVM, LVM-thin, ZFS, RBD: `vm-100-disk-0`, linked clones behind `base-9-disk-0/` where the type has them. */
function parseBlockName(type: string, volname: string): Volname | undefined {
  const linkedClones = type === "zfspool" || type === "rbd" || type === "zfs";
  const match = /^(?:((base|basevol)-(\d+)-[^/\s]+)\/)?((vm|base|subvol|basevol)-(\d+)-[^/\s]+)$/.exec(volname);
  if (match === null || (match[1] !== undefined && !linkedClones)) return undefined;
  const name = match[4]!;
  const format = match[5] === "subvol" || match[5] === "basevol" ? "subvol" : type === "lvm" && name.endsWith(".qcow2") ? "qcow2" : "raw";
  const base = match[1] === undefined ? {} : { base: { name: match[1], vmid: Number(match[3]) } };
  return { ...image(name, Number(match[6]), format), ...base };
}
