/**
 * A Proxmox cluster in memory, behind the same interface as the real client and without HTTP. What it does is what was
 * seen on real clusters: a vmid is claimed at once and filled by a task, a failed restore wipes description and tags, a
 * backup locks the guest and shows it as running, a lost answer's task runs on.
 */
import type {
  ApiParams,
  GuestConfig,
  GuestRow,
  NodeRow,
  Permissions,
  Pool,
  ProxmoxApi,
  ResourceRow,
  StorageRow,
  TaskFilter,
  Upid,
  Volume,
} from "../../src/proxmox";
import type { CallContext } from "../../src/proxmox/errors";
import { alreadyExists, badParameter, fileLocked, locked, notFound, refused } from "./fake-errors";
import {
  DRIVE_KEY,
  type FakeGuest,
  type FakeVolume,
  isDataDrive,
  isLiveKey,
  splitDrive,
  storedDrive,
  storedNet,
  storedSize,
  storedTags,
} from "./fake-guest";
import type { FakeWorld } from "./fake-world";

const GIB = 1024 ** 3;

/** What several clusters reach under ids of their own. */
export class FakeStore {
  readonly archives: FakeArchive[] = [];
}

export interface FakeArchive {
  /** Volid without the storage. */
  path: string;
  vmid: number;
  notes: string;
  protected: boolean;
  createdAtSeconds: number;
  config: Record<string, string>;
  disks: { slot: string; sizeBytes: number; writes: string[] }[];
}

export interface FakeStorage {
  type: string;
  shared: boolean;
  totalBytes: number;
  usedBytes: number;
  /** Set: holds backups of that store. */
  store?: FakeStore;
}

export interface FakeClusterOptions {
  nodes: string[];
  storages: Record<string, Partial<FakeStorage>>;
  permissions?: Permissions;
}

const ALL_PERMISSIONS: Permissions = {
  "/": Object.fromEntries(
    "VM.Audit VM.Backup VM.PowerMgmt VM.Config.Options VM.Config.Memory VM.Allocate Datastore.AllocateSpace SDN.Use"
      .split(" ")
      .map((privilege) => [privilege, true]),
  ),
};

/** Types of tasks that hold a guest's lock file while they run. */
const LOCKING_TASKS = ["qmcreate", "qmrestore", "qmdestroy", "resize", "qmmove", "qmigrate"];

export class FakeCluster implements ProxmoxApi {
  readonly guests = new Map<number, FakeGuest>();
  readonly volumes = new Map<string, FakeVolume>();
  readonly proxmoxPools = new Map<string, { comment: string }>();
  readonly storages: Record<string, FakeStorage>;
  permissions: Permissions;
  /** Guests of others that the token may not see: they are missing from lists, and their vmids are taken. */
  readonly hidden = new Set<number>();
  /** Set: the token's rights come from this pool, and it sees no guest outside. */
  onlyPool?: string;
  private counter = 1;

  constructor(
    readonly clusterId: string,
    readonly world: FakeWorld,
    private readonly options: FakeClusterOptions,
  ) {
    this.storages = Object.fromEntries(
      Object.entries(options.storages).map(([id, storage]) => [
        id,
        { type: "dir", shared: true, totalBytes: 1000 * GIB, usedBytes: 0, ...storage },
      ]),
    );
    this.permissions = options.permissions ?? ALL_PERMISSIONS;
    world.addLaw(() => this.brokenLaws());
  }

  /** Puts a guest there without any call. Disks: slot → `storage`, size and who has written to it. */
  addGuest(
    guest: Partial<FakeGuest> & { vmid: number; node: string },
    disks: Record<string, { storage: string; sizeBytes: number; writes?: string[] }> = {},
  ): FakeGuest {
    const made: FakeGuest = { config: {}, pending: {}, power: "stopped", agentAnswers: true, ...guest };
    made.config = { smbios1: `uuid=${this.clusterId}-${guest.vmid}`, ...made.config };
    for (const [slot, disk] of Object.entries(disks)) {
      const volume = this.newVolume(disk.storage, guest.vmid, disk.sizeBytes, disk.writes ?? []);
      made.config[slot] = storedDrive(volume.volid, { size: storedSize(disk.sizeBytes) });
    }
    this.guests.set(guest.vmid, made);
    return made;
  }

  /** Whose data the guest's data disk holds. */
  writesOf(vmid: number, slot = "scsi0"): string[] | undefined {
    const line = this.guests.get(vmid)?.config[slot];
    return line === undefined ? undefined : this.volumes.get(splitDrive(line).volume)?.writes;
  }

