/** What makes and unmakes guests of a fake cluster: create, destroy, backup and restore, with what their failures leave. */
import type { ApiParams, Upid, Volume } from "../../src/proxmox";
import type { CallContext } from "../../src/proxmox/errors";
import { alreadyExists, badParameter, fileLocked, locked, notFound, refused } from "./fake-errors";
import { DRIVE_KEY, type FakeGuest, type FakeVolume, isDataDrive, splitDrive, storedDrive, storedSize } from "./fake-guest";
import { FakeMachines, type FakeStorage } from "./fake-machines";

/** What several clusters reach under ids of their own. */
export class FakeStore {
  readonly archives: FakeArchive[] = [];
}

export interface FakeArchive {
  /** Volid without the storage. */
  path: string;
  vmid: number;
  notes: string;
  /** Fingerprint of the key it is encrypted with. */
  encrypted?: string | undefined;
  protected: boolean;
  /** What the server found when it checked the archive. */
  verification?: "ok" | "failed";
  /** It cannot be read any more, which shows only when the server verifies it. */
  rotten?: true;
  createdAtSeconds: number;
  config: Record<string, string>;
  disks: { slot: string; sizeBytes: number; writes: string[] }[];
}

/** Types of tasks that hold a guest's lock file while they run. */
export const LOCKING_TASKS = ["qmcreate", "qmrestore", "qmdestroy", "resize", "qmmove", "qmigrate"];

export class FakeBackups extends FakeMachines {
  /** Restore task → path of its archive and the volumes it has made, as the task's log tells. */
  protected readonly restored = new Map<Upid, { from: string; volids: () => string[] }>();
  /** Parameters of the last backup that was asked for. */
  lastBackup: ApiParams | undefined;

  protected requirePool(pool: string, context: CallContext): { comment: string } {
    const found = this.proxmoxPools.get(pool);
    if (!found) throw notFound(context, "pool", pool);
    return found;
  }

  protected requireStorage(storage: string, context: CallContext): FakeStorage {
    const found = this.storages[storage];
    if (!found) throw notFound(context, "storage", storage);
    return found;
  }

