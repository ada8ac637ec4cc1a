/** Brings a live guest to its declared shape. Safe to repeat: it compares first and does only what is missing. */
import { type GuestRef, type Pace, putConfig, runTask, shutDownGuest, startGuest } from "../../migration";
import { driveVolid, type GuestConfig, isCdrom, type ProxmoxApi, parseDrive } from "../../proxmox";
import { awaitTasks } from "../tasks-under-way";
import { findCloudInit, observeShape } from "./observe";
import { compareShapes, type DiskShape, formatNetwork, type GuestShape, type NetworkShape, type ShapeChange } from "./shape";

const GIB = 1024 ** 3;

/** Where a cloud-init drive is made. */
const CLOUD_INIT_SLOT = "ide2";

/** Tasks that change disks. */
const DISK_TASKS = ["qmconfig", "qmmove", "resize"];

/** Parts of a shape that are no keys of the configuration: written with the mark, or a matter of power. */
const BESIDE_CONFIG: ReadonlySet<string> = new Set(["description", "demands", "running"]);

export interface ApplyOptions {
  /** Plain keys declared before: those no longer declared are removed. */
  formerKeys?: string[];
  shutdown: { timeoutSeconds: number; force: boolean };
}

/** Configuration and disks; power state is {@link applyPower}'s. */
export async function applyShape(guest: GuestRef, declared: GuestShape, options: ApplyOptions, pace: Pace): Promise<void> {
  await awaitTasks(guest, DISK_TASKS, pace);
  const changes = await observeChanges(guest, declared, options.formerKeys ?? []);
  const paths = new Set(changes.map((change) => change.path));
  await applyConfig(guest, declared, changes, pace);
  for (const slot of Object.keys(declared.disks)) {
    if (paths.has(`disks.${slot}`)) await addDisk(guest, slot, declared.disks[slot]!, pace);
    if (paths.has(`disks.${slot}.storage`)) await moveDisk(guest, slot, declared.disks[slot]!, pace);
  }
  // A fresh import has the image's size, and a grown declaration the old one.
  const grown = await observeChanges(guest, declared, []);
  for (const change of grown) {
    const slot = /^disks\.(scsi\d+)\.sizeBytes$/.exec(change.path)?.[1];
    if (slot !== undefined) await growDisk(guest, slot, change, pace);
  }
}

async function observeChanges(guest: GuestRef, declared: GuestShape, formerKeys: string[]): Promise<ShapeChange[]> {
  const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
  return compareShapes(declared, observeShape(config, new Set([...Object.keys(declared.scalars), ...formerKeys]), declared.running));
}

/** Keys, cards, disk options and tags in one request. The description belongs to the mark and is written with it. */
async function applyConfig(guest: GuestRef, declared: GuestShape, changes: ShapeChange[], pace: Pace): Promise<void> {
  const set: Record<string, string> = {};
  const remove: string[] = [];
  const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
  const live = config.values;
  for (const { path } of changes) {
    const diskOptions = /^disks\.(scsi\d+)\.options$/.exec(path)?.[1];
    if (diskOptions !== undefined) set[diskOptions] = withOptions(live[diskOptions]!, declared.disks[diskOptions]!);
    else if (/^net\d+$/.test(path))
      setOrRemove(path, declared.networks[path] && networkLine(declared.networks[path], live[path]), set, remove);
    else if (path === "tags") set.tags = declared.tags.join(";");
    else if (path === "cloudInit.storage")
      setOrRemove(cloudInitSlot(guest, config), declared.cloudInitStorage && `${declared.cloudInitStorage}:cloudinit`, set, remove);
    else if (/^disks\.scsi\d+$/.test(path)) refuseRemoval(guest, path.slice("disks.".length), declared);
    else if (!path.startsWith("disks.") && !BESIDE_CONFIG.has(path)) setOrRemove(path, declared.scalars[path], set, remove);
  }
  await putConfig(guest, { set, remove }, pace);
}

function setOrRemove(key: string, value: string | undefined, set: Record<string, string>, remove: string[]): void {
  if (value === undefined) remove.push(key);
  else set[key] = value;
}

/** The drive it has, else the slot for a new one. An empty CD drive or an inserted image gives way, a disk does not. */
function cloudInitSlot(guest: GuestRef, config: GuestConfig): string {
  const existing = findCloudInit(config)?.slot;
  if (existing !== undefined) return existing;
  const line = config.values[CLOUD_INIT_SLOT];
  if (line !== undefined && !isCdrom(parseDrive(CLOUD_INIT_SLOT, line)))
    throw new Error(
      `vm ${guest.vmid} on ${guest.api.clusterId} has ${line} on ${CLOUD_INIT_SLOT}, where its cloud-init drive is to be: move that disk to another slot by hand, then run again.`,
    );
  return CLOUD_INIT_SLOT;
}

/** What an operator has set on a card and no program can declare (`link_down`, `queues`, `rate`, `trunks`, …) stays. */
export function networkLine(declared: NetworkShape, live: string | undefined): string {
  const kept = (live ?? "")
    .split(",")
    .slice(1)
    .filter((part) => !/^(?:bridge|firewall|mtu|tag|model|macaddr)=/.test(part));
  return [formatNetwork(withKnownMac(declared, live)), ...kept].join(",");
}

/** A card keeps the address it has, unless another one is declared. */
function withKnownMac(declared: NetworkShape, live: string | undefined): NetworkShape {
  if (declared.mac !== undefined || live === undefined) return declared;
  const mac = /^[^=,]+=([0-9A-Fa-f:]{17})/.exec(live)?.[1];
  return mac === undefined ? declared : { ...declared, mac };
}

