/**
 * A Proxmox cluster in memory, behind the same interface as the real client and without HTTP. What it does is what was
 * seen on real clusters: a vmid is claimed at once and filled by a task, a failed restore wipes description and tags, a
 * backup locks the guest and shows it as running, a lost answer's task runs on.
 */
import type {
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
} from "../../src/proxmox";
import type { CallContext } from "../../src/proxmox/errors";
import { LOCKING_TASKS } from "./fake-backups";
import { alreadyExists, cancelled, fileLocked, locked, notFound, offline, refused } from "./fake-errors";
import type { FakeGuest } from "./fake-guest";
import { FakeMigrations } from "./fake-migrations";
import type { FakeWorld } from "./fake-world";

const GIB = 1024 ** 3;

export class FakeCluster extends FakeMigrations implements ProxmoxApi {
  /** False: a node that has replicas is down, so that their removal is asked for and not done. */
  removesReplicas = true;

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
      Object.entries(this.storages).map(([storage, { type, shared, definition, keyFingerprint }]) => ({
        storage,
        type,
        content: ["images", "backup"],
        shared,
        raw: { ...definition, ...(keyFingerprint === undefined ? {} : { "encryption-key": keyFingerprint }) },
      })),
    );
  }

  listBridges(node: string) {
    return this.read("listBridges", { node }, () => this.bridges);
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
          ha: { managed: (this.haResources.get(vmid)?.state ?? "ignored") !== "ignored" },
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
        const target = params["target-vmid"];
        if (target === undefined)
          return this.startTask(guest, "qmmove", { finish: () => this.moveToStorage(guest, params.disk, String(params.storage)) });
        const key = String(params["target-disk"] ?? params.disk);
        const finish = () => this.reassign(guest, params.disk, Number(target), key);
        const id = `${vmid}-${params.disk}>${target}-${key}`;
        return this.world.start({ cluster: this.clusterId, node, type: "qmmove", id, durationMs: 500, finish });
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
          finish: () => this.bringToNode(guest, params.target),
        });
      }),
    remoteMigrate: (node, vmid, params) =>
      this.write("qemu.remoteMigrate", { node, vmid }, (context) =>
        this.startRemoteMigration(this.changeable(node, vmid, context), params, context),
      ),
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
        const { description, ...rest } = archive.config;
        const comments = description === undefined ? [] : description.split("\n").map((line) => `#${line.replaceAll("%", "%25")}`);
        return [...comments, ...Object.entries(rest).map(([key, value]) => `${key}: ${value}`)].join("\n");
      }),
  };

  readonly tasks: ProxmoxApi["tasks"] = {
    getStatus: (upid) => this.read("tasks.getStatus", {}, () => this.world.taskStatus(upid)),
    getLog: (upid) =>
      this.read("tasks.getLog", {}, () => {
        const restored = this.restored.get(upid);
        if (!restored) return [];
        const command = `restore vma archive: zstd -q -d -c /mnt/pve/${restored.from} | vma extract`;
        return [command, ...restored.volids().map((volid) => `new volume ID is '${volid}'`)];
      }),
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
        // Cancelled while the task was under way: nobody waits for its end.
        if (options?.signal?.aborted) throw cancelled(context);
        const result = this.world.awaitTask(upid, context);
        options?.onLog?.(result.log);
        return result;
      }),
  };

  readonly ha: ProxmoxApi["ha"] = {
    findResource: (vmid) => this.read("ha.findResource", { vmid }, () => this.haResources.get(vmid)),
    addResource: (resource) =>
      this.write("ha.addResource", { vmid: resource.vmid }, (context) => {
        if (this.haResources.has(resource.vmid))
          throw refused(context, `create resource failed: resource ID 'vm:${resource.vmid}' already defined`);
        if (!this.guests.has(resource.vmid)) throw refused(context, `resource 'vm:${resource.vmid}' does not exist in cluster`);
        this.haResources.set(resource.vmid, { ...resource });
      }),
    setState: (vmid, state) =>
      this.write("ha.setState", { vmid }, (context) => {
        const resource = this.haResources.get(vmid);
        if (!resource) throw refused(context, `no such resource 'vm:${vmid}'`);
        resource.state = state;
      }),
    listRules: () => this.read("ha.listRules", {}, () => structuredClone(this.haRules)),
    setRuleMembers: ({ rule }, resources) =>
      this.write("ha.setRuleMembers", {}, (context) => {
        const found = this.haRules.find((candidate) => candidate.rule === rule);
        if (!found) throw refused(context, `update ha rule failed: no such rule '${rule}'`);
        for (const sid of resources)
          if (!this.haResources.has(Number(sid.slice(3)))) throw refused(context, `cannot use unmanaged resource(s) ${sid}.`);
        found.resources = [...resources];
      }),
    listGroups: () =>
      this.read("ha.listGroups", {}, (context) => {
        throw refused(context, "cannot index groups: ha groups have been migrated to rules");
      }),
  };

  readonly replication: ProxmoxApi["replication"] = {
    list: () => this.read("replication.list", {}, () => structuredClone(this.replicationJobs)),
    create: (job) =>
      this.write("replication.create", { vmid: job.vmid }, (context) => {
        if (this.replicationJobs.some((other) => other.vmid === job.vmid && other.job === job.job))
          throw refused(context, `replication job ID '${job.vmid}-${job.job}' already defined`);
        if (this.guests.get(job.vmid)?.node === job.targetNode) throw refused(context, "Source and target must not be identical");
        this.replicationJobs.push({ ...job });
      }),
    remove: ({ vmid, job }) =>
      this.write("replication.remove", { vmid }, () => {
        if (!this.removesReplicas) return;
        const index = this.replicationJobs.findIndex((other) => other.vmid === vmid && other.job === job);
        if (index >= 0) this.replicationJobs.splice(index, 1);
      }),
    isReplicated: (vmid) => this.read("replication.isReplicated", { vmid }, () => this.replicationJobs.some((job) => job.vmid === vmid)),
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
    return this.world.call(record, context, () => {
      if (at.node !== undefined && this.deadNodes.has(at.node)) throw offline(context);
      return effect(context);
    });
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

  /** Its volumes go along; a job that led there leads back from now on. */
  bringToNode(guest: FakeGuest, node: string): void {
    for (const job of this.replicationJobs) if (job.vmid === guest.vmid && job.targetNode === node) job.targetNode = guest.node;
    guest.node = node;
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
        ...(this.haResources.has(vmid) ? { haState: this.haResources.get(vmid)!.state } : {}),
        maxCpu: Number(config.cores ?? 1) * Number(config.sockets ?? 1),
        maxMemoryBytes: Number(config.memory ?? 512) * 1024 ** 2,
      }));
  }

  private nodeRows(): NodeRow[] {
    return this.options.nodes.map((node) => ({
      kind: "node",
      node,
      status: this.deadNodes.has(node) ? "offline" : "online",
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
  return { digest: String(Object.keys(values).length), values };
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