  // --- calls ---------------------------------------------------------------------------------------------------------

  getVersion() {
    return this.read("getVersion", {}, () => ({ version: "9.2.11", release: "9.2", major: 9, minor: 2 }));
  }

  getClusterStatus() {
    const nodes = this.options.nodes.map((name, index) => ({ name, online: true, local: index === 0 }));
    return this.read("getClusterStatus", {}, () => ({ name: this.clusterId, quorate: true, nodes }));
  }

  listResources(): Promise<ResourceRow[]> {
    return this.read("listResources", {}, () => [...this.guestRows(), ...this.nodeRows(), ...this.storageRows()]);
  }

  getNextVmid(): Promise<number> {
    return this.read("getNextVmid", {}, () => {
      let vmid = 100;
      while (this.guests.has(vmid)) vmid++;
      return vmid;
    });
  }

  getPermissions(): Promise<Permissions> {
    return this.read("getPermissions", {}, () => this.permissions);
  }

  listStorageDefinitions() {
    return this.read("listStorageDefinitions", {}, () =>
      Object.entries(this.storages).map(([storage, { type, shared }]) => ({
        storage,
        type,
        content: ["images", "backup"],
        shared,
        raw: {},
      })),
    );
  }

  readonly pools: ProxmoxApi["pools"] = {
    find: (pool) => this.read("pools.find", {}, () => this.findPool(pool)),
    create: (pool, comment) =>
      this.write("pools.create", {}, (context) => {
        if (this.proxmoxPools.has(pool)) throw alreadyExists(context, `create pool failed: pool '${pool}' already exists`);
        this.proxmoxPools.set(pool, { comment });
      }),
    setComment: (pool, comment) =>
      this.write("pools.setComment", {}, (context) => {
        this.requirePool(pool, context).comment = comment;
      }),
    addGuest: (pool, vmid) =>
      this.write("pools.addGuest", { vmid }, (context) => {
        this.requirePool(pool, context);
        const guest = this.guests.get(vmid);
        if (guest) guest.pool = pool;
      }),
    delete: (pool) =>
      this.write("pools.delete", {}, (context) => {
        this.requirePool(pool, context);
        if ((this.findPool(pool)?.members.length ?? 0) > 0) throw refused(context, `delete pool failed: pool '${pool}' is not empty`);
        this.proxmoxPools.delete(pool);
      }),
  };

