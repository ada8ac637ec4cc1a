/** A guest's configuration that comes from another cluster: what is checked, what is left out. */
import type { Call, GuestState } from "../../kernel";
import { fail } from "../../volumes/calls";
import {
  requireBridgeAccess,
  requireDevicePrivileges,
  requireDrivePrivileges,
  requireHookScript,
  requireOptionPrivileges,
  requireStorageAccess,
} from "../access";
import { parseSection } from "../config-text";
import { isDriveKey } from "../drive";
import { findOption } from "../options";
import { normalizeTags, requireTagPrivileges } from "../tags";

/** Keys without a parameter, taken over as they are. */
const ownKeys = ["meta", "vmgenid"];

/** Changes the claimed guest as a `PUT …/config` with all of these settings would, with the same checks of rights. */
export function takeOverConfig(call: Call, guest: GuestState, text: string): void {
  const { vmid } = guest;
  const settings = parseSection(text);
  const kept: Record<string, string> = {};
  for (const key of ownKeys) {
    if (settings[key] !== undefined) kept[key] = settings[key];
    delete settings[key];
  }
  // Locks, snapshots and the tree of snapshots stay where they are.
  for (const key of ["lock", "parent", "digest"]) delete settings[key];
  for (const key of Object.keys(settings)) {
    if (!findOption(call.cluster.era, key)) fail(`vm ${vmid} - unable to parse value of '${key}' - unknown setting '${key}'`);
  }
  requireOptionPrivileges(call, vmid, undefined, Object.keys(settings));
  requireStorageAccess(call, vmid, settings);
  requireHookScript(call, settings);
  requireBridgeAccess(call, settings);
  requireDevicePrivileges(call, vmid, undefined, settings);
  for (const [key, value] of Object.entries(settings)) if (isDriveKey(key)) requireDrivePrivileges(call, vmid, key, value);
  if (settings.tags !== undefined) {
    settings.tags = normalizeTags(call.cluster, settings.tags.split(/[;,\s]+/));
    requireTagPrivileges(call, vmid, undefined, settings.tags);
  }
  guest.config = { ...settings, ...kept, lock: "migrate" };
}
