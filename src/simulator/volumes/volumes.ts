/** Volumes of a node's storages: find, allocate, free, rename. State changes only; time passes in the callers. */
import type { BackendState, StorageState, VolumeState } from "../kernel";
import { backendFreeBytes } from "../usage";
import { fail, type Place } from "./calls";
import { formatVolid, imageFileFormat, parseVolid, parseVolname, type VolumeName, volnameOfKey, volumePath } from "./names";
import { getBackend, getStorage, getUsableStorage } from "./storages";
import { imageFormat, roundedSizeBytes, traitsOf } from "./types";

export interface FoundVolume {
  volid: string;
  storage: StorageState;
  backend: BackendState;
  name: VolumeName;
  volume: VolumeState;
}

type Log = (line: string) => void;

/** Storage and parsed name of a volid; throws for a malformed one or an unknown storage. */
export function resolveVolid(place: Place, volid: string): { storage: StorageState; name: VolumeName } {
  const parsed = parseVolid(volid);
  if (!parsed) return fail(`unable to parse volume ID '${volid}'`);
  const storage = getStorage(place.cluster, parsed.storage);
  return { storage, name: parseVolname(storage, parsed.volname) };
}

/** `undefined` when the storage has no such volume; throws when the storage itself cannot be used. */
export function findVolume(place: Place, volid: string): FoundVolume | undefined {
  const { storage, name } = resolveVolid(place, volid);
  getUsableStorage(place, storage.storage);
  const backend = getBackend(place, storage);
  const volume = backend.volumes[name.key];
  return volume ? { volid, storage, backend, name, volume } : undefined;
}

/** Throws `volume '…' does not exist`. */
export function getVolume(place: Place, volid: string): FoundVolume {
  return findVolume(place, volid) ?? fail(`volume '${volid}' does not exist`);
}

/** The guest number in a volid's name: who owns the volume. */
export function ownerOf(place: Place, volid: string): number | undefined {
  return resolveVolid(place, volid).name.vmid;
}

/** Everything a storage shows on this node, sorted by volid. */
export function listVolumes(place: Place, storage: StorageState): FoundVolume[] {
  const backend = getBackend(place, storage);
  const found: FoundVolume[] = [];
  for (const [key, volume] of Object.entries(backend.volumes)) {
    const volname = volnameOfKey(storage, key, volume);
    if (volname === undefined || !storage.content.includes(volume.content)) continue;
    found.push({ volid: formatVolid(storage.storage, volname), storage, backend, volume, name: parseVolname(storage, volname) });
  }
  return found.sort((a, b) => (a.volid < b.volid ? -1 : a.volid > b.volid ? 1 : 0));
}

export interface Allocation {
  storage: string;
  vmid: number;
  sizeBytes: number;
  format?: string;
  /** `vm-100-cloudinit` instead of the next free `vm-100-disk-N`; without suffix. */
  stem?: string;
  /** Whole file name as the caller chose it. */
  filename?: string;
}

/** Creates an empty image and returns its volid. Throws when the name is taken or the place is full. */
export function allocateVolume(place: Place, allocation: Allocation, log: Log): string {
  const storage = getUsableStorage(place, allocation.storage);
  const backend = getBackend(place, storage);
  const { vmid } = allocation;
  const fileNamed = traitsOf(storage).naming === "file";
  const format =
    allocation.filename !== undefined && fileNamed ? imageFileFormat(allocation.filename) : imageFormat(storage, allocation.format);
  const name = allocation.filename ?? withSuffix(storage, allocation.stem ?? freeStem(backend, vmid, "vm"), format);
  const volname = fileNamed ? `${vmid}/${name}` : name;
  const parsed = parseVolname(storage, volname);
  const path = volumePath(storage, parsed);
  if (backend.volumes[parsed.key]) fail(fileNamed ? `disk image '${path}' already exists` : `volume '${volname}' already exists`);
  const sizeBytes = roundedSizeBytes(storage, allocation.sizeBytes);
  if (!traitsOf(storage).thin) requireSpace(place, storage, backend, name, sizeBytes);
  backend.volumes[parsed.key] = newImage(place, { volname: parsed.key, vmid, format, sizeBytes, thin: traitsOf(storage).thin });
  logAllocation(storage, parsed, format, sizeBytes, log);
  place.world.touch();
  return formatVolid(storage.storage, volname);
}

function newImage(place: Place, image: { volname: string; vmid: number; format: string; sizeBytes: number; thin: boolean }): VolumeState {
  return { ...image, content: "images", createdAtMs: place.world.clock.nowMs(), protected: false, blocks: {} };
}