  readonly qemu: ProxmoxApi["qemu"] = {
    list: (node) => this.read("qemu.list", { node }, () => this.guestRows().filter((row) => row.node === node)),
    getConfig: (node, vmid) => this.read("qemu.getConfig", { node, vmid }, (context) => toConfig(this.require(node, vmid, context))),
    findConfig: (node, vmid) =>
      this.read("qemu.findConfig", { node, vmid }, () => {
        const guest = this.visible(vmid);
        return guest?.node === node ? toConfig(guest) : undefined;
      }),
    listPending: (node, vmid) => this.read("qemu.listPending", { node, vmid }, (context) => pendingOf(this.require(node, vmid, context))),
    getStatus: (node, vmid) =>
      this.read("qemu.getStatus", { node, vmid }, (context) => {
        const guest = this.require(node, vmid, context);
        return {
          vmid,
          status: guest.power === "stopped" ? "stopped" : "running",
          qmpStatus: guest.power,
          template: guest.config.template === "1",
          uptimeSeconds: 0,
          ha: { managed: false },
          agentEnabled: guest.config.agent !== undefined,
          ...(guest.config.lock === undefined ? {} : { lock: guest.config.lock }),
        };
      }),
    create: (node, params) => this.write("qemu.create", { node, vmid: params.vmid }, (context) => this.create(node, params, context)),
    clone: (node, vmid) =>
      this.write("qemu.clone", { node, vmid }, (context): Upid => {
        throw refused(context, "clone is not part of this fake");
      }),
    updateConfig: (node, vmid, params) =>
      this.write("qemu.updateConfig", { node, vmid }, (context) =>
        this.updateConfig(this.changeable(node, vmid, context), params, context),
      ),
    startConfigUpdate: (node, vmid, params) =>
      this.write("qemu.startConfigUpdate", { node, vmid }, (context) => {
        const guest = this.changeable(node, vmid, context);
        return this.startTask(guest, "qmconfig", { finish: () => this.updateConfig(guest, params, context) });
      }),
    resizeDisk: (node, vmid, disk, sizeBytes) =>
      this.write("qemu.resizeDisk", { node, vmid }, (context) => {
        const guest = this.changeable(node, vmid, context);
        return this.startTask(guest, "resize", { finish: () => this.resize(guest, disk, sizeBytes) });
      }),
    moveDisk: (node, vmid, params) =>
      this.write("qemu.moveDisk", { node, vmid }, (context) => {
        const guest = this.changeable(node, vmid, context);
        return this.startTask(guest, "qmmove", { finish: () => this.moveToStorage(guest, params.disk, String(params.storage)) });
      }),
    getMigratePreconditions: (node, vmid) =>
      this.read("qemu.getMigratePreconditions", { node, vmid }, (context) => ({
        running: this.require(node, vmid, context).power === "running",
        localDisks: [],
        localResources: [],
      })),
    migrate: (node, vmid, params) =>
      this.write("qemu.migrate", { node, vmid }, (context) => {
        const guest = this.changeable(node, vmid, context);
        return this.startTask(guest, "qmigrate", {
          finish: () => {
            guest.node = params.target;
          },
        });
      }),
    start: (node, vmid) =>
      this.write("qemu.start", { node, vmid }, (context) => {
        const guest = this.require(node, vmid, context);
        return this.startTask(guest, "qmstart", { finish: () => this.powerOn(guest) });
      }),
    stop: (node, vmid) =>
      this.write("qemu.stop", { node, vmid }, (context) => {
        const guest = this.require(node, vmid, context);
        return this.startTask(guest, "qmstop", { finish: () => this.powerOff(guest) });
      }),
    shutdown: (node, vmid, params) =>
      this.write("qemu.shutdown", { node, vmid }, (context) => {
        const guest = this.require(node, vmid, context);
        return this.startTask(guest, "qmshutdown", {
          finish: () => {
            if (guest.deaf && guest.power === "running" && !params.forceStop) throw new Error("VM quit/powerdown failed - got timeout");
            this.powerOff(guest);
          },
        });
      }),
    reboot: (node, vmid) =>
      this.write("qemu.reboot", { node, vmid }, (context) =>
        this.startTask(this.require(node, vmid, context), "qmreboot", { finish: () => undefined }),
      ),
    delete: (node, vmid) =>
      this.write("qemu.delete", { node, vmid }, (context) => this.destroy(this.require(node, vmid, context), context)),
    pingAgent: (node, vmid) =>
      this.read("qemu.pingAgent", { node, vmid }, (context) => {
        const guest = this.require(node, vmid, context);
        return guest.power === "running" && guest.agentAnswers;
      }),
    findAgentAddresses: (node, vmid) =>
      this.read("qemu.findAgentAddresses", { node, vmid }, (context) =>
        this.require(node, vmid, context).agentAnswers ? ["192.0.2.1"] : undefined,
      ),
  };

  readonly storage: ProxmoxApi["storage"] = {
    getStatus: (_node, storage) =>
      this.read("storage.getStatus", {}, (context) => {
        const { type, shared, totalBytes, usedBytes } = this.requireStorage(storage, context);
        return {
          type,
          active: true,
          enabled: true,
          shared,
          content: ["images", "backup"],
          totalBytes,
          usedBytes,
          availableBytes: totalBytes - usedBytes,
        };
      }),
    listContent: (_node, storage, filter) => this.read("storage.listContent", {}, (context) => this.listContent(storage, filter, context)),
    allocate: (_node, storage, params) =>
      this.write("storage.allocate", {}, () => {
        const volid = `${storage}:${params.filename}`;
        this.volumes.set(volid, { volid, vmid: params.vmid, sizeBytes: params.sizeBytes, writes: [] });
        return volid;
      }),
    findVolume: (_node, volid) =>
      this.read("storage.findVolume", {}, (context) =>
        this.listContent(volid.slice(0, volid.indexOf(":")), {}, context).find((volume) => volume.volid === volid),
      ),
    setVolumeAttributes: (_node, volid, params) =>
      this.write("storage.setVolumeAttributes", {}, (context) => {
        const archive = this.findArchive(volid);
        if (!archive) throw notFound(context, "volume", volid);
        if (params.protected !== undefined) archive.protected = params.protected;
      }),
    deleteVolume: (node, volid) =>
      this.write("storage.deleteVolume", {}, () => {
        const finish = () => this.deleteVolume(volid);
        return this.world.start({
          cluster: this.clusterId,
          node,
          type: "imgdel",
          id: volid.replace(/[:/]/g, "_"),
          durationMs: 500,
          finish,
        });
      }),
  };

