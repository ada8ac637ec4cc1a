/** Changes that wait for the guest's next start, and how they come into force. */
import type { GuestState } from "../kernel";
import { errorMessage, type Place } from "../volumes/calls";
import { type Config, isCloudInit, isDriveKey, parseDrive } from "./drive";
import { forgetUsed, freeDrive, registerUnused } from "./unused";

type Log = (line: string) => void;

/** The config as it will be once everything pending is in force. */
export function configWithPending(guest: GuestState): Config {
  const config = { ...guest.config };
  for (const [key, change] of Object.entries(guest.pending)) {
    if (change.delete) delete config[key];
    else if (change.value !== undefined) config[key] = change.value;
  }
  return config;
}

/** Drops pending entries that change nothing. */
export function cleanUpPending(guest: GuestState): void {
  for (const [key, change] of Object.entries(guest.pending)) {
    const same = change.delete ? guest.config[key] === undefined : change.value === guest.config[key];
    if (same) delete guest.pending[key];
  }
}

/** Puts everything in force on a stopped guest; returns an error text per key that could not be. */
export function applyPending(place: Place, guest: GuestState, log: Log): Record<string, string> {
  const errors: Record<string, string> = {};
  cleanUpPending(guest);
  for (const key of Object.keys(guest.pending)) applyOne(place, guest, key, log, errors);
  place.world.touch();
  return errors;
}

/** Puts one pending change in force. */
export function applyOne(place: Place, guest: GuestState, key: string, log: Log, errors: Record<string, string>): void {
  try {
    const change = guest.pending[key]!;
    if (change.delete) removeKey(place, guest, key, change.delete === "force", log);
    else setKey(place, guest, key, change.value!, log);
    delete guest.pending[key];
  } catch (error) {
    errors[key] = `unable to apply pending change ${key} : ${errorMessage(error)}\n`;
  }
}

function removeKey(place: Place, guest: GuestState, key: string, force: boolean, log: Log): void {
  const value = guest.config[key];
  if (isDriveKey(key) && value !== undefined) {
    const drive = parseDrive(key, value);
    if (force || isCloudInit(drive)) freeDrive(place, guest, drive, log);
    else registerUnused(place, guest, drive, log);
  }
  delete guest.config[key];
}

function setKey(place: Place, guest: GuestState, key: string, value: string, log: Log): void {
  const old = guest.config[key];
  if (isDriveKey(key)) {
    const replaced = old === undefined ? undefined : parseDrive(key, old);
    if (replaced && replaced.file !== parseDrive(key, value).file) registerUnused(place, guest, replaced, log);
    guest.config[key] = value;
    forgetUsed(guest.config);
    return;
  }
  guest.config[key] = value;
}
