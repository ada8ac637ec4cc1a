/** One run of a replication job: a snapshot of every volume, and what changed since the last one goes to the target. */
import { logTime } from "../guests/archive";
import { type Drive, drivesOf, isCdrom, isCloudInit, isUnusedKey, volidOf } from "../guests/drive";
import type { Work } from "../guests/work";
import type { GuestState } from "../kernel";
import type { Blocks } from "../state";
import { blockCount, copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, type Place } from "../volumes/calls";
import { getBackend, getUsableStorage, resourcesOf } from "../volumes/storages";
import { type FoundVolume, freeVolume, getVolume, resolveVolid } from "../volumes/volumes";
import { forgetJob, guestOf, type ReplicationJob, setState, stateOf } from "./jobs";

const stepMs = 500;
const megabyte = 1_000_000;

/** Volids that replication takes care of; throws for one whose storage cannot do it. */
export function replicatableVolids(place: Place, guest: GuestState): string[] {
  const volids = new Set<string>();
  for (const drive of drivesOf(guest.config, { unused: true })) {
    const volid = volidOf(drive);
    if (volid === undefined || !isReplicated(drive)) continue;
    const { storage, name } = resolveVolid(place, volid);
    if (name.vmid !== guest.vmid) continue;
    if (storage.type === "zfspool" && !storage.shared) volids.add(volid);
    else if (storage.shared || !isUnusedKey(drive.key)) fail(`missing replicate feature on volume '${volid}'`);
  }
  return [...volids].sort();
}

function isReplicated(drive: Drive): boolean {
  return drive.options.replicate !== "0" && (!isCdrom(drive) || isCloudInit(drive));
}

const snapshotName = (id: string, seconds: number) => `__replicate_${id}_${seconds}__`;

/** Runs the job on the guest's node and writes down how it went. Throws what went wrong, unless `quiet`. */
export async function replicate(place: Place, id: string, job: ReplicationJob, work: Work): Promise<void> {
  const { world, cluster } = place;
  const startSeconds = Math.floor(world.clock.nowMs() / 1000);
  const log: string[] = [];
  const note = (line: string) => {
    const stamped = `${logTime(world.clock.nowMs())} ${id}: ${line}`;
    log.push(stamped);
    work.log(stamped);
  };
  const before = stateOf(cluster, id);
  note("start replication job");
  try {
    const volids = await run(place, id, job, { work, note, startSeconds });
    const durationSeconds = (world.clock.nowMs() - startSeconds * 1000) / 1000;
    note("end replication job");
    if (!cluster.replication[id]) return;
    setState(cluster, id, { lastSyncSeconds: startSeconds, lastTrySeconds: startSeconds, durationSeconds, failures: 0, volids, log });
  } catch (error) {
    const message = errorMessage(error);
    note(`end replication job with error: ${message}`);
    const durationSeconds = (world.clock.nowMs() - startSeconds * 1000) / 1000;
    if (cluster.replication[id]) {
      const failed = { ...before, lastTrySeconds: startSeconds, durationSeconds, failures: before.failures + 1, error: message, log };
      delete failed.now;
      setState(cluster, id, failed);
    }
    throw error;
  } finally {
    world.touch();
  }
}

interface Run {
  work: Work;
  note(line: string): void;
  startSeconds: number;
}

