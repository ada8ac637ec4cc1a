/**
 * The worker of a migration to another cluster, in Proxmox's phases. Until the target runs (or has
 * everything, for a stopped guest) a failure leaves the source as it was. Afterwards the source stays
 * stopped under the lock `migrate`, unless it is to be deleted.
 */
import type { GuestState, TaskContext } from "../../kernel";
import type { PeerAddress } from "../../peers";
import { errorMessage, fail, type Place } from "../../volumes/calls";
import { getUsableStorage } from "../../volumes/storages";
import { resolveVolid } from "../../volumes/volumes";
import { logTime } from "../archive";
import { formatSection } from "../config-text";
import { freeOwnVolumes } from "../delete";
import { type Config, drivesOf, parseDrive, printDrive, volidOf } from "../drive";
import { type IdMap, mapId } from "../id-map";
import { getGuest, memoryMebibytes, requireUnlocked } from "../lookup";
import { isNetKey, parseNet, printNet } from "../net";
import { processStopped } from "../runtime";
import { bytesPerSecond } from "../work";
import { type Channel, copyAtRest, Mirror, sendMemory } from "./copying";
import { streamFormats } from "./stream-formats";
import type { MigrationTunnel } from "./tunnel";
import { localDevices, type MovingVolume, scanVolumes } from "./volumes";

export interface RemoteMigration {
  vmid: number;
  targetVmid: number;
  address: PeerAddress;
  targetNode: string;
  online: boolean;
  /** Destroy the source when the target has it. */
  deleteSource: boolean;
  storages: IdMap;
  bridges: IdMap;
  limitKibibytes?: number;
}

const setUpMs = 1_000;
/** What of its memory a running guest has touched. */
const usedMemoryShare = 0.5;
/** The guest stands still while the last of its memory travels. */
const downtimeMs = 50;

/** Ends with `migration aborted` (the source is as before) or `migration problems` (see the log). */
export async function migrateToPeer(place: Place, migration: RemoteMigration, task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  // 8.4 keeps the file lock over the whole migration, 9.2 only sets the config's.
  const release = cluster.era === "8.4" ? await world.holdGuestLock(cluster, migration.vmid) : undefined;
  try {
    await new Run(place, migration, task).migrate();
  } finally {
    release?.();
  }
}

class Run {
  private readonly startedMs: number;
  private tunnel: MigrationTunnel | undefined;
  private volumes: MovingVolume[] = [];
  /** Volid here → volid there. */
  private readonly moved = new Map<string, string>();
  private readonly mirrors: Mirror[] = [];

  constructor(
    private readonly place: Place,
    private readonly migration: RemoteMigration,
    private readonly task: TaskContext,
  ) {
    this.startedMs = place.world.clock.nowMs();
  }

  async migrate(): Promise<void> {
    let problems = false;
    try {
      const guest = await this.prepare();
      const { running } = guest;
      await this.sendGuest(guest);
      if (running) problems = !(await this.moveRunning(guest));
      if (!problems) problems = !(await this.finish(guest, running));
    } catch (error) {
      if (this.task.killed) throw error;
      this.error(`migration aborted (duration ${this.duration()}): ${errorMessage(error)}`);
      throw new Error("migration aborted", { cause: error });
    } finally {
      this.tunnel?.disconnect();
      this.place.world.touch();
    }
    if (problems) {
      this.error(`migration finished with problems (duration ${this.duration()})`);
      throw new Error("migration problems");
    }
    this.log(`migration finished successfully (duration ${this.duration()})`);
  }

  /** Everything that can be refused before the source is touched. */
  private async prepare(): Promise<GuestState> {
    const { place, migration } = this;
    const guest = getGuest(place, migration.vmid);
    requireUnlocked(guest);
    if (guest.running) {
      if (!migration.online) fail("can't migrate running VM without --online");
      if (place.cluster.era === "9.2")
        this.log("conntrack state migration not supported or disabled, active connections might get dropped");
    }
    const devices = localDevices(guest);
    if (devices.length > 0) fail(`can't migrate VM which uses local devices: ${devices.join(", ")}`);
    await this.openTunnel(this.targetStorages(guest), this.targetBridges(guest.config));
    return guest;
  }

  private targetStorages(guest: GuestState): string[] {
    const storages = new Set<string>();
    for (const drive of drivesOf(guest.config, { unused: true })) {
      const volid = volidOf(drive);
      if (volid === undefined) continue;
      const { storage } = resolveVolid(this.place, volid).storage;
      getUsableStorage(this.place, storage);
      storages.add(mapId(this.migration.storages, storage));
    }
    return [...storages];
  }

  private targetBridges(config: Config): string[] {
    const bridges = Object.entries(config).flatMap(([key, value]) => (isNetKey(key) ? [parseNet(value, key).bridge] : []));
    return [...new Set(bridges.filter((bridge) => bridge !== undefined).map((bridge) => mapId(this.migration.bridges, bridge)))];
  }

