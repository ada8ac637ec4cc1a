/** What a VM is given with a live restore, since it runs from then on. Pure. */
import type { GuestConfig } from "../../proxmox";
import { networkLine } from "./apply";
import { observeShape } from "./observe";
import { compareShapes, type GuestShape } from "./shape";

/** Written afterwards, as by every move: they change while the VM runs. */
const LATER = /^(?:name|onboot|tags|description|demands|running)$|^disks\.scsi\d+(?:\.storage|\.sizeBytes)?$/;

/** Keys to override, or why it cannot run from the start as it is declared. */
export function shapeForLiveRestore(source: GuestConfig, desired: GuestShape): Record<string, string> | string {
  const overrides: Record<string, string> = {};
  const lacking: string[] = [];
  for (const { path, from, to } of compareShapes(desired, observeShape(source, new Set(Object.keys(desired.scalars)), desired.running))) {
    // A restore makes the cloud-init drive anew, on the storage that it is given.
    if (LATER.test(path) || (path === "cloudInit.storage" && from !== "" && to !== "")) continue;
    const network = desired.networks[path];
    const scalar = desired.scalars[path];
    if (network) overrides[path] = networkLine(network, source.values[path]);
    else if (scalar !== undefined) overrides[path] = scalar;
    else lacking.push(path);
  }
  return lacking.length === 0 ? overrides : `${lacking.join(", ")} can only be changed before its start`;
}
