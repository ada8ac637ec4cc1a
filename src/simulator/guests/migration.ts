/** The worker of a migration inside a cluster. */
import type { GuestState, TaskContext } from "../kernel";
import { jobsOf, stateOf, switchDirection } from "../replication/jobs";
import { replicate } from "../replication/replicate";
import { blockCount, copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { getBackend, getUsableStorage, resourcesOf } from "../volumes/storages";
import { imageFormat } from "../volumes/types";
import { allocateVolume, type FoundVolume, freeVolume, getVolume } from "../volumes/volumes";
import { logTime } from "./archive";
import { type Drive, drivesOf, isCdrom, isCloudInit, isUnusedKey, parseDrive, printDrive, volidOf } from "./drive";
import { type IdMap, mapId } from "./id-map";
import { getGuest, requireUnlocked } from "./lookup";
import { requireBridges } from "./power";

export interface Migration {
  vmid: number;
  target: string;
  targetIp: string;
  storageMap: IdMap;
  withLocalDisks: boolean;
  /** Bytes per second between two storages. */
  limitBetween?(from: string, to: string): number | undefined;
}

interface LocalDisk {
  found: FoundVolume;
}

/** Locks, copies what is local, hands the config over. A migration that fails leaves the guest where it was. */
export async function migrateGuest(place: Place, migration: Migration, task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  // 8.4 keeps the file lock over the whole migration, 9.2 only sets the config's.
  const release = cluster.era === "8.4" ? await world.holdGuestLock(cluster, migration.vmid) : undefined;
  try {
    await moveLocked(place, migration, task);
  } finally {
    release?.();
  }
  world.event("migrated", { cluster: cluster.id, vmid: migration.vmid, from: place.node, to: migration.target });
}

async function moveLocked(place: Place, migration: Migration, task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  const startedMs = world.clock.nowMs();
  const log = (line: string) => task.log(`${logTime(world.clock.nowMs())} ${line}`);
  const duration = () => new Date(world.clock.nowMs() - startedMs).toISOString().slice(11, 19);
  const guest = await lockGuest(place, migration.vmid);
  if (guest.running && cluster.era === "9.2")
    log("conntrack state migration not supported or disabled, active connections might get dropped");
  log(`starting migration of VM ${migration.vmid} to node '${migration.target}' (${migration.targetIp})`);
  try {
    await move(place, migration, guest, { log, task });
  } catch (error) {
    if (task.killed) throw error;
    log(`ERROR: ${errorMessage(error)}`);
    log("aborting phase 1 - cleanup resources");
    log(`ERROR: migration aborted (duration ${duration()}): ${errorMessage(error)}`);
    throw new Error("migration aborted", { cause: error });
  } finally {
    if (!task.killed) delete guest.config.lock;
    world.touch();
  }
  log(`migration finished successfully (duration ${duration()})`);
}

/** The config's lock protects the guest while it moves; the file lock is held only to set it. */
function lockGuest(place: Place, vmid: number): Promise<GuestState> {
  return place.world.withGuestLock(place.cluster, vmid, () => {
    const guest = getGuest(place, vmid);
    requireUnlocked(guest);
    guest.config.lock = "migrate";
    place.world.touch();
    return guest;
  });
}

interface Output {
  log(line: string): void;
  task: TaskContext;
}

async function move(place: Place, migration: Migration, guest: GuestState, output: Output): Promise<void> {
  const { task, log } = output;
  await task.pass(1_000);
  const local = scan(place, migration, guest, log);
  const replicated = await bringReplicasUpToDate(place, migration, output);
  const disks = local.filter(({ found }) => !replicated.includes(found.volid));
  const there = { ...place, node: migration.target };
  const moved = new Map<string, string>();
  if (guest.running) {
    requireBridges(there, guest);
    log(`starting VM ${guest.vmid} on remote node '${migration.target}'`);
    await task.pass(1_000);
  } else if (disks.length > 0) {
    log("copying local disk images");
  }
  for (const { found } of disks) moved.set(found.volid, await copyDisk(place, there, migration, found, output));
  if (guest.running) {
    log(`starting online/live migration on unix:/run/qemu-server/${guest.vmid}.migrate`);
    await task.pass(2_000);
    log("migration status: completed");
  }
  handOver(place, migration, guest, moved, task);
  // What the guest wrote since is on the target too; the source's volumes are the replicas from here on.
  for (const volid of replicated) syncLateWrites(place, migration, volid, volid);
  switchDirection(place.cluster, guest.vmid, place.node, migration.target);
}

/** Volumes that a replication job has brought to the target already: only what changed since goes there now. */
async function bringReplicasUpToDate(place: Place, migration: Migration, { log, task }: Output): Promise<string[]> {
  const found = jobsOf(place.cluster, migration.vmid).find(([, job]) => job.target === migration.target);
  if (!found) return [];
  const [id, job] = found;
  if (job.remove_job !== undefined) fail("refusing to migrate replicated VM whose replication job is marked for removal");
  log("replicating disk images");
  await replicate(place, id, job, task);
  return stateOf(place.cluster, id).volids;
}

/** Refuses what cannot move; every finding is logged before the migration ends. */
function scan(place: Place, migration: Migration, guest: GuestState, log: (line: string) => void): LocalDisk[] {
  const disks: LocalDisk[] = [];
  let refused = false;
  const seen = new Set<string>();
  for (const drive of drivesOf(guest.config, { unused: true })) {
    const volid = volidOf(drive);
    if (volid === undefined || seen.has(volid)) continue;
    seen.add(volid);
    const found = getVolume(place, volid);
    if (found.storage.shared) continue;
    const problem = problemOf(migration, guest, drive, found);
    if (problem === undefined || !problem.startsWith("owned"))
      log(`found local disk '${volid}' (${isUnusedKey(drive.key) ? "unused" : "attached"})`);
    if (problem === undefined) disks.push({ found });
    else {
      log(`can't migrate local disk '${volid}': ${problem}`);
      refused = true;
    }
  }
  if (refused) fail("Problem found while scanning volumes - can't migrate VM - check log");
  return disks;
}

function problemOf(migration: Migration, guest: GuestState, drive: Drive, found: FoundVolume): string | undefined {
  if (isCdrom(drive) && !isCloudInit(drive)) return "local cdrom image";
  if (found.name.vmid !== guest.vmid) return `owned by other VM (owner = VM ${found.name.vmid})`;
  if (found.volume.base !== undefined) return "can't migrate local linked clone: base image not on target";
  if (!guest.running) return undefined;
  if (!migration.withLocalDisks) return "can't live migrate attached local disks without with-local-disks option";
  return Object.keys(guest.snapshots).length > 0 ? "online storage migration not possible if non-replicated snapshot exists" : undefined;
}

async function copyDisk(place: Place, there: Place, migration: Migration, found: FoundVolume, { log, task }: Output): Promise<string> {
  const storageId = mapId(migration.storageMap, found.storage.storage);
  const storage = getUsableStorage(there, storageId);
  const format = imageFormat(storage, found.volume.format);
  const { volume, name } = found;
  // The name stays when nothing on the target has it.
  const stem = name.name.replace(/\.(raw|qcow2|vmdk)$/, "");
  const taken = Object.keys(getBackend(there, storage).volumes).some((key) => key.replace(/\.(raw|qcow2|vmdk)$/, "").endsWith(stem));
  const volid = allocateVolume(
    there,
    { storage: storageId, vmid: migration.vmid, sizeBytes: volume.sizeBytes, format, ...(taken ? {} : { stem }) },
    log,
  );
  const target = getVolume(there, volid);
  const bytes = blockCount(volume.blocks) * place.world.blockBytes;
  const limit = migration.limitBetween?.(found.storage.storage, storageId);
  try {
    await task.transfer(bytes, [...resourcesOf(place, found.storage), ...resourcesOf(there, target.storage)], limit);
  } catch (error) {
    if (!task.killed) freeVolume(there, volid, () => {});
    throw error;
  }
  target.volume.blocks = copyBlocks(volume.blocks);
  if (volume.snapshots) target.volume.snapshots = structuredClone(volume.snapshots);
  log(`volume '${found.volid}' is '${volid}' on the target`);
  return volid;
}

/** From here on the guest is the target's; the source's copies go. */
function handOver(place: Place, migration: Migration, guest: GuestState, moved: ReadonlyMap<string, string>, task: TaskContext): void {
  const rename = (config: Record<string, string>) => {
    for (const drive of drivesOf(config, { unused: true })) {
      const target = moved.get(drive.file);
      if (target === undefined) continue;
      const moving = parseDrive(drive.key, config[drive.key]!);
      // A mirrored disk comes back as the target's QEMU names it, with its format.
      const mirrored = guest.running && !isUnusedKey(drive.key) && !isCloudInit(drive) && drive.key !== "tpmstate0";
      const format: Record<string, string> = mirrored
        ? { format: getVolume({ ...place, node: migration.target }, target).volume.format }
        : {};
      config[drive.key] = printDrive({ ...moving, file: target, options: { ...moving.options, ...format } });
    }
  };
  for (const volid of moved.keys()) syncLateWrites(place, migration, volid, moved.get(volid)!);
  rename(guest.config);
  if (guest.runningConfig) rename(guest.runningConfig);
  for (const snapshot of Object.values(guest.snapshots)) rename(snapshot.config);
  guest.node = migration.target;
  for (const volid of moved.keys()) {
    try {
      freeVolume(place, volid, () => {});
    } catch (error) {
      task.warn(errorMessage(error));
    }
  }
  place.world.touch();
}

/** What a running guest wrote while its disk was copied is on the target when it continues there. */
function syncLateWrites(place: Place, migration: Migration, from: string, to: string): void {
  const source = getVolume(place, from).volume;
  getVolume({ ...place, node: migration.target }, to).volume.blocks = copyBlocks(source.blocks);
}
