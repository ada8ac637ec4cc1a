/** The guests of a fake cluster: what their configurations, disks and power do, without any call. */
import type { ApiParams, HaResource, HaRule, Permissions, ReplicationJob, Upid } from "../../src/proxmox";
import type { CallContext } from "../../src/proxmox/errors";
import type { FakeStore } from "./fake-backups";
import { badParameter } from "./fake-errors";
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

export interface FakeStorage {
  type: string;
  shared: boolean;
  totalBytes: number;
  usedBytes: number;
  /** Set: holds backups of that store. */
  store?: FakeStore;
  /** Of a PBS storage: the client key archives are encrypted with. */
  keyFingerprint?: string;
  /** Further keys of its definition: `server`, `export`, `datastore`, … */
  definition?: Record<string, string>;
}

export interface FakeClusterOptions {
  nodes: string[];
  storages: Record<string, Partial<FakeStorage>>;
  permissions?: Permissions;
}

const ALL_PERMISSIONS: Permissions = {
  "/": Object.fromEntries(
    "VM.Audit VM.Backup VM.PowerMgmt VM.Config.Options VM.Config.Memory VM.Allocate VM.Migrate Datastore.AllocateSpace SDN.Use"
      .split(" ")
      .map((privilege) => [privilege, true]),
  ),
};

export class FakeMachines {
  readonly guests = new Map<number, FakeGuest>();
  readonly volumes = new Map<string, FakeVolume>();
  bridges = ["vmbr0", "vmbr1"];
  /** Nodes that are down: what only they can tell is not told. */
  readonly deadNodes = new Set<string>();
  readonly haResources = new Map<number, HaResource>();
  readonly haRules: HaRule[] = [];
  readonly replicationJobs: ReplicationJob[] = [];
  readonly proxmoxPools = new Map<string, { comment: string }>();
  readonly storages: Record<string, FakeStorage>;
  permissions: Permissions;
  /** Guests of others that the token may not see: they are missing from lists, and their vmids are taken. */
  readonly hidden = new Set<number>();
  /** Set: the token's rights come from this pool, and it sees no guest outside. */
  onlyPool?: string;
  protected counter = 1;

  constructor(
    readonly clusterId: string,
    readonly world: FakeWorld,
    protected readonly options: FakeClusterOptions,
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

  protected startTask(
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

  protected updateConfig(guest: FakeGuest, params: ApiParams, context: CallContext): void {
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

  protected removeKey(guest: FakeGuest, key: string): void {
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
  protected apply(guest: FakeGuest, values: Record<string, string>): void {
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

  protected storeDrive(guest: FakeGuest, line: string): string {
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

  protected newVolume(storage: string, vmid: number, sizeBytes: number, writes: string[]): FakeVolume {
    let index = 0;
    while (this.volumes.has(`${storage}:vm-${vmid}-disk-${index}`)) index++;
    const volume = { volid: `${storage}:vm-${vmid}-disk-${index}`, vmid, sizeBytes, writes };
    this.volumes.set(volume.volid, volume);
    return volume;
  }

  protected newMac(): string {
    return `BC:24:11:00:${Math.floor(this.counter / 256)
      .toString(16)
      .padStart(2, "0")}:${(this.counter++ % 256).toString(16).padStart(2, "0")}`.toUpperCase();
  }

  protected resize(guest: FakeGuest, disk: string, sizeBytes: number): void {
    const { volume, options } = splitDrive(guest.config[disk] ?? "");
    const found = this.volumes.get(volume);
    if (!found) throw new Error(`disk '${disk}' does not exist`);
    if (sizeBytes < found.sizeBytes) throw new Error("shrinking disks is not supported");
    found.sizeBytes = sizeBytes;
    guest.config[disk] = storedDrive(volume, { ...options, size: storedSize(sizeBytes) });
  }

  protected moveToStorage(guest: FakeGuest, disk: string, storage: string): void {
    const { volume, options } = splitDrive(guest.config[disk] ?? "");
    const found = this.volumes.get(volume);
    if (!found) throw new Error(`disk '${disk}' does not exist`);
    const made = this.newVolume(storage, guest.vmid, found.sizeBytes, found.writes);
    this.volumes.delete(volume);
    guest.config[disk] = storedDrive(made.volid, options);
  }

  /** The volume gets a number of its new owner's, whoever owned it before. */
  protected reassign(guest: FakeGuest, disk: string, targetVmid: number, targetDisk: string): void {
    const target = this.guests.get(targetVmid);
    const { volume, options } = splitDrive(guest.config[disk] ?? "");
    const found = this.volumes.get(volume);
    if (!found) throw new Error(`disk '${disk}' does not exist`);
    if (target?.node !== guest.node) throw new Error("Both VMs need to be on the same node");
    if (guest.config.template === "1" || target.config.template === "1") throw new Error("Can't move disks from or to template VMs");
    if (target.config[targetDisk] !== undefined)
      throw new Error(`Target disk key '${targetDisk}' is already in use for VM '${targetVmid}'`);
    const made = this.newVolume(volume.split(":")[0]!, targetVmid, found.sizeBytes, found.writes);
    this.volumes.delete(volume);
    delete guest.config[disk];
    target.config[targetDisk] = storedDrive(made.volid, options);
  }

  protected powerOn(guest: FakeGuest): void {
    if (guest.config.template === "1") throw new Error("you can't start a vm if it's a template");
    if (guest.power === "running") throw new Error(`VM ${guest.vmid} already running`);
    if (guest.config.lock !== undefined && guest.config.lock !== "backup") throw new Error(`VM is locked (${guest.config.lock})`);
    this.applyPending(guest);
    guest.power = "running";
    this.writeToDisks(guest);
  }

  protected powerOff(guest: FakeGuest): void {
    if (guest.power === "stopped") return;
    if (guest.config.lock !== undefined) throw new Error(`VM is locked (${guest.config.lock})`);
    this.writeToDisks(guest);
    guest.power = "stopped";
    this.applyPending(guest);
  }

  protected applyPending(guest: FakeGuest): void {
    for (const [key, value] of Object.entries(guest.pending)) {
      if (value === undefined) this.removeKey(guest, key);
      else this.apply(guest, { [key]: value });
    }
    guest.pending = {};
  }

  /** A running guest writes: whoever carries an older copy on has lost something. */
  protected writeToDisks(guest: FakeGuest): void {
    for (const [key, line] of Object.entries(guest.config)) {
      if (!isDataDrive(key, line)) continue;
      this.volumes.get(splitDrive(line).volume)?.writes.push(`${this.clusterId}/${guest.vmid}#${this.counter++}`);
    }
  }

  protected freeVolume(volume: FakeVolume, owner: FakeGuest): void {
    for (const other of this.guests.values())
      if (other !== owner && Object.values(other.config).some((line) => splitDrive(line).volume === volume.volid))
        this.world.violations.add(`volume ${volume.volid} was destroyed under vm ${other.vmid} of ${this.clusterId}`);
    this.volumes.delete(volume.volid);
  }

  protected brokenLaws(): string[] {
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