  private async openTunnel(storages: string[], bridges: string[]): Promise<void> {
    const { peers } = this.place.world;
    const { address, targetNode, targetVmid } = this.migration;
    const params = {
      ...(storages.length === 0 ? {} : { storages: storages.join(",") }),
      ...(bridges.length === 0 ? {} : { bridges: bridges.join(",") }),
    };
    const path = `/nodes/${targetNode}/qemu/${targetVmid}/mtunnel`;
    const opened = await peers.request(this.place, address, { method: "POST", path, params });
    const { upid, ticket } = opened as { upid: string; ticket: string };
    this.log(`remote: started tunnel worker '${upid}'`);
    this.tunnel = peers.takeTunnel(ticket) ?? fail("can't open tunnel - no reply");
    await this.task.pass(setUpMs);
    this.told("version");
    this.log("local WS tunnel version: 2");
    this.log("remote WS tunnel version: 2");
    this.log("minimum required WS tunnel version: 2");
    this.task.log("websocket tunnel started");
  }

  /** Phase 1: what rests is copied, the target gets the configuration. */
  private async sendGuest(guest: GuestState): Promise<void> {
    const { migration, task } = this;
    this.log(`starting migration of VM ${guest.vmid} to node '${migration.targetNode}' (${migration.address.host})`);
    guest.config.lock = "migrate";
    this.place.world.touch();
    try {
      this.volumes = scanVolumes(this.place, guest, (line) => this.log(line));
      for (const _ of this.volumes) this.told("bwlimit");
      await this.copyResting();
      await this.sendConfig(guest);
    } catch (error) {
      if (task.killed) throw error;
      this.error(errorMessage(error));
      this.log("aborting phase 1 - cleanup resources");
      delete guest.config.lock;
      await this.cleanUpTarget();
      throw error;
    }
  }

  private async copyResting(): Promise<void> {
    const resting = this.volumes.filter(({ mode }) => mode === "copied");
    if (resting.length > 0) this.log("copying local disk images");
    for (const { found } of resting) {
      const { volid, storage, volume, name } = found;
      const streams = streamFormats(storage, volume.format);
      if (streams.length === 0) fail(`no export formats for '${volid}' - check storage plugin support!`);
      const stem = name.name.replace(/\.(raw|qcow2|vmdk)$/, "").replace(`-${name.vmid}-`, `-${this.migration.targetVmid}-`);
      const imported = await this.connection.importDisk({
        storage: mapId(this.migration.storages, storage.storage),
        stem,
        format: volume.format,
        sizeBytes: volume.sizeBytes,
        streams,
      });
      this.told("disk-import");
      await copyAtRest(this.channel(), found, imported.volid, imported.stream);
      this.told("query-disk-import");
      this.moved.set(volid, imported.volid);
      this.log(`volume '${volid}' is '${imported.volid}' on the target`);
    }
  }

  private async sendConfig(guest: GuestState): Promise<void> {
    const config = { ...guest.config };
    delete config.lock;
    for (const drive of drivesOf(config, { unused: true })) {
      const there = this.moved.get(drive.file);
      if (there !== undefined) config[drive.key] = printDrive({ ...parseDrive(drive.key, config[drive.key]!), file: there });
    }
    for (const key of Object.keys(config).filter(isNetKey)) {
      const net = parseNet(config[key]!, key);
      if (net.bridge === undefined) continue;
      const bridge = mapId(this.migration.bridges, net.bridge);
      this.log(`mapped: ${key} from ${net.bridge} to ${bridge}`);
      config[key] = printNet({ ...net, bridge });
    }
    for (const { drive, found } of this.volumes.filter(({ mode }) => mode === "mirrored")) {
      const storage = mapId(this.migration.storages, found.storage.storage);
      this.log(`Allocating volume for drive '${drive.key}' on remote storage '${storage}'..`);
      const allocated = await this.connection.allocateDisk(storage, found.volume.format, drive, found.volume.sizeBytes);
      this.told("disk");
      this.log(`volume '${found.volid}' is '${allocated.volid}' on the target`);
      this.moved.set(found.volid, allocated.volid);
      config[drive.key] = allocated.drive;
      this.mirrors.push(new Mirror(this.channel(), drive.key, found, allocated.volid));
    }
    await this.connection.configure(formatSection(config));
    this.told("config");
  }

  /** Phase 2: disks and memory of a running guest. False when it goes on running here. */
  private async moveRunning(guest: GuestState): Promise<boolean> {
    const { task } = this;
    try {
      await this.connection.start();
      this.told("start");
      this.log(`Setting up tunnel for '/run/qemu-server/${guest.vmid}.migrate'`);
      if (this.mirrors.length > 0) this.log(`Setting up tunnel for '/run/qemu-server/${guest.vmid}_nbd.migrate'`);
      await task.pass(setUpMs);
      await this.mirrorDisks(guest);
      await this.moveMemory(guest);
      return true;
    } catch (error) {
      if (task.killed) throw error;
      this.error(`online migrate failure - ${errorMessage(error)}`);
      this.log("aborting phase 2 - cleanup resources");
      this.log("migrate_cancel");
      if (guest.qmpStatus === "paused") guest.qmpStatus = "running";
      delete guest.config.lock;
      await this.stopTarget();
      await this.cleanUpTarget();
      return false;
    }
  }

