/** Detached disks of a guest: `unusedN` entries, and freeing a drive's volume. */
import type { GuestState } from "../kernel";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { freeVolume, ownerOf } from "../volumes/volumes";
import { type Config, type Drive, drivesOf, isCdrom, isCloudInit, isUnusedKey, unusedKeys, volidOf } from "./drive";

/** A detached drive: cloud-init is freed at once, an own disk becomes `unusedN`, a foreign one is just forgotten. */
export function registerUnused(place: Place, guest: GuestState, drive: Drive, log: (line: string) => void): void {
  const volid = volidOf(drive);
  if (volid === undefined) return;
  if (isCloudInit(drive)) {
    try {
      freeVolume(place, volid, log);
    } catch (error) {
      log(errorMessage(error));
    }
    return;
  }
  if (!isCdrom(drive) && ownerOf(place, volid) === guest.vmid) addUnused(guest.config, volid);
}

/** The key of the entry, an existing one when the volume is listed already. */
export function addUnused(config: Config, volid: string): string {
  const listed = Object.keys(config).find((key) => isUnusedKey(key) && config[key] === volid);
  if (listed !== undefined) return listed;
  const key = unusedKeys.find((candidate) => config[candidate] === undefined) ?? fail("Too many unused volumes - please delete them first");
  config[key] = volid;
  return key;
}

/** A volume that is attached again is no longer unused. */
export function forgetUsed(config: Config): void {
  const used = new Set(drivesOf(config).map(({ file }) => file));
  for (const key of Object.keys(config)) if (isUnusedKey(key) && used.has(config[key]!)) delete config[key];
}

/** Frees the volume of a drive that the guest owns. Throws when a snapshot or another key still uses it. */
export function freeDrive(place: Place, guest: GuestState, drive: Drive, log: (line: string) => void): void {
  const volid = volidOf(drive);
  if (volid === undefined || ownerOf(place, volid) !== guest.vmid) return;
  if (isInUse(guest, drive.key, volid)) fail(`unable to delete '${volid}' - volume is still in use (snapshot?)`);
  freeVolume(place, volid, log);
}

function isInUse(guest: GuestState, key: string, volid: string): boolean {
  const configs: [string, Config][] = [
    ["current", guest.config],
    ...Object.entries(guest.snapshots).map(([name, { config }]): [string, Config] => [name, config]),
  ];
  return configs.some(([name, config]) =>
    drivesOf(config).some((drive) => drive.file === volid && !(name === "current" && drive.key === key)),
  );
}
