/**
 * The worker of a migration to another cluster, in Proxmox's phases. Until the target runs (or has
 * everything, for a stopped guest) a failure leaves the source as it was. Afterwards the source stays
 * stopped under the lock `migrate`, unless it is to be deleted.
 */
import type { GuestState, TaskContext } from "../../kernel";
import { errorMessage, fail, type Place } from "../../volumes/calls";
import { getUsableStorage } from "../../volumes/storages";
import { resolveVolid } from "../../volumes/volumes";
import { freeOwnVolumes } from "../delete";
import { type Config, drivesOf, volidOf } from "../drive";
import { mapId } from "../id-map";
import { getGuest, requireUnlocked } from "../lookup";
import { isNetKey, parseNet } from "../net";
import { processStopped } from "../runtime";
import type { Mirror } from "./copying";
import { moveRunning } from "./live";
import { sendGuest } from "./outgoing";
import type { Passage, RemoteMigration } from "./passage";
import { Report } from "./report";
import type { MigrationTunnel } from "./tunnel";
import { localDevices } from "./volumes";

const setUpMs = 1_000;

/** Ends with `migration aborted` (the source is as before) or `migration problems` (see the log). */
export async function migrateToPeer(place: Place, migration: RemoteMigration, task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  // 8.4 keeps the file lock over the whole migration, 9.2 only sets the config's.
  const release = cluster.era === "8.4" ? await world.holdGuestLock(cluster, migration.vmid) : undefined;
  try {
    await migrate(place, migration, task);
  } finally {
    release?.();
  }
}

async function migrate(place: Place, migration: RemoteMigration, task: TaskContext): Promise<void> {
  const report = new Report(place, task);
  let tunnel: MigrationTunnel | undefined;
  let fine = false;
  try {
    const guest = prepare(place, migration, report);
    tunnel = await openTunnel(place, migration, guest, { report, task });
    const passage: Passage = { place, migration, task, report, tunnel };
    const wasRunning = guest.running;
    const wasPaused = guest.qmpStatus === "paused";
    const mirrors = await phaseOne(passage, guest);
    fine =
      (!wasRunning || (await phaseTwo(passage, guest, mirrors))) && (await phaseThree(passage, guest, { wasRunning, wasPaused, mirrors }));
  } catch (error) {
    if (task.killed) throw error;
    report.error(`migration aborted (duration ${report.duration()}): ${errorMessage(error)}`);
    throw new Error("migration aborted", { cause: error });
  } finally {
    tunnel?.disconnect();
    place.world.touch();
  }
  if (!fine) {
    report.error(`migration finished with problems (duration ${report.duration()})`);
    throw new Error("migration problems");
  }
  report.log(`migration finished successfully (duration ${report.duration()})`);
}

/** Everything on this side that can be refused before anything is touched. */
function prepare(place: Place, migration: RemoteMigration, report: Report): GuestState {
  const guest = getGuest(place, migration.vmid);
  requireUnlocked(guest);
  if (guest.running) {
    if (!migration.online) fail("can't migrate running VM without --online");
    if (place.cluster.era === "9.2")
      report.log("conntrack state migration not supported or disabled, active connections might get dropped");
  }
  const devices = localDevices(guest);
  if (devices.length > 0) fail(`can't migrate VM which uses local devices: ${devices.join(", ")}`);
  return guest;
}

function targetStorages(place: Place, migration: RemoteMigration, guest: GuestState): string[] {
  const storages = new Set<string>();
  for (const drive of drivesOf(guest.config, { unused: true })) {
    const volid = volidOf(drive);
    if (volid === undefined) continue;
    const { storage } = resolveVolid(place, volid).storage;
    getUsableStorage(place, storage);
    storages.add(mapId(migration.storages, storage));
  }
  return [...storages];
}

function targetBridges(migration: RemoteMigration, config: Config): string[] {
  const bridges = Object.entries(config).flatMap(([key, value]) => (isNetKey(key) ? [parseNet(value, key).bridge] : []));
  return [...new Set(bridges.filter((bridge) => bridge !== undefined).map((bridge) => mapId(migration.bridges, bridge)))];
}

