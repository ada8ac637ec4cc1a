/** The backup server of the target's site: it pulls from the source's store when a job of its own is run. */

import type { SyncServer } from "../../src/migration/pbs-sync";
import type { BackupLocation, Snapshot, SnapshotRef, SyncJob, TaskStatus, Upid } from "../../src/proxmox";
import type { FakeArchive, FakeStore } from "./fake-backups";
import { notFound, refused } from "./fake-errors";
import type { FakeWorld } from "./fake-world";

const SYNC_MS = 60_000;
const VERIFICATION_MS = 60_000;
const RIGHTS = ["Datastore.Audit", "Datastore.Backup", "Datastore.Modify", "Datastore.Verify"];

export class FakeBackupServer implements SyncServer {
  readonly serverId = "vault-b";
  readonly jobs = new Map<string, SyncJob & { mark: string; lastRun?: Upid }>();
  /** Of the account its API is used with. */
  rights = RIGHTS;

  /** @param at where the target's storage looks; a job to any other place finds nobody */
  constructor(
    private readonly world: FakeWorld,
    private readonly at: BackupLocation,
    private readonly from: FakeStore,
    private readonly to: FakeStore,
  ) {}

  readonly getPermissions = () =>
    this.call("getPermissions", false, () => ({ "/datastore": Object.fromEntries(this.rights.map((privilege) => [privilege, true])) }));

  readonly snapshots: SyncServer["snapshots"] = {
    list: (at, filter = {}) =>
      this.call("snapshots.list", false, () => this.stored(at).filter(({ id }) => filter.id === undefined || id === filter.id)),
    find: (at, ref) => this.call("snapshots.find", false, () => this.stored(at).find((found) => isSame(found, ref))),
    setProtected: (_at, ref, isProtected) =>
      this.call("snapshots.setProtected", true, () => {
        this.archive(ref).protected = isProtected;
      }),
    verify: (_at, ref) =>
      this.call("snapshots.verify", true, () => {
        const archive = this.archive(ref);
        return this.world.start({
          cluster: this.serverId,
          node: "localhost",
          type: "verify_snapshot",
          id: verificationId(ref),
          durationMs: VERIFICATION_MS,
          finish: () => {
            archive.verification = archive.rotten ? "failed" : "ok";
            if (archive.rotten) throw new Error("verification failed - please check the log for details");
          },
        });
      }),
    delete: (_at, ref) =>
      this.call("snapshots.delete", true, () => {
        const archive = this.archive(ref);
        if (this.verifications().some(({ id }) => id === verificationId(ref))) throw refused(this.context, "unable to acquire lock");
        if (archive.protected) throw refused(this.context, "snapshot is protected");
        this.to.archives.splice(this.to.archives.indexOf(archive), 1);
      }),
  };

  readonly syncJobs: SyncServer["syncJobs"] = {
    find: (id) => this.call("syncJobs.find", false, () => this.jobs.get(id)),
    ensure: (job, mark) =>
      this.call("syncJobs.ensure", true, () => {
        this.jobs.set(job.id, { ...this.jobs.get(job.id), ...job, mark });
      }),
    getState: (id) =>
      this.call("syncJobs.getState", false, () => {
        const upid = this.jobs.get(id)?.lastRun;
        if (upid === undefined) return {};
        const { exitStatus } = this.world.taskStatus(upid);
        return { lastRunUpid: upid, ...(exitStatus === undefined ? {} : { lastRunExitStatus: exitStatus }) };
      }),
    run: (id) => this.call("syncJobs.run", true, () => this.run(id)),
    delete: (id, mark) =>
      this.call("syncJobs.delete", true, () => {
        if (this.jobs.get(id)?.mark !== mark) throw refused(this.context, `sync job ${id} is not ours`);
        this.jobs.delete(id);
      }),
  };

  readonly tasks: SyncServer["tasks"] = {
    list: () => this.call("tasks.list", false, () => this.verifications()),
    wait: (upid) => this.call("tasks.wait", false, () => this.world.awaitTask(upid, this.context)),
    stop: (upid) => this.call("tasks.stop", true, () => this.world.stopTask(upid)),
  };

  private readonly context = { cluster: this.serverId, system: "backup server", method: "GET", path: "/" } as const;

  private call<T>(name: string, write: boolean, effect: () => T): Promise<T> {
    return this.world.call({ cluster: this.serverId, name, write }, this.context, effect);
  }

  /** Under way. */
  verifications(): TaskStatus[] {
    const all = this.world.listTasks(this.serverId, "localhost");
    return all.filter(({ type, status }) => type === "verify_snapshot" && status === "running");
  }

  private run(id: string): Upid {
    const job = this.jobs.get(id);
    if (!job) throw notFound(this.context, "sync job", id);
    const running = job.lastRun !== undefined && this.world.taskStatus(job.lastRun).status === "running";
    if (running) throw refused(this.context, "job is already running");
    const wanted = this.select(job);
    job.lastRun = this.world.start({
      cluster: this.serverId,
      node: "localhost",
      type: "syncjob",
      id,
      durationMs: SYNC_MS,
      finish: () => this.receive(job, wanted),
    });
    return job.lastRun;
  }

  /** What a run brings is decided as it begins: the newest so many of the wanted groups. */
  private select({ groupFilter = [], transferLast = Number.POSITIVE_INFINITY }: SyncJob): FakeArchive[] {
    const wanted = this.from.archives.filter(({ vmid }) => groupFilter.includes(`group:vm/${vmid}`));
    return structuredClone(wanted.sort((a, b) => b.createdAtSeconds - a.createdAtSeconds).slice(0, transferLast));
  }

  /** Nothing older than what is there. */
  private receive({ local }: SyncJob, archives: readonly FakeArchive[]): void {
    if (local.datastore !== this.at.datastore || local.namespace !== this.at.namespace) throw new Error("wrong place");
    const newestThere = (vmid: number) =>
      Math.max(0, ...this.to.archives.filter((there) => there.vmid === vmid).map(({ createdAtSeconds }) => createdAtSeconds));
    const newer = archives.filter(({ vmid, createdAtSeconds }) => createdAtSeconds > newestThere(vmid));
    for (const archive of newer) this.to.archives.push({ ...archive, protected: false });
  }

  private stored({ datastore, namespace }: BackupLocation): Snapshot[] {
    if (datastore !== this.at.datastore || namespace !== this.at.namespace) return [];
    return this.to.archives.map(({ vmid, createdAtSeconds, notes, verification, protected: isProtected }) => ({
      type: "vm",
      id: String(vmid),
      timeSeconds: createdAtSeconds,
      sizeBytes: 1,
      notes,
      protected: isProtected,
      ...(verification === undefined ? {} : { verification }),
      files: [],
    }));
  }

  private archive(ref: SnapshotRef): FakeArchive {
    const found = this.to.archives.find(({ vmid, createdAtSeconds }) => String(vmid) === ref.id && createdAtSeconds === ref.timeSeconds);
    if (!found) throw notFound(this.context, "snapshot", ref.id);
    return found;
  }
}

/** As the server writes it into a UPID. */
function verificationId({ id, timeSeconds }: SnapshotRef): string {
  return `main-vm-${id}-${timeSeconds.toString(16).toUpperCase().padStart(8, "0")}`;
}

function isSame(a: SnapshotRef, b: SnapshotRef): boolean {
  return a.id === b.id && a.timeSeconds === b.timeSeconds;
}
