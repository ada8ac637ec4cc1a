/** In which formats a storage can send a whole volume to another cluster, and which it takes. */
import type { StorageState } from "../../kernel";
import { fail } from "../../volumes/calls";
import { traitsOf } from "../../volumes/types";

export type StreamFormat = "raw+size" | "qcow2+size" | "vmdk+size" | "zfs";

/** Empty: a volume of this format cannot leave the storage. */
export function streamFormats(storage: StorageState, imageFormat: string): StreamFormat[] {
  // ZFS sends snapshots of its own and takes nothing else.
  if (storage.type === "zfspool") return ["zfs"];
  // QCOW2 travels as it is, so that snapshots inside it would survive; it is never turned into raw bytes on the way.
  if (imageFormat === "qcow2" || imageFormat === "vmdk") return traitsOf(storage).naming === "file" ? [`${imageFormat}+size`] : [];
  return ["raw+size"];
}

/** The stream that both sides know. Throws Proxmox's refusal: most pairs of unlike storage types have none. */
export function commonStreamFormat(target: StorageState, imageFormat: string, offered: readonly StreamFormat[]): StreamFormat {
  const { formats } = traitsOf(target);
  if (!formats.includes(imageFormat)) fail(`unsupported format '${imageFormat}' for storage type ${target.type}`);
  const taken = streamFormats(target, imageFormat);
  return offered.find((format) => taken.includes(format)) ?? fail(`no matching import/export format found for storage '${target.storage}'`);
}
