/** Backup archives: their names, compression and the guest configuration inside. */
import type { StorageState, VolumeState } from "../kernel";
import { repositoryOf, volumePath } from "../volumes/names";
import type { FoundVolume } from "../volumes/volumes";

/** How much smaller data gets; the same for every block, so that sizes can be predicted. */
const compression: Record<string, { suffix: string; factor: number; unpack: string }> = {
  "0": { suffix: "", factor: 1, unpack: "" },
  zstd: { suffix: ".zst", factor: 0.5, unpack: "zstd -q -d -c" },
  gzip: { suffix: ".gz", factor: 0.5, unpack: "zcat" },
  lzo: { suffix: ".lzo", factor: 0.6, unpack: "lzop -d -c" },
};

export function compressionOf(compress: string | undefined): { suffix: string; factor: number } {
  return compression[compress === "1" ? "lzo" : (compress ?? "0")] ?? compression["0"]!;
}

/** `2026_11_22-05_50_30` of virtual time, in UTC. */
export function archiveTime(ms: number): string {
  return new Date(ms)
    .toISOString()
    .slice(0, 19)
    .replace("T", "-")
    .replaceAll("-", "_")
    .replaceAll(":", "_")
    .replace(/^(\d+_\d+_\d+)_/, "$1-");
}

/** `2026-11-22 05:50:30` as task logs write it. */
export function logTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** What a vma archive takes beside its data: header, configuration and an index of 512 bytes per 4 MiB of disk. */
export function archiveOverheadBytes(diskBytes: number, compress: string | undefined): number {
  return compressionOf(compress).factor === 1 ? 13_824 + 512 * Math.ceil(diskBytes / (4 * 1024 * 1024)) : 2_560;
}

/** The shell command that reads a vma archive, as task logs and errors quote it. */
export function extractCommand(found: FoundVolume, pid: number, limitKibibytes: number | undefined): string {
  const path = volumePath(found.storage, found.name);
  const temporary = `/var/tmp/vzdumptmp${pid}`;
  const unpack = Object.values(compression).find(({ suffix }) => suffix !== "" && path.endsWith(suffix))?.unpack;
  const limit = limitKibibytes ? `cstream -t ${limitKibibytes * 1024} -- ${path}` : undefined;
  const stages = limit ? [limit, ...(unpack === undefined ? [] : [`${unpack} -`])] : unpack === undefined ? [] : [`${unpack} ${path}`];
  const source = stages.length === 0 ? path : "-";
  return [...stages, `vma extract -v -r ${temporary}.fifo ${source} ${temporary}`].join(" | ");
}

/** How the backup client is called to learn what a backup holds. */
export function indexCommand(found: FoundVolume, pid: number): string {
  const { storage, name } = found;
  const crypt = storage.keyFingerprint === undefined ? "'--crypt-mode=none'" : "'--crypt-mode=encrypt' '--keyfd=12'";
  const namespace = storage.options.namespace ? ` --ns ${storage.options.namespace}` : "";
  const target = `/var/tmp/vzdumptmp${pid}/index.json`;
  return `/usr/bin/proxmox-backup-client restore ${crypt} ${name.name} index.json ${target} --repository ${repositoryOf(storage)}${namespace}`;
}

/** What the backup client is called with for one disk. */
export function datastoreRestoreCommand(found: FoundVolume, driveKey: string, target: string, format: string): string {
  const { storage, name } = found;
  const namespace = storage.options.namespace ? ` --ns ${storage.options.namespace}` : "";
  const keyfile = storage.keyFingerprint === undefined ? "" : ` --keyfile /etc/pve/priv/storage/${storage.storage}.enc`;
  return `/usr/bin/pbs-restore --repository ${repositoryOf(storage)}${namespace} ${name.name} drive-${driveKey}.img.fidx ${target} --verbose --format ${format}${keyfile} --skip-zero`;
}

export type Archive = NonNullable<VolumeState["archive"]>;

export interface SnapshotFile {
  filename: string;
  sizeBytes: number;
  cryptMode: "none" | "encrypt" | "sign-only";
}

/** The files of a backup on a datastore. The index itself is only signed. */
export function snapshotFiles(archive: Pick<Archive, "config" | "disks" | "keyFingerprint">): SnapshotFile[] {
  const cryptMode = archive.keyFingerprint === undefined ? "none" : "encrypt";
  const disks = Object.keys(archive.disks).sort();
  const images = disks.map((key) => ({ filename: `drive-${key}.img.fidx`, sizeBytes: archive.disks[key]!.sizeBytes, cryptMode }) as const);
  const config = { filename: "qemu-server.conf.blob", sizeBytes: Buffer.byteLength(archive.config) + 12, cryptMode } as const;
  const index = {
    filename: "index.json.blob",
    sizeBytes: 300 + 150 * disks.length,
    cryptMode: cryptMode === "none" ? "none" : "sign-only",
  } as const;
  return [...images, index, config];
}

export function isDatastore(storage: StorageState): boolean {
  return storage.type === "pbs";
}
