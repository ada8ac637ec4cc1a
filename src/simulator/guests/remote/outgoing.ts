/** The first half of a migration: volumes at rest are copied, the target gets the configuration and places for the other disks. */
import type { GuestState } from "../../kernel";
import { fail } from "../../volumes/calls";
import { formatSection } from "../config-text";
import { drivesOf, parseDrive, printDrive } from "../drive";
import { mapId } from "../id-map";
import { isNetKey, parseNet, printNet } from "../net";
import { copyAtRest, Mirror } from "./copying";
import { openChannel, type Passage } from "./passage";
import { streamFormats } from "./stream-formats";
import { type MovingVolume, scanVolumes } from "./volumes";

/** Returns the mirrors of disks that the guest goes on writing to. Throws what makes the migration impossible. */
export async function sendGuest(passage: Passage, guest: GuestState): Promise<Mirror[]> {
  const volumes = scanVolumes(passage.place, guest, (line) => passage.report.log(line));
  const moved = await copyResting(
    passage,
    volumes.filter(({ mode }) => mode === "copied"),
  );
  return sendConfig(
    passage,
    guest,
    volumes.filter(({ mode }) => mode === "mirrored"),
    moved,
  );
}

/** Volid here → volid there. */
async function copyResting(passage: Passage, volumes: readonly MovingVolume[]): Promise<Map<string, string>> {
  const { migration, report, tunnel } = passage;
  const moved = new Map<string, string>();
  if (volumes.length > 0) report.log("copying local disk images");
  for (const { found } of volumes) {
    const { volid, storage, volume, name } = found;
    const streams = streamFormats(storage, volume.format);
    if (streams.length === 0) fail(`no export formats for '${volid}' - check storage plugin support!`);
    const targetStorage = mapId(migration.storages, storage.storage);
    const imported = await tunnel.importDisk({
      storage: targetStorage,
      stem: name.name.replace(/\.(raw|qcow2|vmdk)$/, "").replace(`-${name.vmid}-`, `-${migration.targetVmid}-`),
      format: volume.format,
      sizeBytes: volume.sizeBytes,
      streams,
    });
    report.told("disk-import");
    await copyAtRest(await openChannel(passage, storage.storage, targetStorage), found, imported.volid, imported.stream);
    report.told("query-disk-import");
    moved.set(volid, imported.volid);
    report.log(`volume '${volid}' is '${imported.volid}' on the target`);
  }
  return moved;
}

async function sendConfig(
  passage: Passage,
  guest: GuestState,
  mirrored: readonly MovingVolume[],
  moved: ReadonlyMap<string, string>,
): Promise<Mirror[]> {
  const { migration, report, tunnel } = passage;
  const mirrors: Mirror[] = [];
  const config = { ...guest.config };
  delete config.lock;
  for (const drive of drivesOf(config, { unused: true })) {
    const there = moved.get(drive.file);
    if (there !== undefined) config[drive.key] = printDrive({ ...parseDrive(drive.key, config[drive.key]!), file: there });
  }
  for (const key of Object.keys(config).filter(isNetKey)) {
    const net = parseNet(config[key]!, key);
    if (net.bridge === undefined) continue;
    const bridge = mapId(migration.bridges, net.bridge);
    report.log(`mapped: ${key} from ${net.bridge} to ${bridge}`);
    config[key] = printNet({ ...net, bridge });
  }
  for (const { drive, found } of mirrored) {
    const storage = mapId(migration.storages, found.storage.storage);
    report.log(`Allocating volume for drive '${drive.key}' on remote storage '${storage}'..`);
    const allocated = await tunnel.allocateDisk(storage, found.volume.format, drive, found.volume.sizeBytes);
    report.told("disk");
    report.log(`volume '${found.volid}' is '${allocated.volid}' on the target`);
    config[drive.key] = allocated.drive;
    mirrors.push(new Mirror(await openChannel(passage, found.storage.storage, storage), drive.key, found, allocated.volid));
  }
  await tunnel.configure(formatSection(config));
  report.told("config");
  return mirrors;
}