function requireSpace(place: Place, storage: StorageState, backend: BackendState, name: string, sizeBytes: number): void {
  if (sizeBytes <= backendFreeBytes(backend, place.world.blockBytes)) return;
  if (storage.type === "zfspool") fail(`zfs error: cannot create '${storage.options.pool ?? storage.storage}/${name}': out of space`);
  const group = storage.options.vgname ?? storage.storage;
  fail(`lvcreate '${group}/${name}' error:   Volume group "${group}" has insufficient free space`);
}

function logAllocation(storage: StorageState, name: VolumeName, format: string, sizeBytes: number, log: Log): void {
  const { naming } = traitsOf(storage);
  if (naming === "file") log(`Formatting '${volumePath(storage, name)}', ${describeImage(storage, format, sizeBytes)}`);
  else if (storage.type === "lvm" || storage.type === "lvmthin") log(`  Logical volume "${name.name}" created.`);
}

function describeImage(storage: StorageState, format: string, sizeBytes: number): string {
  if (format !== "qcow2") return `fmt=${format} size=${sizeBytes}${format === "raw" ? " preallocation=off" : ""}`;
  const preallocation = storage.options.preallocation ?? "metadata";
  return `fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=${preallocation} compression_type=zlib size=${sizeBytes} lazy_refcounts=off refcount_bits=16`;
}

/** `vm-100-disk-2` with the lowest number that no volume of the guest has there. */
export function freeStem(backend: BackendState, vmid: number, kind: "vm" | "base"): string {
  const taken = new Set<number>();
  for (const key of Object.keys(backend.volumes)) {
    // A file with this number in another guest's directory does not count.
    const match = /^(?:(\d+)\/)?(?:vm|base|subvol|basevol)-(\d+)-disk-(\d+)/.exec(key);
    if (match && Number(match[1] ?? vmid) === vmid && Number(match[2]) === vmid) taken.add(Number(match[3]));
  }
  let number = 0;
  while (taken.has(number)) number += 1;
  return `${kind}-${vmid}-disk-${number}`;
}

export function withSuffix(storage: StorageState, stem: string, format: string): string {
  return traitsOf(storage).naming === "file" ? `${stem}.${format}` : stem;
}

/**
 * Removes a volume. One that is not there only leaves a log line on file storages, as with Proxmox.
 * Throws for a protected archive and for a base that linked clones still use.
 */
export function freeVolume(place: Place, volid: string, log: Log): void {
  const { storage, name } = resolveVolid(place, volid);
  getUsableStorage(place, storage.storage);
  const backend = getBackend(place, storage);
  const volume = backend.volumes[name.key];
  const volname = parseVolid(volid)!.volname;
  if (!volume) {
    if (traitsOf(storage).naming !== "file") fail(`no such volume '${volid}'`);
    log(`disk image '${volumePath(storage, name)}' does not exist`);
    return;
  }
  if (volume.protected) fail(`cannot remove protected volume '${volname}' on '${storage.storage}'`);
  if (name.isBase && isBaseInUse(backend, name.key)) fail(`base volume '${volname}' is still in use by linked clones`);
  delete backend.volumes[name.key];
  place.world.event("volume-freed", { cluster: place.cluster.id, node: place.node, volid, backend: backend.id, vmid: volume.vmid });
  if (storage.type === "lvm" || storage.type === "lvmthin") log(`  Logical volume "${name.name}" successfully removed.`);
  place.world.touch();
}

/** Does a linked clone build on this volume? */
export function isBaseInUse(backend: BackendState, key: string): boolean {
  return Object.values(backend.volumes).some((volume) => volume.base === key);
}

/** Gives an image a new owner or makes it a base; its name follows. Returns the new volid. */
export function renameVolume(place: Place, found: FoundVolume, target: { vmid: number; kind: "vm" | "base" }): string {
  const { storage, backend, volume, name } = found;
  const stem =
    target.kind === "base" && name.vmid === target.vmid
      ? name.name.replace(/^vm-/, "base-").replace(/\.[^.]+$/, "")
      : freeStem(backend, target.vmid, target.kind);
  const newName = withSuffix(storage, stem, volume.format);
  const key = traitsOf(storage).naming === "file" ? `${target.vmid}/${newName}` : newName;
  delete backend.volumes[name.key];
  backend.volumes[key] = { ...volume, volname: key, vmid: target.vmid };
  for (const other of Object.values(backend.volumes)) if (other.base === name.key) other.base = key;
  place.world.touch();
  return formatVolid(storage.storage, volnameOfKey(storage, key, backend.volumes[key]!)!);
}
