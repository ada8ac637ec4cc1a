/**
 * `volumeHandle` of the Proxmox CSI plugin: `region/zone/storage/volume`. The plugin cuts at the first three slashes, so the
 * volume keeps its own (`3000/vm-3000-disk-0.raw` on a file storage). The zone is empty where every node of the region
 * reaches the volume: shared and replicated storages.
 */
import { FormatError, formatVolid, type Volid } from "../proxmox";

export const CSI_DRIVER = "csi.proxmox.sinextra.dev";

export interface VolumeHandle {
  /** Region of the Proxmox cluster. */
  region: string;
  /** Node name; absent where all nodes of the region reach the volume. */
  zone?: string;
  storage: string;
  /** What follows the colon in the volid. */
  volname: string;
}

const FORM = "it has the form region/zone/storage/volume, with an empty zone for a shared storage";

/** @throws FormatError */
export function parseVolumeHandle(text: string): VolumeHandle {
  const [region, zone, storage, ...rest] = text.split("/");
  const volname = rest.join("/");
  if (!region || zone === undefined || !storage || volname === "") throw new FormatError("volumeHandle", text, FORM);
  return { region, ...(zone === "" ? {} : { zone }), storage, volname };
}

/** @throws FormatError when a part would be read as another one */
export function formatVolumeHandle({ region, zone = "", storage, volname }: VolumeHandle): string {
  const text = `${region}/${zone}/${storage}/${volname}`;
  if ([region, storage, volname].includes("") || [region, zone, storage].some((part) => part.includes("/")))
    throw new FormatError("volumeHandle", text, FORM);
  return text;
}

/** `storage:volume`, as every guest's configuration names it. */
export function volidOfHandle({ storage, volname }: VolumeHandle): string {
  return formatVolid({ storage, volname } satisfies Volid);
}
