/** Which volumes of a guest go to another cluster, and how. */
import type { GuestState } from "../../kernel";
import { errorMessage, fail, type Place } from "../../volumes/calls";
import { type FoundVolume, getVolume, isBaseInUse } from "../../volumes/volumes";
import { type Drive, drivesOf, isCdrom, isCloudInit, isUnusedKey, volidOf } from "../drive";

export interface MovingVolume {
  drive: Drive;
  found: FoundVolume;
  /** `mirrored` while the guest runs, or `copied` while nobody writes. */
  mode: "mirrored" | "copied";
}

type Reference = "attached" | "unused" | "generated";

/** Refuses what cannot leave the cluster; every finding is logged before the migration ends. */
export function scanVolumes(place: Place, guest: GuestState, log: (line: string) => void): MovingVolume[] {
  const moving: MovingVolume[] = [];
  const refusals: string[] = [];
  const general: string[] = [];
  const inSnapshots = snapshotVolids(guest);
  const seen = new Set<string>();
  for (const drive of drivesOf(guest.config, { unused: true }).sort((a, b) => (a.file < b.file ? -1 : 1))) {
    if (drive.file === "cdrom") general.push("can't migrate local cdrom drive");
    const volid = volidOf(drive);
    if (volid === undefined || seen.has(volid)) continue;
    seen.add(volid);
    const reference = referenceOf(drive);
    try {
      const found = getVolume(place, volid);
      log(`found ${reference === "generated" ? "generated" : "local"} disk '${volid}' (${whereOf(reference)})`);
      requireMovable(guest, drive, found, inSnapshots.has(volid));
      moving.push({ drive, found, mode: guest.running && reference === "attached" ? "mirrored" : "copied" });
    } catch (error) {
      refusals.push(`can't migrate local disk '${volid}': ${errorMessage(error)}`);
    }
  }
  for (const volid of inSnapshots) {
    if (!seen.has(volid)) refusals.push(`can't migrate local disk '${volid}': ${snapshotProblem(guest)}`);
  }
  for (const line of [...refusals, ...general]) log(line);
  if (refusals.length + general.length > 0) fail("Problem found while scanning volumes - can't migrate VM - check log");
  const clone = moving.find(({ found }) => found.volume.base !== undefined);
  if (clone)
    fail(`Problem found while scanning volumes - can't migrate '${clone.found.volid}' as it's a clone of '${clone.found.volume.base}'`);
  return moving;
}

function referenceOf(drive: Drive): Reference {
  if (isUnusedKey(drive.key)) return "unused";
  return isCloudInit(drive) || drive.key === "tpmstate0" ? "generated" : "attached";
}

function whereOf(reference: Reference): string {
  return reference === "generated" ? "in current VM config" : reference;
}

function requireMovable(guest: GuestState, drive: Drive, found: FoundVolume, inSnapshot: boolean): void {
  if (isCdrom(drive) && !isCloudInit(drive)) fail("local cdrom image");
  if (found.name.vmid !== guest.vmid) fail(`owned by other VM (owner = VM ${found.name.vmid})`);
  if (inSnapshot) fail(snapshotProblem(guest));
  if (found.name.isBase && isBaseInUse(found.backend, found.name.key)) fail("referenced by linked clone(s)");
}

function snapshotProblem(guest: GuestState): string {
  return guest.running
    ? "online storage migration not possible if non-replicated snapshot exists"
    : "remote migration with snapshots not supported yet";
}

function snapshotVolids(guest: GuestState): Set<string> {
  const volids = new Set<string>();
  for (const { config } of Object.values(guest.snapshots)) {
    for (const drive of drivesOf(config)) {
      const volid = volidOf(drive);
      if (volid !== undefined && !isCdrom(drive)) volids.add(volid);
    }
  }
  return volids;
}

/** Devices of the host that a guest uses; they do not travel. */
export function localDevices(guest: GuestState): string[] {
  return Object.keys(guest.config).filter((key) => {
    if (/^(hostpci|parallel|virtiofs)\d+$/.test(key)) return true;
    if (/^serial\d+$/.test(key)) return guest.config[key] !== "socket";
    return /^usb\d+$/.test(key) && !/^(host=)?spice/i.test(guest.config[key] ?? "");
  });
}
