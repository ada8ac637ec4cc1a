/**
 * The target's end of a migration between clusters: a worker `qmtunnel` that claims the guest's number
 * and carries out the commands of the source's worker with the rights of the token that opened it.
 */
import { currentExecution } from "../../execution";
import type { Call, GuestState, TaskContext, VolumeState } from "../../kernel";
import type { Blocks } from "../../state";
import { bandwidthLimit } from "../../volumes/bandwidth-limit";
import { errorMessage, fail, type Place } from "../../volumes/calls";
import { getUsableStorage } from "../../volumes/storages";
import { imageFormat } from "../../volumes/types";
import { allocateVolume, freeVolume, getVolume } from "../../volumes/volumes";
import { freeOwnVolumes } from "../delete";
import { type Drive, printDrive } from "../drive";
import { getGuest } from "../lookup";
import { requireBridges, requireVolumes } from "../power";
import { guestRuns, processStarted, processStopped } from "../runtime";
import { takeOverConfig } from "./incoming-config";
import { commonStreamFormat, type StreamFormat } from "./stream-formats";

/** Nobody connects for so long: the worker gives the number back. */
const acceptTimeoutMs = 300_000;
const commandMs = 50;

export interface ImportRequest {
  storage: string;
  /** Name without suffix, already with the target's number. */
  stem: string;
  format: string;
  sizeBytes: number;
  streams: readonly StreamFormat[];
}

export class MigrationTunnel {
  readonly vmid: number;
  private readonly place: Place;
  private readonly cutOff = new AbortController();
  private readonly finished: Promise<void>;
  private finish: () => void = () => {};
  private connected: () => void = () => {};
  private readonly connection: Promise<void>;
  private isConnected = false;
  private exited = false;
  private lock: string | undefined = "create";
  private readonly volids = new Set<string>();
  private task: TaskContext | undefined;

  constructor(private readonly call: Call) {
    this.vmid = Number(call.params.vmid);
    this.place = { world: call.world, cluster: call.cluster, node: call.localNode };
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.connection = new Promise((resolve) => {
      this.connected = resolve;
    });
  }

  get node(): string {
    return this.place.node;
  }

  get clusterId(): string {
    return this.place.cluster.id;
  }

  /** Aborted when the target does not answer any more. */
  get broken(): AbortSignal {
    return this.cutOff.signal;
  }

  /** The network between the two ends is up and the target's node runs. */
  get isReachable(): boolean {
    const { cluster, node } = this.place;
    return !cluster.down && cluster.nodes[node]?.status !== "offline";
  }

  get targetPlace(): Place {
    return this.place;
  }