  readonly backup: ProxmoxApi["backup"] = {
    start: (node, params) => this.write("backup.start", { node, vmid: params.vmid }, () => this.startBackup(node, params)),
    extractConfig: (_node, volid) =>
      this.read("backup.extractConfig", {}, (context) => {
        const archive = this.findArchive(volid);
        if (!archive) throw notFound(context, "volume", volid);
        return Object.entries(archive.config)
          .map(([key, value]) => `${key}: ${value}`)
          .join("\n");
      }),
  };

  readonly tasks: ProxmoxApi["tasks"] = {
    getStatus: (upid) => this.read("tasks.getStatus", {}, () => this.world.taskStatus(upid)),
    getLog: () => this.read("tasks.getLog", {}, () => []),
    list: (node, filter: TaskFilter) =>
      this.read("tasks.list", { vmid: filter.vmid }, () =>
        this.world
          .listTasks(this.clusterId, node)
          .filter((task) => filter.vmid === undefined || task.id === String(filter.vmid))
          .filter((task) => filter.typeFilter === undefined || task.type === filter.typeFilter)
          .filter((task) => filter.source !== "active" || task.status === "running"),
      ),
    stop: (upid) => this.write("tasks.stop", {}, () => this.world.stopTask(upid)),
    wait: (upid, options) =>
      this.read("tasks.wait", {}, (context) => {
        const result = this.world.awaitTask(upid, context);
        options?.onLog?.(result.log);
        return result;
      }),
  };

