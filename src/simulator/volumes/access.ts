/** Who may read a volume: Proxmox's volume access check. */
import { ApiError, type Call } from "../kernel";
import { fail, placeOf } from "./calls";
import { parseVolid } from "./names";
import { resolveVolid } from "./volumes";

/**
 * Throws 403 or 500 unless the caller may use the volume. `vmid` is the guest it is wanted for: an
 * owner needs no right on its own volumes.
 */
export function requireVolumeAccess(call: Call, volid: string, options: { vmid?: number; content?: string } = {}): void {
  if (!parseVolid(volid)) {
    if (call.user.isRoot) return;
    fail("Only root can pass arbitrary filesystem paths.");
  }
  const { storage, name } = resolveVolid(placeOf(call), volid);
  if (options.content !== undefined && name.content !== options.content) {
    fail(`unable to use volume ${volid} - content type needs to be '${options.content}'`);
  }
  const path = `/storage/${storage.storage}`;
  if (call.hasPrivilege(path, "Datastore.Allocate")) return;
  if (name.content === "iso" || name.content === "vztmpl" || name.content === "import") {
    call.requirePrivilege(path, ["Datastore.AllocateSpace", "Datastore.Audit"], "any");
    return;
  }
  if (name.vmid !== undefined && name.vmid === options.vmid) return;
  if (name.vmid !== undefined && name.content === "backup") {
    call.requirePrivilege(path, ["Datastore.AllocateSpace"]);
    call.requirePrivilege(`/vms/${name.vmid}`, ["VM.Backup"]);
    return;
  }
  if (name.vmid !== undefined && (name.content === "images" || name.content === "rootdir")) {
    call.requirePrivilege(path, ["Datastore.Audit"]);
    call.requirePrivilege(`/vms/${name.vmid}`, ["VM.Config.Disk"]);
    return;
  }
  fail(`missing privileges to access ${volid}`);
}

/** The same as a question: content lists leave out what the caller may not see, silently. */
export function hasVolumeAccess(call: Call, volid: string): boolean {
  try {
    requireVolumeAccess(call, volid);
    return true;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}