function withOptions(line: string, disk: DiskShape): string {
  const kept = line.split(",").filter((part) => !/^(?:cache|discard|iothread|ssd)=/.test(part));
  return [...kept, ...Object.entries(disk.options).map(([key, value]) => `${key}=${value}`)].join(",");
}

function refuseRemoval(guest: GuestRef, slot: string, declared: GuestShape): void {
  if (declared.disks[slot]) return;
  throw new Error(
    `vm ${guest.vmid} on ${guest.api.clusterId} has disk ${slot}, which is no longer declared. Its data would be lost: declare it again, or detach and delete it by hand and refresh.`,
  );
}

async function addDisk(guest: GuestRef, slot: string, disk: DiskShape, pace: Pace): Promise<void> {
  const present = async () => (await guest.api.qemu.getConfig(guest.node, guest.vmid)).values[slot] !== undefined;
  if (await present()) return;
  // Asynchronous: a synchronous change that allocates a disk dies at the proxy's 30 s.
  await runTask(guest, { type: "qmconfig", isDone: present }, pace, () =>
    guest.api.qemu.startConfigUpdate(guest.node, guest.vmid, { [slot]: newDiskLine(disk) }),
  );
}

/** `storage:8,discard=on`, or an import whose size comes from the image. */
export function newDiskLine(disk: DiskShape): string {
  const options = Object.entries(disk.options).map(([key, value]) => `${key}=${value}`);
  const volume =
    disk.importFrom === undefined ? [`${disk.storage}:${disk.sizeBytes / GIB}`] : [`${disk.storage}:0`, `import-from=${disk.importFrom}`];
  return [...volume, ...options].join(",");
}

async function moveDisk(guest: GuestRef, slot: string, disk: DiskShape, pace: Pace): Promise<void> {
  const storageOf = async () =>
    driveVolid(parseDrive(slot, (await guest.api.qemu.getConfig(guest.node, guest.vmid)).values[slot]!))?.split(":")[0];
  if ((await storageOf()) === disk.storage) return;
  pace.report(`vm ${guest.vmid}: moving ${slot} to storage ${disk.storage}`);
  await runTask(guest, { type: "qmmove", isDone: async () => (await storageOf()) === disk.storage }, pace, () =>
    guest.api.qemu.moveDisk(guest.node, guest.vmid, { disk: slot, storage: disk.storage, delete: 1 }),
  );
}

async function growDisk(guest: GuestRef, slot: string, change: ShapeChange, pace: Pace): Promise<void> {
  const from = Number(change.from);
  const to = Number(change.to);
  if (from > to)
    throw new Error(
      `Disk ${slot} of vm ${guest.vmid} on ${guest.api.clusterId} has ${from} bytes, more than the declared ${to}. Disks only grow: declare at least its size.`,
    );
  const hasSize = async () => {
    const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
    return observeShape(config, [], true).disks[slot]?.sizeBytes === to;
  };
  await runTask(guest, { type: "resize", isDone: hasSize }, pace, () => guest.api.qemu.resizeDisk(guest.node, guest.vmid, slot, to));
}

/** Starts, stops or, when changes wait for it, restarts the guest. */
export async function applyPower(guest: GuestRef, declared: GuestShape, options: ApplyOptions, pace: Pace): Promise<void> {
  const status = await guest.api.qemu.getStatus(guest.node, guest.vmid);
  if (!declared.running) {
    if (status.status === "running") await shutDownGuest(guest, options.shutdown, pace);
    return;
  }
  if (status.status === "stopped") {
    await startGuest(guest, pace);
    return;
  }
  const waiting = (await guest.api.qemu.listPending(guest.node, guest.vmid)).filter(
    (entry) => (entry.delete || entry.pending !== undefined) && isManaged(entry, declared, options.formerKeys ?? []),
  );
  if (waiting.length === 0) return;
  pace.report(`vm ${guest.vmid}: restarting for ${waiting.map((entry) => entry.key).join(", ")}`);
  await shutDownGuest(guest, options.shutdown, pace);
  await startGuest(guest, pace);
}

type PendingEntry = Awaited<ReturnType<ProxmoxApi["qemu"]["listPending"]>>[number];

/** Whether the change is one of ours: for what an operator has left to the next restart nobody restarts the guest. */
function isManaged(entry: PendingEntry, { scalars, disks }: GuestShape, formerKeys: string[]): boolean {
  const { key } = entry;
  if (key in scalars || key in disks || formerKeys.includes(key) || /^net\d+$/.test(key)) return true;
  return [entry.value, entry.pending].some((line) => /[:-]cloudinit\b/.test(line ?? ""));
}

/** Waits until the agent of a started guest answers; without an agent, until the guest runs. */
export async function waitUntilAlive(guest: GuestRef, agent: { expected: boolean; timeoutSeconds: number }, pace: Pace): Promise<void> {
  const status = await guest.api.qemu.getStatus(guest.node, guest.vmid);
  if (status.status !== "running") throw new Error(`vm ${guest.vmid} is ${status.status} after its start`);
  if (!agent.expected) return;
  const deadlineMs = pace.nowMs() + agent.timeoutSeconds * 1000;
  for (let waitMs = 500; !(await guest.api.qemu.pingAgent(guest.node, guest.vmid)); waitMs = Math.min(waitMs * 2, 5_000)) {
    if (pace.nowMs() + waitMs > deadlineMs)
      throw new Error(
        `its guest agent did not answer within ${agent.timeoutSeconds} s (agentTimeoutSeconds); is qemu-guest-agent installed in it?`,
      );
    await pace.sleep(waitMs);
  }
}
