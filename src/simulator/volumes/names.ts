/** Volume ids and volume names: `store:100/vm-100-disk-0.qcow2`, `thin:base-9-disk-0`, `pbs:backup/vm/100/2026-01-01T00:00:00Z`. */
import type { StorageState, VolumeState } from "../kernel";
import { fail } from "./calls";
import { storageDirectory, traitsOf } from "./types";

export interface Volid {
  storage: string;
  volname: string;
}

export interface VolumeName {
  content: VolumeState["content"];
  /** Last part: file name, logical volume, snapshot path of a datastore. */
  name: string;
  /** The guest whose number is in the name. */
  vmid?: number;
  format: string;
  /** Made read-only for linked clones. */
  isBase: boolean;
  /** Linked clone: volname of its base. */
  base?: string;
  /** As the backend files it; storages on one place agree on it. */
  key: string;
}

export function parseVolid(volid: string): Volid | undefined {
  const match = /^([a-z][a-z0-9\-_.]*[a-z0-9]):(.+)$/i.exec(volid);
  return match ? { storage: match[1]!, volname: match[2]! } : undefined;
}

export function formatVolid(storage: string, volname: string): string {
  return `${storage}:${volname}`;
}

/** Throws Proxmox's `unable to parse … name '…'`. */
export function parseVolname(storage: StorageState, volname: string): VolumeName {
  const { naming } = traitsOf(storage);
  if (naming === "datastore") return parseDatastoreName(storage, volname);
  return naming === "file" ? parseFileName(volname) : parseBlockName(storage, volname);
}

const fileContents: { content: VolumeState["content"]; pattern: RegExp }[] = [
  { content: "iso", pattern: /^iso\/([^/]+\.(?:iso|img))$/i },
  { content: "vztmpl", pattern: /^vztmpl\/([^/]+\.tar(?:\.(?:gz|xz|zst|bz2))?)$/ },
  { content: "snippets", pattern: /^snippets\/([^/]+)$/ },
  { content: "import", pattern: /^import\/([^/]+\.(?:ova|ovf|raw|qcow2|vmdk))$/ },
];

const archivePattern = /^backup\/([^/]+\.(?:tgz|(?:tar|vma)(?:\.(?:gz|lzo|zst|bz2))?))$/;

function parseFileName(volname: string): VolumeName {
  const clone = /^(\d+)\/(\S+)\/(\d+)\/(\S+)$/.exec(volname);
  if (clone) {
    imageFileFormat(clone[2]!);
    const name = clone[4]!;
    return {
      content: "images",
      name,
      vmid: Number(clone[3]),
      format: imageFileFormat(name),
      isBase: name.startsWith("base-"),
      base: `${clone[1]}/${clone[2]}`,
      key: `${clone[3]}/${name}`,
    };
  }
  const image = /^(\d+)\/(\S+)$/.exec(volname);
  if (image) {
    const name = image[2]!;
    return {
      content: "images",
      name,
      vmid: Number(image[1]),
      format: imageFileFormat(name),
      isBase: name.startsWith("base-"),
      key: volname,
    };
  }
  const archive = archivePattern.exec(volname);
  if (archive) {
    const name = archive[1]!;
    const owner = /^vzdump-(?:qemu|lxc)-(\d+)-/.exec(name);
    return { content: "backup", name, ...(owner ? { vmid: Number(owner[1]) } : {}), format: "raw", isBase: false, key: name };
  }
  for (const { content, pattern } of fileContents) {
    const match = pattern.exec(volname);
    if (!match) continue;
    const suffix = content === "import" ? /\.(raw|qcow2|vmdk)$/.exec(match[1]!)?.[1] : undefined;
    return { content, name: match[1]!, format: suffix ?? "raw", isBase: false, key: volname };
  }
  return fail(`unable to parse directory volume name '${volname}'`);
}

/** Format of an image file; throws `unable to parse volume filename '…'`. */
export function imageFileFormat(name: string): string {
  const match = /^(?:base-)?[^/\s]+\.(raw|qcow2|vmdk|subvol)$/.exec(name);
  return match ? match[1]! : fail(`unable to parse volume filename '${name}'`);
}

function parseBlockName(storage: StorageState, volname: string): VolumeName {
  const { nameKind } = traitsOf(storage);
  const parts = volname.split("/");
  if (storage.type === "lvm" || storage.type === "lvmthin") {
    if (!/^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*$/.test(volname)) return fail(`lvm name '${volname}' contains illegal characters`);
  }
  const name = parts.at(-1)!;
  const match = /^(?:vm|base|subvol|basevol)-(\d+)-\S+$/.exec(name);
  const base = parts.length === 2 ? parts[0] : undefined;
  if (!match || parts.length > 2 || (base !== undefined && !/^base(?:vol)?-\d+-\S+$/.test(base))) {
    return fail(`unable to parse ${nameKind} volume name '${volname}'`);
  }
  return {
    content: "images",
    name,
    vmid: Number(match[1]),
    format: name.includes("subvol") ? "subvol" : "raw",
    isBase: name.startsWith("base"),
    ...(base !== undefined ? { base } : {}),
    key: name,
  };
}

function parseDatastoreName(storage: StorageState, volname: string): VolumeName {
  const match = /^backup\/((vm|ct|host)\/([^\s_/][^\s/]*)\/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))$/.exec(volname);
  if (!match) return fail(`unable to parse PBS volume name '${volname}'`);
  const vmid = /^\d+$/.test(match[3]!) ? Number(match[3]) : undefined;
  return {
    content: "backup",
    name: match[1]!,
    ...(vmid === undefined ? {} : { vmid }),
    format: `pbs-${match[2]}`,
    isBase: false,
    key: `${storage.options.namespace ?? ""}:${match[1]}`,
  };
}

/** The inverse of a volname's `key`; `undefined` when this storage does not show such a volume. */
export function volnameOfKey(storage: StorageState, key: string, volume: VolumeState): string | undefined {
  const { naming } = traitsOf(storage);
  if (naming === "datastore") {
    const prefix = `${storage.options.namespace ?? ""}:`;
    return key.startsWith(prefix) ? `backup/${key.slice(prefix.length)}` : undefined;
  }
  if (volume.content === "backup") return `backup/${key}`;
  // lvmthin keeps no trace of the base in the name.
  return volume.base !== undefined && storage.type !== "lvmthin" ? `${volume.base}/${key}` : key;
}

/** The volume's path on a node, as task logs and attributes show it. */
export function volumePath(storage: StorageState, name: VolumeName): string {
  if (traitsOf(storage).naming === "file") {
    const directory = storageDirectory(storage);
    const subdirectories = {
      images: `images/${name.vmid}`,
      backup: "dump",
      iso: "template/iso",
      vztmpl: "template/cache",
      rootdir: "private",
    };
    const subdirectory = name.content in subdirectories ? subdirectories[name.content as keyof typeof subdirectories] : name.content;
    return `${directory}/${subdirectory}/${name.name}`;
  }
  if (storage.type === "zfspool") return `/dev/zvol/${storage.options.pool ?? storage.storage}/${name.name}`;
  if (storage.type === "rbd") return `rbd:${storage.options.pool ?? "rbd"}/${name.name}`;
  if (storage.type === "pbs") return `${repositoryOf(storage)}:${name.name}`;
  return `/dev/${storage.options.vgname ?? storage.storage}/${name.name}`;
}

/** `user@host:datastore` as the backup client names it. */
export function repositoryOf(storage: StorageState): string {
  return `${storage.options.username ?? "root@pam"}@${storage.options.server ?? "localhost"}:${storage.options.datastore ?? "store"}`;
}
