/** What each storage type can do: image formats, how volumes are named, where the bytes go. */
import type { StorageState } from "../kernel";
import type { Era } from "../state";

export interface StorageTraits {
  /** `file`: images in per-guest directories. `block`: one device per image. `datastore`: a Proxmox Backup Server. */
  naming: "file" | "block" | "datastore";
  /** Image formats, the default first. */
  formats: readonly string[];
  /** Reached over the cluster's network link. */
  remote: boolean;
  /** Space is taken when blocks are written, not when the volume is allocated. */
  thin: boolean;
  /** Formats whose volumes can be snapshotted. */
  snapshotFormats: readonly string[];
  /** Sizes are rounded up to a multiple of this many bytes. */
  extentBytes: number;
  /** What `content` may name. */
  content: readonly string[];
  /** How Proxmox calls such a volume name in an error. */
  nameKind: string;
}

const mebibyte = 1024 * 1024;
const fileContent = ["images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import"];
const file: StorageTraits = {
  naming: "file",
  formats: ["raw", "qcow2", "vmdk"],
  remote: false,
  thin: true,
  snapshotFormats: ["qcow2"],
  extentBytes: 1,
  content: fileContent,
  nameKind: "directory",
};
const block: StorageTraits = { ...file, naming: "block", formats: ["raw"], content: ["images", "rootdir"] };

const traits: Record<StorageState["type"], StorageTraits> = {
  dir: file,
  nfs: { ...file, remote: true },
  cifs: { ...file, remote: true },
  lvm: { ...block, thin: false, snapshotFormats: [], extentBytes: 4 * mebibyte, nameKind: "lvm" },
  lvmthin: { ...block, snapshotFormats: ["raw"], extentBytes: 4 * mebibyte, nameKind: "lvm" },
  zfspool: { ...block, snapshotFormats: ["raw"], extentBytes: mebibyte, nameKind: "zfs" },
  rbd: { ...block, remote: true, snapshotFormats: ["raw"], nameKind: "rbd" },
  pbs: { ...file, naming: "datastore", formats: [], remote: true, snapshotFormats: [], content: ["backup"], nameKind: "PBS" },
};

export function traitsOf(storage: StorageState): StorageTraits {
  const found = traits[storage.type];
  // A ZFS volume without `sparse` reserves its whole size.
  return storage.type === "zfspool" && storage.options.sparse !== "1" ? { ...found, thin: false } : found;
}

/** The format for a new image: the wanted one when the storage has it, else the storage's default. */
export function imageFormat(storage: StorageState, wanted?: string): string {
  const { formats } = traitsOf(storage);
  if (wanted !== undefined && formats.includes(wanted)) return wanted;
  const configured = storage.options.format;
  return (configured !== undefined && formats.includes(configured) ? configured : formats[0]) ?? "raw";
}

export function roundedSizeBytes(storage: StorageState, sizeBytes: number): number {
  const { extentBytes } = traitsOf(storage);
  return Math.ceil(sizeBytes / extentBytes) * extentBytes;
}

/** The directory of a file storage. */
export function storageDirectory(storage: StorageState): string {
  return storage.options.path ?? `/mnt/pve/${storage.storage}`;
}

/** Types Proxmox knows; those without an entry above cannot be made here. */
export function storageTypes(era: Era): string[] {
  const common = [
    "btrfs",
    "cephfs",
    "cifs",
    "dir",
    "esxi",
    "glusterfs",
    "iscsi",
    "iscsidirect",
    "lvm",
    "lvmthin",
    "nfs",
    "pbs",
    "rbd",
    "zfs",
    "zfspool",
  ];
  return era === "8.4" ? common : common.filter((type) => type !== "glusterfs");
}