/** The target checks storages, bridges, rights and the number, and claims it. */
async function openTunnel(
  place: Place,
  migration: RemoteMigration,
  guest: GuestState,
  { report, task }: { report: Report; task: TaskContext },
): Promise<MigrationTunnel> {
  const { peers } = place.world;
  const { address, targetNode, targetVmid } = migration;
  const storages = targetStorages(place, migration, guest);
  const bridges = targetBridges(migration, guest.config);
  const params = {
    ...(storages.length === 0 ? {} : { storages: storages.join(",") }),
    ...(bridges.length === 0 ? {} : { bridges: bridges.join(",") }),
  };
  const path = `/nodes/${targetNode}/qemu/${targetVmid}/mtunnel`;
  const opened = (await peers.request(place, address, { method: "POST", path, params })) as { upid: string; ticket: string };
  report.log(`remote: started tunnel worker '${opened.upid}'`);
  const tunnel = peers.takeTunnel(opened.ticket) ?? fail("can't open tunnel - no reply");
  try {
    await task.pass(setUpMs);
  } catch (error) {
    tunnel.disconnect();
    throw error;
  }
  report.told("version");
  report.log("local WS tunnel version: 2");
  report.log("remote WS tunnel version: 2");
  report.log("minimum required WS tunnel version: 2");
  task.log("websocket tunnel started");
  return tunnel;
}

/** What rests is copied, the target gets the configuration. */
async function phaseOne(passage: Passage, guest: GuestState): Promise<Mirror[]> {
  const { place, migration, task, report } = passage;
  report.log(`starting migration of VM ${guest.vmid} to node '${migration.targetNode}' (${migration.address.host})`);
  guest.config.lock = "migrate";
  place.world.touch();
  try {
    return await sendGuest(passage, guest);
  } catch (error) {
    if (task.killed) throw error;
    report.error(errorMessage(error));
    report.log("aborting phase 1 - cleanup resources");
    delete guest.config.lock;
    await logged(report, () => passage.tunnel.quit(true));
    throw error;
  }
}

/** Disks and memory of a running guest. False when it goes on running here. */
async function phaseTwo(passage: Passage, guest: GuestState, mirrors: readonly Mirror[]): Promise<boolean> {
  const { task, report, tunnel } = passage;
  const before = guest.qmpStatus;
  try {
    await moveRunning(passage, guest, mirrors);
    return true;
  } catch (error) {
    if (task.killed) throw error;
    report.error(`online migrate failure - ${errorMessage(error)}`);
    report.log("aborting phase 2 - cleanup resources");
    report.log("migrate_cancel");
    if (guest.running) guest.qmpStatus = before;
    delete guest.config.lock;
    await logged(report, () => tunnel.stop());
    await logged(report, () => tunnel.quit(true));
    return false;
  }
}

/** The target takes over. False when something of it failed; nothing is undone any more. */
async function phaseThree(
  passage: Passage,
  guest: GuestState,
  { wasRunning, wasPaused, mirrors }: { wasRunning: boolean; wasPaused: boolean; mirrors: readonly Mirror[] },
): Promise<boolean> {
  const { place, migration, task, report, tunnel } = passage;
  let fine = true;
  const step = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (task.killed) throw error;
      report.error(errorMessage(error));
      fine = false;
    }
  };
  if (wasRunning) {
    const { agentReadyAtMs } = guest;
    if (mirrors.length > 0) {
      report.log("stopping NBD storage migration server on target.");
      await step(() => tunnel.stopDiskServer());
      report.told("nbdstop");
    }
    // The source's process has stood still since its memory was sent: it never runs beside the target.
    if (guest.running) processStopped(place, guest);
    if (!wasPaused) {
      await step(() => tunnel.resume(agentReadyAtMs));
      report.told("resume");
    }
  }
  await step(async () => {
    await tunnel.unlock();
    report.told("unlock");
    await tunnel.quit(false);
    report.told("quit");
    if (migration.deleteSource) destroySource(passage, guest);
  });
  if (fine) place.world.event("migrated-away", { cluster: place.cluster.id, vmid: guest.vmid, to: tunnel.clusterId, as: tunnel.vmid });
  return fine;
}

/** The guest and its disks; rights on it and its place in a pool stay behind. */
function destroySource({ place, task }: Passage, guest: GuestState): void {
  const { world, cluster, node } = place;
  freeOwnVolumes(place, guest, (line) => task.log(line));
  delete cluster.guests[guest.vmid];
  world.event("destroyed", { cluster: cluster.id, node, vmid: guest.vmid });
  world.touch();
}

/** A clean-up step: what goes wrong is written down, the next one is tried all the same. */
async function logged(report: Report, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    report.error(errorMessage(error));
  }
}