  request<T>(): Promise<T> {
    return this.write("request", {}, (context): T => {
      throw refused(context, "other calls are not part of this fake");
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  // --- what they do --------------------------------------------------------------------------------------------------

  private read<T>(name: string, at: { node?: string; vmid?: number }, effect: (context: CallContext) => T): Promise<T> {
    return this.call(name, at, false, effect);
  }

  private write<T>(name: string, at: { node?: string; vmid?: number }, effect: (context: CallContext) => T): Promise<T> {
    return this.call(name, at, true, effect);
  }

  private call<T>(name: string, at: { node?: string; vmid?: number }, write: boolean, effect: (context: CallContext) => T): Promise<T> {
    const context: CallContext = { cluster: this.clusterId, method: write ? "POST" : "GET", path: `/nodes/${at.node ?? "n"}/${name}` };
    const record = { cluster: this.clusterId, name, write, ...(at.vmid === undefined ? {} : { vmid: at.vmid }) };
    return this.world.call(record, context, () => effect(context));
  }

  private visible(vmid: number): FakeGuest | undefined {
    const guest = this.guests.get(vmid);
    return guest && this.isVisible(guest) ? guest : undefined;
  }

  private isVisible(guest: FakeGuest): boolean {
    return !this.hidden.has(guest.vmid) && (this.onlyPool === undefined || guest.pool === this.onlyPool);
  }

  private require(node: string, vmid: number, context: CallContext): FakeGuest {
    const guest = this.visible(vmid);
    if (guest?.node !== node) throw notFound(context, "guest", vmid);
    return guest;
  }

  private requirePool(pool: string, context: CallContext): { comment: string } {
    const found = this.proxmoxPools.get(pool);
    if (!found) throw notFound(context, "pool", pool);
    return found;
  }

  private requireStorage(storage: string, context: CallContext): FakeStorage {
    const found = this.storages[storage];
    if (!found) throw notFound(context, "storage", storage);
    return found;
  }

  /** Neither locked nor held by a task. */
  private changeable(node: string, vmid: number, context: CallContext): FakeGuest {
    const guest = this.require(node, vmid, context);
    if (this.world.activeTask(this.clusterId, vmid, LOCKING_TASKS)) throw fileLocked(context, vmid);
    if (guest.config.lock !== undefined) throw locked(context, guest.config.lock);
    return guest;
  }

  private findPool(pool: string): Pool | undefined {
    const found = this.proxmoxPools.get(pool);
    if (!found) return undefined;
    const members = [...this.guests.values()].filter((guest) => guest.pool === pool && this.isVisible(guest));
    return { pool, comment: found.comment, storages: [], members: members.map(({ vmid, node }) => ({ kind: "guest", vmid, node })) };
  }

  private startTask(
    guest: FakeGuest,
    type: string,
    plan: {
      finish: () => void;
      durationMs?: number;
      steps?: { at: number; run: () => void }[];
      undo?: (how: "failed" | "stopped" | "killed") => void;
    },
  ): Upid {
    return this.world.start({ cluster: this.clusterId, node: guest.node, type, id: String(guest.vmid), durationMs: 1_000, ...plan });
  }

  private create(node: string, params: ApiParams & { vmid: number }, context: CallContext): Upid {
    const { vmid, archive, force, pool, storage, bwlimit: _bwlimit, ...settings } = params;
    if (pool !== undefined) this.requirePool(String(pool), context);
    const values = Object.fromEntries(
      Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    );
    if ((values.description?.length ?? 0) > 8192) throw badParameter(context, { description: "value may only be 8192 characters long" });
    const existing = this.guests.get(vmid);
    if (existing && !(archive !== undefined && force && existing.node === node))
      throw alreadyExists(context, `unable to create VM ${vmid} - VM ${vmid} already exists on node '${existing.node}'`);
    if (archive !== undefined) return this.startRestore(node, vmid, String(archive), String(storage), values, context);
    const guest = this.addGuest({ vmid, node });
    guest.config = { lock: "create" };
    return this.startTask(guest, "qmcreate", {
      finish: () => {
        guest.config = { smbios1: `uuid=${this.clusterId}-${vmid}-${this.counter++}`, vmgenid: String(this.counter++) };
        this.apply(guest, values);
        if (pool !== undefined) guest.pool = String(pool);
      },
      undo: () => this.guests.delete(vmid),
    });
  }

  private startRestore(
    node: string,
    vmid: number,
    archiveVolid: string,
    storage: string,
    overrides: Record<string, string>,
    context: CallContext,
  ): Upid {
    const archive = this.findArchive(archiveVolid);
    if (!archive) throw notFound(context, "volume", archiveVolid);
    const guest = this.guests.get(vmid) ?? this.addGuest({ vmid, node });
    if (this.world.activeTask(this.clusterId, vmid, LOCKING_TASKS)) throw fileLocked(context, vmid);
    if (guest.config.lock !== undefined) throw locked(context, guest.config.lock);
    if (guest.config.protection === "1") throw refused(context, `unable to restore VM ${vmid} - - protection mode enabled`);
    if (guest.power !== "stopped") throw refused(context, `unable to restore VM ${vmid} - vm is running`);
    for (const [key, line] of Object.entries(guest.config))
      if (isDataDrive(key, line)) this.world.violations.add(`restore over vm ${vmid} of ${this.clusterId}, which holds ${key}`);
    guest.config.lock = "create";
    const orphans = [...this.volumes.values()].filter((volume) => volume.vmid === vmid);
    let data: FakeVolume[] = [];
    return this.startTask(guest, "qmrestore", {
      durationMs: 10_000,
      steps: [
        {
          at: 0.3,
          run: () => {
            if (!this.storages[storage]) throw new Error(`storage '${storage}' does not exist`);
            guest.config = { memory: "128" };
            data = archive.disks.map((disk) => this.newVolume(storage, vmid, disk.sizeBytes, [...disk.writes]));
          },
        },
      ],
      finish: () => {
        guest.config = { ...archive.config };
        for (const [index, disk] of archive.disks.entries()) {
          const { options } = splitDrive(archive.config[disk.slot]!);
          guest.config[disk.slot] = storedDrive(data[index]!.volid, { ...options, size: storedSize(disk.sizeBytes) });
        }
        for (const [index, orphan] of orphans.entries()) guest.config[`unused${index}`] = orphan.volid;
        guest.config.vmgenid = String(this.counter++);
        this.apply(guest, overrides);
      },
      undo: (how) => {
        if (guest.config.lock === "create") delete guest.config.lock;
        if (how !== "killed") for (const volume of data) this.volumes.delete(volume.volid);
      },
    });
  }

  private updateConfig(guest: FakeGuest, params: ApiParams, context: CallContext): void {
    const { delete: removed, ...settings } = params;
    const values = Object.fromEntries(
      Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    );
    if ((values.description?.length ?? 0) > 8192) throw badParameter(context, { description: "value may only be 8192 characters long" });
    for (const key of typeof removed === "string" ? removed.split(",") : []) {
      if (guest.power === "running" && !isLiveKey(key) && guest.config[key] !== undefined) guest.pending[key] = undefined;
      else this.removeKey(guest, key);
    }
    const live = guest.power === "running" ? Object.fromEntries(Object.entries(values).filter(([key]) => isLiveKey(key))) : values;
    this.apply(guest, live);
    for (const [key, value] of Object.entries(values)) if (!(key in live)) guest.pending[key] = value;
  }

  private removeKey(guest: FakeGuest, key: string): void {
    const line = guest.config[key];
    if (line === undefined) return;
    delete guest.config[key];
    const volume = this.volumes.get(splitDrive(line).volume);
    if (volume?.vmid !== guest.vmid) return;
    // An unused volume is freed, a drive's is detached first.
    if (key.startsWith("unused")) this.freeVolume(volume, guest);
    if (!isDataDrive(key, line)) return;
    let index = 0;
    while (guest.config[`unused${index}`] !== undefined) index++;
    guest.config[`unused${index}`] = volume.volid;
  }

  /** Stores values the way Proxmox does: drives allocated, cards with an address, tags sorted, trailing newlines cut. */
  private apply(guest: FakeGuest, values: Record<string, string>): void {
    for (const [key, value] of Object.entries(values)) {
      // A line without a value is none.
      if (value === "") delete guest.config[key];
      else if (key === "tags") guest.config.tags = storedTags(value);
      else if (key === "description") guest.config.description = value.replace(/\n+$/, "");
      else if (/^net\d+$/.test(key)) guest.config[key] = storedNet(value, () => this.newMac());
      else if (DRIVE_KEY.test(key)) guest.config[key] = this.storeDrive(guest, value);
      else guest.config[key] = value;
    }
  }

  private storeDrive(guest: FakeGuest, line: string): string {
    const { volume, options } = splitDrive(line);
    const allocation = /^([^:]+):(\d+(?:\.\d+)?)$/.exec(volume);
    if (allocation) {
      const { "import-from": importFrom, ...kept } = options;
      const sizeBytes = importFrom === undefined ? Number(allocation[2]) * GIB : 2 * GIB;
      const made = this.newVolume(allocation[1]!, guest.vmid, sizeBytes, importFrom === undefined ? [] : [importFrom]);
      return storedDrive(made.volid, { ...kept, size: storedSize(sizeBytes) });
    }
    const cloudInit = /^([^:]+):cloudinit$/.exec(volume);
    if (cloudInit) return storedDrive(`${cloudInit[1]}:vm-${guest.vmid}-cloudinit`, { media: "cdrom", size: "4M" });
    const known = this.volumes.get(volume);
    return storedDrive(volume, known ? { ...options, size: storedSize(known.sizeBytes) } : options);
  }

  private newVolume(storage: string, vmid: number, sizeBytes: number, writes: string[]): FakeVolume {
    let index = 0;
    while (this.volumes.has(`${storage}:vm-${vmid}-disk-${index}`)) index++;
    const volume = { volid: `${storage}:vm-${vmid}-disk-${index}`, vmid, sizeBytes, writes };
    this.volumes.set(volume.volid, volume);
    return volume;
  }

  private newMac(): string {
    return `BC:24:11:00:${Math.floor(this.counter / 256)
      .toString(16)
      .padStart(2, "0")}:${(this.counter++ % 256).toString(16).padStart(2, "0")}`.toUpperCase();
  }

  private resize(guest: FakeGuest, disk: string, sizeBytes: number): void {
    const { volume, options } = splitDrive(guest.config[disk] ?? "");
    const found = this.volumes.get(volume);
    if (!found) throw new Error(`disk '${disk}' does not exist`);
    if (sizeBytes < found.sizeBytes) throw new Error("shrinking disks is not supported");
    found.sizeBytes = sizeBytes;
    guest.config[disk] = storedDrive(volume, { ...options, size: storedSize(sizeBytes) });
  }

  private moveToStorage(guest: FakeGuest, disk: string, storage: string): void {
    const { volume, options } = splitDrive(guest.config[disk] ?? "");
    const found = this.volumes.get(volume);
    if (!found) throw new Error(`disk '${disk}' does not exist`);
    const made = this.newVolume(storage, guest.vmid, found.sizeBytes, found.writes);
    this.volumes.delete(volume);
    guest.config[disk] = storedDrive(made.volid, options);
  }

  private powerOn(guest: FakeGuest): void {
    if (guest.config.template === "1") throw new Error("you can't start a vm if it's a template");
    if (guest.power === "running") throw new Error(`VM ${guest.vmid} already running`);
    if (guest.config.lock !== undefined && guest.config.lock !== "backup") throw new Error(`VM is locked (${guest.config.lock})`);
    this.applyPending(guest);
    guest.power = "running";
    this.writeToDisks(guest);
  }

  private powerOff(guest: FakeGuest): void {
    if (guest.power === "stopped") return;
    if (guest.config.lock !== undefined) throw new Error(`VM is locked (${guest.config.lock})`);
    this.writeToDisks(guest);
    guest.power = "stopped";
    this.applyPending(guest);
  }

  private applyPending(guest: FakeGuest): void {
    for (const [key, value] of Object.entries(guest.pending)) {
      if (value === undefined) this.removeKey(guest, key);
      else this.apply(guest, { [key]: value });
    }
    guest.pending = {};
  }

  /** A running guest writes: whoever carries an older copy on has lost something. */
  private writeToDisks(guest: FakeGuest): void {
    for (const [key, line] of Object.entries(guest.config)) {
      if (!isDataDrive(key, line)) continue;
      this.volumes.get(splitDrive(line).volume)?.writes.push(`${this.clusterId}/${guest.vmid}#${this.counter++}`);
    }
  }

  private destroy(guest: FakeGuest, context: CallContext): Upid {
    if (guest.config.protection === "1") throw refused(context, `can't remove VM ${guest.vmid} - protection mode enabled`);
    if (guest.power !== "stopped") throw refused(context, `VM ${guest.vmid} is running - destroy failed`);
    return this.startTask(guest, "qmdestroy", {
      finish: () => {
        if (guest.config.lock !== undefined) throw new Error(`VM is locked (${guest.config.lock})`);
        for (const [key, line] of Object.entries(guest.config)) {
          const volume = this.volumes.get(splitDrive(line).volume);
          if (DRIVE_KEY.test(key) && volume?.vmid === guest.vmid) this.freeVolume(volume, guest);
        }
        this.guests.delete(guest.vmid);
      },
    });
  }

  private freeVolume(volume: FakeVolume, owner: FakeGuest): void {
    for (const other of this.guests.values())
      if (other !== owner && Object.values(other.config).some((line) => splitDrive(line).volume === volume.volid))
        this.world.violations.add(`volume ${volume.volid} was destroyed under vm ${other.vmid} of ${this.clusterId}`);
    this.volumes.delete(volume.volid);
  }

  private startBackup(node: string, params: ApiParams & { vmid: number; storage: string }): Upid | undefined {
    const guest = this.guests.get(params.vmid);
    const store = this.storages[params.storage]?.store;
    if (guest?.node !== node) return undefined;
    let resume = false;
    const release = () => {
      if (guest.config.lock === "backup") delete guest.config.lock;
      if (guest.power === "prelaunch") guest.power = "stopped";
    };
    return this.startTask(guest, "vzdump", {
      durationMs: 10_000,
      steps: [
        {
          at: 0,
          run: () => {
            if (!store) throw new Error(`storage '${params.storage}' does not exist`);
            if (guest.config.lock !== undefined) throw new Error(`VM is locked (${guest.config.lock})`);
            if (guest.power === "running") this.world.violations.add(`backup of vm ${guest.vmid} of ${this.clusterId}, which runs`);
            guest.config.lock = "backup";
            resume = guest.power === "running";
            if (!resume) guest.power = "prelaunch";
          },
        },
      ],
      finish: () => {
        release();
        store!.archives.push(this.archiveOf(guest, params));
      },
      undo: (how) => {
        if (how !== "killed") release();
      },
    });
  }

  private archiveOf(guest: FakeGuest, params: ApiParams): FakeArchive {
    const config = { ...guest.config };
    const disks: FakeArchive["disks"] = [];
    for (const [key, line] of Object.entries(guest.config)) {
      if (key.startsWith("unused")) delete config[key];
      if (!isDataDrive(key, line)) continue;
      if (line.includes("backup=0")) {
        delete config[key];
        config.description = `${config.description ?? ""}\n${key}: ${line}`;
        continue;
      }
      const volume = this.volumes.get(splitDrive(line).volume)!;
      disks.push({ slot: key, sizeBytes: volume.sizeBytes, writes: [...volume.writes] });
    }
    const number = this.counter++;
    return {
      path: `backup/vzdump-qemu-${guest.vmid}-2026_01_01-${String(number).padStart(8, "0")}.vma.zst`,
      vmid: guest.vmid,
      notes: String(params["notes-template"] ?? ""),
      protected: params.protected === 1,
      createdAtSeconds: Math.floor(this.world.nowMs / 1000),
      config,
      disks,
    };
  }

  private listContent(storage: string, filter: { content?: string; vmid?: number }, context: CallContext): Volume[] {
    const { store } = this.requireStorage(storage, context);
    const archives = (store?.archives ?? []).map(
      (archive): Volume => ({
        volid: `${storage}:${archive.path}`,
        format: "vma.zst",
        sizeBytes: 1_000_000 + archive.path.length,
        content: "backup",
        vmid: archive.vmid,
        createdAtSeconds: archive.createdAtSeconds,
        notes: archive.notes,
        protected: archive.protected,
      }),
    );
    const images = [...this.volumes.values()]
      .filter(({ volid }) => volid.startsWith(`${storage}:`))
      .map(({ volid, vmid, sizeBytes }): Volume => ({ volid, vmid, sizeBytes, format: "raw", content: "images", protected: false }));
    return [...archives, ...images]
      .filter((volume) => filter.content === undefined || volume.content === filter.content)
      .filter((volume) => filter.vmid === undefined || volume.vmid === filter.vmid);
  }

  private findArchive(volid: string): FakeArchive | undefined {
    const cut = volid.indexOf(":");
    return this.storages[volid.slice(0, cut)]?.store?.archives.find((archive) => archive.path === volid.slice(cut + 1));
  }

  private deleteVolume(volid: string): void {
    const archive = this.findArchive(volid);
    if (!archive) return;
    if (archive.protected) throw new Error(`cannot remove protected volume '${volid}'`);
    const { archives } = this.storages[volid.slice(0, volid.indexOf(":"))]!.store!;
    archives.splice(archives.indexOf(archive), 1);
  }

  private guestRows(): GuestRow[] {
    return [...this.guests.values()]
      .filter((guest) => this.isVisible(guest))
      .map(({ vmid, node, config, power, pool }) => ({
        kind: "guest",
        guestType: "qemu",
        vmid,
        node,
        ...(config.name === undefined ? {} : { name: config.name }),
        status: power === "stopped" ? "stopped" : "running",
        template: config.template === "1",
        tags: (config.tags ?? "").split(";").filter((tag) => tag.trim() !== ""),
        ...(config.lock === undefined ? {} : { lock: config.lock }),
        ...(pool === undefined ? {} : { pool }),
        maxCpu: Number(config.cores ?? 1) * Number(config.sockets ?? 1),
        maxMemoryBytes: Number(config.memory ?? 512) * 1024 ** 2,
      }));
  }

  private nodeRows(): NodeRow[] {
    return this.options.nodes.map((node) => ({
      kind: "node",
      node,
      status: "online",
      maxCpu: 64,
      maxMemoryBytes: 256 * GIB,
      memoryBytes: 0,
    }));
  }

  private storageRows(): StorageRow[] {
    return Object.entries(this.storages).flatMap(([storage, { shared, type, totalBytes, usedBytes }]) =>
      this.options.nodes.map(
        (node): StorageRow => ({
          kind: "storage",
          storage,
          node,
          status: "available",
          shared,
          pluginType: type,
          content: ["images", "backup"],
          totalBytes,
          usedBytes,
        }),
      ),
    );
  }

  private brokenLaws(): string[] {
    const running = [...this.guests.values()].filter((guest) => guest.power === "running");
    return running.flatMap((guest) =>
      Object.entries(guest.config).flatMap(([key, line]) => {
        if (!isDataDrive(key, line)) return [];
        const { volume } = splitDrive(line);
        const other = running.find(
          (candidate) => candidate !== guest && Object.values(candidate.config).some((text) => splitDrive(text).volume === volume),
        );
        return other ? [`vm ${guest.vmid} and vm ${other.vmid} of ${this.clusterId} both write to ${volume}`] : [];
      }),
    );
  }
}

/** No two running guests may be the same machine, wherever they are. */
export function forbidTwins(world: FakeWorld, clusters: readonly FakeCluster[]): void {
  world.addLaw(() => {
    const seen = new Map<string, string>();
    const twins: string[] = [];
    for (const cluster of clusters)
      for (const guest of cluster.guests.values()) {
        if (guest.power !== "running" || guest.config.smbios1 === undefined) continue;
        const other = seen.get(guest.config.smbios1);
        const name = `vm ${guest.vmid} of ${cluster.clusterId}`;
        if (other) twins.push(`${other} and ${name} run, and are the same machine`);
        seen.set(guest.config.smbios1, name);
      }
    return twins;
  });
}

function toConfig(guest: FakeGuest): GuestConfig {
  const pending = Object.entries(guest.pending);
  const values = { ...guest.config };
  for (const [key, value] of pending) {
    if (value === undefined) delete values[key];
    else values[key] = value;
  }
  return { digest: JSON.stringify(values).length.toString(16), values };
}

function pendingOf(guest: FakeGuest): { key: string; value?: string; pending?: string; delete: boolean }[] {
  const waiting = Object.entries(guest.pending).map(([key, value]) => ({
    key,
    ...(guest.config[key] === undefined ? {} : { value: guest.config[key] }),
    ...(value === undefined ? {} : { pending: value }),
    delete: value === undefined,
  }));
  const settled = Object.entries(guest.config).flatMap(([key, value]) => (key in guest.pending ? [] : [{ key, value, delete: false }]));
  return [...settled, ...waiting];
}
