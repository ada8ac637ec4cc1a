/** Which pending changes a running guest takes at once. */
import type { GuestState } from "../kernel";
import type { Place } from "../volumes/calls";
import { isCdrom, isDriveKey, parseDrive } from "./drive";
import { isNetKey } from "./net";
import { findOption } from "./options";
import { applyOne } from "./pending";

/** Applies what can be hotplugged; the rest stays pending. Returns an error text per key. */
export function hotplugPending(place: Place, guest: GuestState, log: (line: string) => void): Record<string, string> {
  const errors: Record<string, string> = {};
  const features = hotplugFeatures(guest.config.hotplug);
  for (const key of Object.keys(guest.pending)) {
    if (!takesAtOnce(place, guest, key, features)) continue;
    applyOne(place, guest, key, log, errors);
    if (errors[key] !== undefined || !guest.runningConfig) continue;
    if (guest.config[key] === undefined) delete guest.runningConfig[key];
    else guest.runningConfig[key] = guest.config[key];
  }
  place.world.touch();
  return errors;
}

function hotplugFeatures(text = "1"): Set<string> {
  if (text === "0") return new Set();
  return new Set(text === "1" ? ["network", "disk", "usb"] : text.split(/[,;\s]+/));
}

function takesAtOnce(place: Place, guest: GuestState, key: string, features: Set<string>): boolean {
  if (findOption(place.cluster.era, key)?.immediate) return true;
  if (isNetKey(key)) return features.has("network");
  if (/^usb\d+$/.test(key) || key === "tablet") return features.has("usb");
  if (key === "vcpus") return features.has("cpu");
  if (key === "memory") return features.has("memory") && guest.config.numa === "1";
  return isDriveKey(key) && features.has("disk") && driveTakesAtOnce(guest, key);
}

/** SCSI and VirtIO disks plug and unplug; any CD drive changes its medium; a different disk in a used slot waits. */
function driveTakesAtOnce(guest: GuestState, key: string): boolean {
  const value = guest.pending[key]?.value;
  const current = guest.config[key];
  const pluggable = /^(scsi|virtio)\d+$/.test(key);
  if (value === undefined || current === undefined) return pluggable;
  const [now, then] = [parseDrive(key, current), parseDrive(key, value)];
  return (isCdrom(now) && isCdrom(then)) || now.file === then.file;
}