  protected create(node: string, params: ApiParams & { vmid: number }, context: CallContext): Upid {
    const { vmid, archive, force, pool, storage, bwlimit: _bwlimit, "live-restore": live, ...settings } = params;
    if (pool !== undefined) this.requirePool(String(pool), context);
    const values = Object.fromEntries(
      Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    );
    if ((values.description?.length ?? 0) > 8192) throw badParameter(context, { description: "value may only be 8192 characters long" });
    const existing = this.guests.get(vmid);
    if (existing && !(archive !== undefined && force && existing.node === node))
      throw alreadyExists(context, `unable to create VM ${vmid} - VM ${vmid} already exists on node '${existing.node}'`);
    if (archive !== undefined)
      return this.startRestore(node, { vmid, archiveVolid: String(archive), storage: String(storage), live: live === 1 }, values, context);
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

  protected startRestore(
    node: string,
    { vmid, archiveVolid, storage, live }: { vmid: number; archiveVolid: string; storage: string; live: boolean },
    overrides: Record<string, string>,
    context: CallContext,
  ): Upid {
    const archive = this.findArchive(archiveVolid);
    const fromServer = this.storages[archiveVolid.slice(0, archiveVolid.indexOf(":"))]?.type === "pbs";
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
    const giveConfig = () => {
      guest.config = { ...archive.config };
      for (const [index, disk] of archive.disks.entries()) {
        const { options } = splitDrive(archive.config[disk.slot]!);
        guest.config[disk.slot] = storedDrive(data[index]!.volid, { ...options, size: storedSize(disk.sizeBytes) });
      }
      for (const [index, orphan] of orphans.entries()) guest.config[`unused${index}`] = orphan.volid;
      guest.config.vmgenid = String(this.counter++);
      this.apply(guest, overrides);
    };
    const upid = this.startTask(guest, "qmrestore", {
      durationMs: 10_000,
      steps: [
        {
          at: 0.3,
          run: () => {
            if (!this.storages[storage]) throw new Error(`storage '${storage}' does not exist`);
            if (live && !fromServer) throw new Error("live-restore is only compatible with backup images from a Proxmox Backup Server");
            guest.config = { memory: "128", ...(fromServer ? { lock: "create" } : {}) };
            data = archive.disks.map((disk) => this.newVolume(storage, vmid, disk.sizeBytes, live ? [] : [...disk.writes]));
          },
        },
        {
          at: 0.5,
          run: () => {
            if (!live) return;
            giveConfig();
            this.powerOn(guest);
            guest.config.lock = "create";
          },
        },
      ],
      finish: () => {
        if (live) delete guest.config.lock;
        else giveConfig();
        // What a running guest has written is newer than what arrives.
        if (live) for (const [index, disk] of archive.disks.entries()) data[index]!.writes.unshift(...disk.writes);
      },
      undo: (how) => {
        const runs = live && guest.power === "running";
        // A killed worker stops nothing, and leaves the lock of a restore from a backup server.
        if (guest.config.lock === "create" && !(how === "killed" && fromServer)) delete guest.config.lock;
        if (how === "killed") return;
        if (runs) guest.power = "stopped";
        else for (const volume of data) this.volumes.delete(volume.volid);
      },
    });
    this.restored.set(upid, { from: archive.path, volids: () => data.map(({ volid }) => volid) });
    return upid;
  }

  protected destroy(guest: FakeGuest, context: CallContext): Upid {
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
        this.purge(guest.vmid);
      },
    });
  }

  /** What `purge=1` takes along: HA, its rules and replication. */
  private purge(vmid: number): void {
    this.haResources.delete(vmid);
    for (const rule of this.haRules) rule.resources = rule.resources.filter((sid) => sid !== `vm:${vmid}`);
    this.replicationJobs.splice(0, this.replicationJobs.length, ...this.replicationJobs.filter((job) => job.vmid !== vmid));
  }

  protected startBackup(node: string, params: ApiParams & { vmid: number; storage: string }): Upid | undefined {
    const guest = this.guests.get(params.vmid);
    const store = this.storages[params.storage]?.store;
    if (guest?.node !== node) return undefined;
    let archive: FakeArchive | undefined;
    this.lastBackup = params;
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
            const warm = params.mode === "snapshot";
            if (guest.power === "running" && !warm)
              this.world.violations.add(`backup of vm ${guest.vmid} of ${this.clusterId}, which runs`);
            // A snapshot holds what was there when it began.
            archive = this.archiveOf(guest, params);
            guest.config.lock = "backup";
            if (guest.power === "stopped") guest.power = "prelaunch";
          },
        },
      ],
      finish: () => {
        release();
        if (archive) store!.archives.push(archive);
        // It has gone on writing meanwhile.
        if (guest.power === "running") this.writeToDisks(guest);
      },
      undo: (how) => {
        if (how !== "killed") release();
      },
    });
  }

  protected archiveOf(guest: FakeGuest, params: ApiParams): FakeArchive {
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
    const { keyFingerprint, definition } = this.storages[String(params.storage)] ?? {};
    // A backup server names its snapshots by the second; for moves within one store any name will do.
    const second = new Date(Math.floor(this.world.nowMs / 1000) * 1000).toISOString().replace(".000", "");
    return {
      encrypted: keyFingerprint,
      path:
        definition?.datastore === undefined
          ? `backup/vzdump-qemu-${guest.vmid}-2026_01_01-${String(number).padStart(8, "0")}.vma.zst`
          : `backup/vm/${guest.vmid}/${second}`,
      vmid: guest.vmid,
      notes: String(params["notes-template"] ?? ""),
      protected: params.protected === 1,
      createdAtSeconds: Math.floor(this.world.nowMs / 1000),
      config,
      disks,
    };
  }

  protected listContent(storage: string, filter: { content?: string; vmid?: number }, context: CallContext): Volume[] {
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
        ...(archive.verification === undefined ? {} : { verification: archive.verification }),
        ...(archive.encrypted === undefined ? {} : { encrypted: archive.encrypted }),
      }),
    );
    const images = [...this.volumes.values()]
      .filter(({ volid }) => volid.startsWith(`${storage}:`))
      .map(({ volid, vmid, sizeBytes }): Volume => ({ volid, vmid, sizeBytes, format: "raw", content: "images", protected: false }));
    return [...archives, ...images]
      .filter((volume) => filter.content === undefined || volume.content === filter.content)
      .filter((volume) => filter.vmid === undefined || volume.vmid === filter.vmid);
  }

  protected findArchive(volid: string): FakeArchive | undefined {
    const cut = volid.indexOf(":");
    return this.storages[volid.slice(0, cut)]?.store?.archives.find((archive) => archive.path === volid.slice(cut + 1));
  }

  protected deleteVolume(volid: string): void {
    const archive = this.findArchive(volid);
    if (!archive) return;
    if (archive.protected) throw new Error(`cannot remove protected volume '${volid}'`);
    const { archives } = this.storages[volid.slice(0, volid.indexOf(":"))]!.store!;
    archives.splice(archives.indexOf(archive), 1);
  }
}