async function run(place: Place, id: string, job: ReplicationJob, current: Run): Promise<string[]> {
  const { cluster } = place;
  const vmid = guestOf(id);
  const guest = cluster.guests[vmid] ?? fail(`Guest '${vmid}' does not exist.`);
  const volumes = replicatableVolids(place, guest).map((volid) => getVolume(place, volid));
  const state = stateOf(cluster, id);
  current.note(`guest => VM ${vmid}, running => ${guest.running ? 1 : 0}`);
  current.note(`volumes => ${volumes.map(({ volid }) => volid).join(",")}`);
  const targetName = job.target!;
  const there: Place = { ...place, node: targetName };
  if (job.remove_job !== undefined) {
    removeReplicas(place, there, id, job, volumes, current);
    return [];
  }
  const target = cluster.nodes[targetName] ?? fail(`no such cluster node '${targetName}'`);
  await current.work.pass(stepMs);
  if (target.status !== "online") fail(`command '/usr/bin/ssh root@${target.ip} -- pvesr prepare-local-job ${id}' failed: exit code 255`);
  for (const volid of state.volids) {
    if (volumes.some((volume) => volume.volid === volid)) continue;
    current.note(`(remote_prepare_local_job) delete stale volume '${volid}'`);
    freeVolume(there, volid, () => {});
  }
  const snapshot = snapshotName(id, current.startSeconds);
  const previous = state.lastSyncSeconds === 0 ? undefined : snapshotName(id, state.lastSyncSeconds);
  for (const { volid, volume } of volumes) {
    current.note(`create snapshot '${snapshot}' on ${volid}`);
    volume.snapshots = { ...volume.snapshots, [snapshot]: { blocks: copyBlocks(volume.blocks), sizeBytes: volume.sizeBytes } };
  }
  current.note(`using secure transmission, rate limit: ${job.rate === undefined ? "none" : `${job.rate} MByte/s`}`);
  try {
    for (const found of volumes) await sendVolume(place, there, job, { found, snapshot, previous }, current);
  } catch (error) {
    for (const { volume } of volumes) delete volume.snapshots?.[snapshot];
    throw error;
  }
  for (const { volid, volume } of volumes) {
    if (previous === undefined || !volume.snapshots?.[previous]) continue;
    current.note(`delete previous replication snapshot '${previous}' on ${volid}`);
    delete volume.snapshots[previous];
    delete getVolume(there, volid).volume.snapshots?.[previous];
  }
  return volumes.map(({ volid }) => volid);
}

interface Sending {
  found: FoundVolume;
  snapshot: string;
  previous?: string;
}

async function sendVolume(place: Place, there: Place, job: ReplicationJob, sending: Sending, { work, note }: Run): Promise<void> {
  const { found, snapshot, previous } = sending;
  const { volid, volume, name } = found;
  const storage = getUsableStorage(there, found.storage.storage);
  const backend = getBackend(there, storage);
  const blocks = volume.snapshots![snapshot]!.blocks;
  const replica = backend.volumes[name.key];
  const base = previous === undefined ? undefined : replica?.snapshots?.[previous]?.blocks;
  if (replica && !base) fail(`volume '${volid}' already exists`);
  const incremental = base !== undefined && volume.snapshots?.[previous!] !== undefined;
  note(incremental ? `incremental sync '${volid}' (${previous} => ${snapshot})` : `full sync '${volid}' (${snapshot})`);
  const bytes = (incremental ? changedBlocks(base, blocks) : blockCount(blocks)) * place.world.blockBytes;
  const through = [...resourcesOf(place, found.storage), `lan:${place.cluster.id}`, ...resourcesOf(there, storage)];
  await work.transfer(bytes, through, job.rate === undefined ? undefined : Number(job.rate) * megabyte);
  backend.volumes[name.key] = {
    ...volume,
    blocks: copyBlocks(blocks),
    snapshots: { ...structuredClone(volume.snapshots), [snapshot]: { blocks: copyBlocks(blocks), sizeBytes: volume.sizeBytes } },
    createdAtMs: replica?.createdAtMs ?? place.world.clock.nowMs(),
  };
  delete backend.volumes[name.key]!.dirty;
}

function changedBlocks(before: Blocks, after: Blocks): number {
  const written = Object.entries(after).filter(([index, contentId]) => before[Number(index)] !== contentId).length;
  return written + Object.keys(before).filter((index) => after[Number(index)] === undefined).length;
}

/** A job marked for removal: its snapshots go, and with `full` the target's volumes. */
function removeReplicas(place: Place, there: Place, id: string, job: ReplicationJob, volumes: FoundVolume[], { note }: Run): void {
  note(`start job removal - mode '${job.remove_job}'`);
  if (job.remove_job === "full") {
    for (const volid of stateOf(place.cluster, id).volids) {
      note(`(remote_prepare_local_job) delete stale volume '${volid}'`);
      freeVolume(there, volid, () => {});
    }
  }
  for (const { volid, volume } of volumes) {
    for (const snapshot of Object.keys(volume.snapshots ?? {})) {
      if (!snapshot.startsWith(`__replicate_${id}_`)) continue;
      note(`delete stale replication snapshot '${snapshot}' on ${volid}`);
      delete volume.snapshots![snapshot];
    }
  }
  forgetJob(place.cluster, id);
  note("job removed");
}