  private async mirrorDisks(guest: GuestState): Promise<void> {
    if (this.mirrors.length === 0) return;
    this.log("starting storage migration");
    for (const mirror of this.mirrors) {
      const uri = `nbd:unix:/run/qemu-server/${guest.vmid}_nbd.migrate:exportname=drive-${mirror.driveKey}`;
      this.log(`${mirror.driveKey}: start migration to ${uri}`);
      await mirror.copyAll();
    }
    this.task.log("all 'mirror' jobs are ready");
    this.log("switching mirror jobs to actively synced mode");
  }

  private async moveMemory(guest: GuestState): Promise<void> {
    const uri = `unix:/run/qemu-server/${guest.vmid}.migrate`;
    this.log(`starting online/live migration on ${uri}`);
    this.log("set migration capabilities");
    this.told("bwlimit");
    this.log(`migration downtime limit: 100 ms`);
    this.log("set migration parameters");
    this.log(`start migrate command to ${uri}`);
    const memoryBytes = memoryMebibytes(guest.runningConfig ?? guest.config) * 1024 * 1024;
    await sendMemory(this.channel(), Math.floor(memoryBytes * usedMemoryShare));
    for (const mirror of this.mirrors) await mirror.catchUp();
    const wasPaused = guest.qmpStatus === "paused";
    guest.qmpStatus = "paused";
    await this.task.pass(downtimeMs);
    for (const mirror of this.mirrors) mirror.finish();
    this.wasPaused = wasPaused;
    this.log(`average migration speed: - downtime ${downtimeMs} ms`);
    this.log("migration status: completed");
    for (const { driveKey } of this.mirrors) {
      this.task.log(`drive-${driveKey}: Completing block job...`);
      this.task.log(`drive-${driveKey}: Completed successfully.`);
      this.task.log(`drive-${driveKey}: mirror-job finished`);
    }
  }

  private wasPaused = false;

  /** Phase 3: the target takes over. False when something of it failed; nothing is undone any more. */
  private async finish(guest: GuestState, running: boolean): Promise<boolean> {
    let fine = true;
    const step = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        if (this.task.killed) throw error;
        this.error(errorMessage(error));
        fine = false;
      }
    };
    if (running) {
      const { agentReadyAtMs } = guest;
      if (this.mirrors.length > 0) {
        this.log("stopping NBD storage migration server on target.");
        await step(() => this.connection.stopDiskServer());
        this.told("nbdstop");
      }
      // The source's process has stood still since its memory was sent: it never runs beside the target.
      processStopped(this.place, guest);
      if (!this.wasPaused) {
        await step(() => this.connection.resume(agentReadyAtMs));
        this.told("resume");
      }
    }
    await step(async () => {
      await this.connection.unlock();
      this.told("unlock");
      await this.connection.quit(false);
      this.told("quit");
      if (this.migration.deleteSource) this.destroySource(guest);
    });
    const { world, cluster } = this.place;
    if (fine)
      world.event("migrated-away", { cluster: cluster.id, vmid: guest.vmid, to: this.connection.clusterId, as: this.connection.vmid });
    return fine;
  }

  /** The guest and its disks; rights on it and its place in a pool stay behind. */
  private destroySource(guest: GuestState): void {
    const { world, cluster, node } = this.place;
    freeOwnVolumes(this.place, guest, (line) => this.task.log(line));
    delete cluster.guests[guest.vmid];
    world.event("destroyed", { cluster: cluster.id, node, vmid: guest.vmid });
    world.touch();
  }

  private async stopTarget(): Promise<void> {
    try {
      await this.connection.stop();
    } catch (error) {
      this.error(errorMessage(error));
    }
  }

  private async cleanUpTarget(): Promise<void> {
    try {
      await this.connection.quit(true);
    } catch (error) {
      this.error(errorMessage(error));
    }
  }

  private get connection(): MigrationTunnel {
    return this.tunnel ?? fail("can't open tunnel - no reply");
  }

  private channel(): Channel {
    return {
      place: this.place,
      tunnel: this.connection,
      task: this.task,
      limitBytesPerSecond: bytesPerSecond(this.migration.limitKibibytes),
    };
  }

  /** What the tunnel's helper prints of every command. */
  private told(command: string): void {
    this.task.log(`tunnel: -> sending command "${command}" to remote`);
    this.task.log("tunnel: <- got reply");
  }

  private log(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.task.log(`${logTime(this.place.world.clock.nowMs())} ${line}`);
  }

  private error(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.task.log(`${logTime(this.place.world.clock.nowMs())} ERROR: ${line}`);
  }

  private duration(): string {
    return new Date(this.place.world.clock.nowMs() - this.startedMs).toISOString().slice(11, 19);
  }
}