  /** The worker on the target: it lives as long as the source is connected. */
  async serve(task: TaskContext): Promise<void> {
    this.task = task;
    task.log("mtunnel started");
    const signal = currentExecution().task?.signal;
    const stopped = new Promise<never>((_, reject) => {
      if (signal?.aborted) reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    try {
      await Promise.race([this.accept(task), stopped]);
      await Promise.race([this.finished, stopped]);
    } finally {
      this.cutOff.abort(new Error("the tunnel is gone"));
    }
    if (!this.exited) fail("mtunnel exited unexpectedly");
    task.log("mtunnel exited");
  }

  private async accept(task: TaskContext): Promise<void> {
    const over = new AbortController();
    const timeout = this.place.world.clock.sleep(acceptTimeoutMs, over.signal).then(
      () => true,
      () => false,
    );
    const timedOut = await Promise.race([this.connection.then(() => false), timeout]);
    over.abort();
    if (!timedOut) return;
    task.log("Failed to accept tunnel connection - got timeout");
    task.log("Removing tunnel socket..");
    task.log("Removing temporary VM config..");
    this.destroyGuest();
    fail("Exiting mtunnel");
  }

  connect(): void {
    this.isConnected = true;
    this.connected();
  }

  /** The source's side is gone, with or without a good-bye. */
  disconnect(): void {
    this.finish();
  }

  /** The connection is lost: both ends notice. */
  cut(): void {
    this.cutOff.abort(new Error("the connection is lost"));
    this.finish();
  }

  /** Bytes per second that the target allows; of a storage, or in general. */
  limitFor(storage: string | undefined, overrideKibibytes: number | undefined): Promise<number | undefined> {
    return this.command("bwlimit", () => {
      const limit = bandwidthLimit(this.place.cluster, {
        operation: "migration",
        storages: storage === undefined ? [] : [storage],
        ...(overrideKibibytes === undefined ? {} : { override: overrideKibibytes }),
        hasPrivilege: (path, privilege) => this.call.hasPrivilege(path, privilege),
      });
      return limit ? limit * 1024 : undefined;
    });
  }

  /** Allocates a disk that QEMU's mirror will fill. */
  allocateDisk(storageId: string, format: string, drive: Drive, sizeBytes: number): Promise<{ volid: string; drive: string }> {
    return this.command("disk", () => {
      const storage = this.requireStorage(storageId);
      const chosen = imageFormat(storage, format);
      const volid = allocateVolume(this.place, { storage: storageId, vmid: this.vmid, sizeBytes, format: chosen }, (line) =>
        this.task?.log(line),
      );
      this.volids.add(volid);
      return { volid, drive: printDrive({ ...drive, file: volid, options: { ...drive.options, format: chosen } }) };
    });
  }

  /** Allocates the volume of a stream; another name when the wanted one is taken. */
  importDisk(request: ImportRequest): Promise<{ volid: string; stream: StreamFormat }> {
    return this.command("disk-import", () => {
      const storage = this.requireStorage(request.storage);
      const stream = commonStreamFormat(storage, request.format, request.streams);
      const { format, sizeBytes, stem } = request;
      const allocation = { storage: request.storage, vmid: this.vmid, sizeBytes, format };
      const log = (line: string) => this.task?.log(line);
      const volid = this.isTaken(request, stem)
        ? allocateVolume(this.place, allocation, log)
        : allocateVolume(this.place, { ...allocation, stem }, log);
      this.volids.add(volid);
      return { volid, stream };
    });
  }

  /** Where the bytes of an allocated volume arrive. */
  volume(volid: string): VolumeState {
    return getVolume(this.place, volid).volume;
  }

  write(volid: string, blocks: Blocks): void {
    this.volume(volid).blocks = blocks;
    this.place.world.touch();
  }

  /** Writes the configuration; the guest stays locked. */
  configure(text: string): Promise<void> {
    return this.command("config", (guest) => {
      takeOverConfig(this.call, guest, text);
      this.lock = "migrate";
    });
  }

  /** A QEMU process that waits for the other one's memory. */
  start(): Promise<void> {
    return this.command("start", (guest) => {
      requireVolumes(this.place, guest);
      requireBridges(this.place, guest);
      processStarted(this.place, guest, "prelaunch");
    });
  }

  stopDiskServer(): Promise<void> {
    return this.command("nbdstop", () => undefined);
  }

  /** From here on the guest runs on the target. `agentReadyAtMs`: its agent came along. */
  resume(agentReadyAtMs: number | undefined): Promise<void> {
    return this.command("resume", (guest) => {
      guestRuns(this.place, guest);
      if (agentReadyAtMs !== undefined) guest.agentReadyAtMs = agentReadyAtMs;
    });
  }

  stop(): Promise<void> {
    return this.command("stop", (guest) => {
      if (guest.running) processStopped(this.place, guest);
    });
  }

  unlock(): Promise<void> {
    return this.command("unlock", (guest) => {
      delete guest.config.lock;
      this.lock = undefined;
    });
  }

  /** Ends the worker; with `cleanup` nothing of the migration stays behind. */
  async quit(cleanup: boolean): Promise<void> {
    await this.command("quit", () => {
      if (cleanup) {
        for (const volid of this.volids) this.freeQuietly(volid);
        this.destroyGuest();
      }
      this.exited = true;
      this.task?.log("switching to exit-mode, waiting for client to disconnect");
    });
    this.disconnect();
  }

  /** Runs a command under the guest's lock on the target. Throws what the source's worker prints. */
  private async command<T>(name: string, work: (guest: GuestState) => T): Promise<T> {
    const { world, cluster } = this.place;
    if (!this.isConnected || this.broken.aborted || !this.isReachable) {
      throw new Error(`no reply to command '{"cmd":"${name}"}': reading from tunnel failed: connection lost`);
    }
    await world.clock.sleep(commandMs);
    this.task?.log(`received command '${name}'`);
    try {
      return await world.withGuestLock(cluster, this.vmid, () => {
        const guest = getGuest(this.place, this.vmid);
        if (this.lock !== undefined && guest.config.lock !== this.lock) fail("Encountered wrong lock - aborting mtunnel command handling.");
        const result = work(guest);
        world.touch();
        return result;
      });
    } catch (error) {
      const reason = errorMessage(error).trimEnd();
      throw new Error(`error - tunnel command '${name}' failed - failed to handle '${name}' command - ${reason}`, { cause: error });
    }
  }

  private requireStorage(id: string) {
    const storage = getUsableStorage(this.place, id);
    this.call.requirePrivilege(`/storage/${id}`, ["Datastore.AllocateSpace"]);
    if (!storage.content.includes("images")) fail(`storage '${id}' does not support vm images`);
    return storage;
  }

  private isTaken(request: ImportRequest, stem: string): boolean {
    const storage = getUsableStorage(this.place, request.storage);
    const backendId = storage.backends[this.place.node] ?? storage.backends["*"] ?? "";
    const keys = Object.keys(this.place.world.state.backends[backendId]?.volumes ?? {});
    return keys.some((key) => key.replace(/^\d+\//, "").replace(/\.(raw|qcow2|vmdk)$/, "") === stem);
  }

  private freeQuietly(volid: string): void {
    this.task?.log(`freeing volume '${volid}' as part of cleanup`);
    try {
      freeVolume(this.place, volid, () => {});
    } catch (error) {
      this.task?.log(errorMessage(error));
    }
  }

  private destroyGuest(): void {
    const { world, cluster } = this.place;
    const guest = cluster.guests[this.vmid];
    if (!guest) return;
    if (guest.running) processStopped(this.place, guest);
    freeOwnVolumes(this.place, guest, (line) => this.task?.log(line));
    delete cluster.guests[this.vmid];
    world.event("destroyed", { cluster: cluster.id, node: this.place.node, vmid: this.vmid });
    world.touch();
  }
}
