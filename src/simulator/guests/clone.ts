/** `POST …/clone`: full copies and linked clones. */
import { poolFormat } from "../formats";
import type { Call, GuestState, Route, TaskContext } from "../kernel";
import { callLimitBytesPerSecond } from "../volumes/bandwidth-limit";
import { copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, flagParameter, integerParameter, type Place, placeOf, textParameter } from "../volumes/calls";
import { formatVolid, parseVolid, parseVolname, volumePath } from "../volumes/names";
import { bandwidthRule, nodeRule, optional, optionalFlag, optionalText, storageRule, vmidRule } from "../volumes/rules";
import { getStorage, getUsableStorage } from "../volumes/storages";
import { imageFormat, traitsOf } from "../volumes/types";
import { allocateVolume, type FoundVolume, freeStem, getVolume, resolveVolid, withSuffix } from "../volumes/volumes";
import { requirePool } from "./access";
import { copyDisk } from "./copy";
import { freeQuietly } from "./create-drives";
import { type Config, type Drive, drivesOf, isCdrom, isCloudInit, isUnusedKey, printDrive, volidOf } from "./drive";
import { configOf, hasFeature } from "./features";
import { configIdFormat, dnsNameFormat } from "./formats";
import { addToPool, findGuest, giveUpClaim, isTemplate, requireUnlocked, uuid } from "./lookup";
import { fullError } from "./move-disk";
import { isNetKey, parseNet, printNet, randomMac } from "./net";
import { undoing } from "./work";

export function cloneRoute(): Route {
  return {
    method: "POST",
    path: "/nodes/{node}/qemu/{vmid}/clone",
    parameters: {
      node: nodeRule,
      vmid: vmidRule,
      newid: vmidRule,
      name: { type: "string", optional: true, format: dnsNameFormat },
      description: optionalText,
      pool: { type: "string", optional: true, format: poolFormat },
      snapname: { type: "string", optional: true, format: configIdFormat, maxLength: 40 },
      storage: optional(storageRule),
      format: { type: "string", optional: true, enum: ["raw", "qcow2", "vmdk"] },
      full: optionalFlag,
      target: optional(nodeRule),
      bwlimit: bandwidthRule,
    },
    permission: requireCloneRights,
    handler: clone,
  };
}

function requireCloneRights(call: Call): void {
  call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Clone"]);
  const { newid, pool } = call.params;
  if (pool !== undefined && call.hasPrivilege(`/pool/${String(pool)}`, "VM.Allocate")) return;
  if (newid !== undefined) call.requirePrivilege(`/vms/${String(newid)}`, ["VM.Allocate"]);
}

/** What the checks find out. */
interface ClonePlan {
  newid: number;
  full: boolean;
  source: Config;
  running: boolean;
  /** Options without drives that are copied. */
  config: Config;
  drives: Drive[];
  targetNode: string;
}

async function clone(call: Call): Promise<string> {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const pool = textParameter(call, "pool");
  if (pool !== undefined) requirePool(call, pool);
  const plan = makePlan(call, place, vmid);
  const { world, cluster } = place;
  const reserved: GuestState = {
    vmid: plan.newid,
    node: place.node,
    config: { lock: "clone", description: " qmclone temporary file" },
    pending: {},
    snapshots: {},
    running: false,
    qmpStatus: "stopped",
  };
  await world.withGuestLock(cluster, plan.newid, () => {
    requireFreeId(place, plan.newid);
    cluster.guests[plan.newid] = reserved;
    world.touch();
  });
  const takeBack = () => giveUpClaim(place, plan.newid);
  return call.startTask({ type: "qmclone", id: String(vmid), takeBack }, (task) => cloneInWorker(call, place, vmid, plan, task));
}

function requireFreeId(place: Place, newid: number): void {
  if (place.cluster.guests[newid]) fail(`unable to create VM ${newid}: config file already exists`);
}

function makePlan(call: Call, place: Place, vmid: number): ClonePlan {
  const newid = integerParameter(call, "newid")!;
  const target = textParameter(call, "target");
  const targetNode = target === undefined || target === "localhost" ? place.node : target;
  if (!place.cluster.nodes[targetNode]) fail(`no such cluster node '${targetNode}'`);
  const storage = textParameter(call, "storage");
  if (storage !== undefined) requireTargetStorage(place, storage, targetNode);
  const guest = findGuest(place, vmid) ?? fail(`unable to find configuration file for VM ${vmid} on node '${place.node}'`);
  requireUnlocked(guest);
  const source = configOf(guest, textParameter(call, "snapname"));
  const full = call.params.full === undefined ? !isTemplate(guest) : flagParameter(call, "full");
  for (const key of ["storage", "format"])
    if (!full && call.params[key] !== undefined) fail(`parameter '${key}' not allowed for linked clones`);
  const shared = requireCloneStorages(call, place, source, storage);
  if (targetNode !== place.node && !shared) fail(`can't clone VM to node '${targetNode}' (VM uses local storage)`);
  requireFreeId(place, newid);
  return { newid, full, source, running: guest.running, targetNode, ...splitConfig(place, source, full) };
}

function requireTargetStorage(place: Place, id: string, targetNode: string): void {
  getUsableStorage(place, id);
  if (targetNode === place.node) return;
  const storage = getUsableStorage({ ...place, node: targetNode }, id);
  if (!storage.shared) fail(`can't clone to non-shared storage '${id}'`);
}

/** AllocateSpace wherever a copy goes; true when every storage involved is shared. */
function requireCloneStorages(call: Call, place: Place, config: Config, storage: string | undefined): boolean {
  let shared = true;
  for (const drive of drivesOf(config)) {
    const volid = volidOf(drive);
    if (volid === undefined) continue;
    const own = parseVolid(volid)!.storage;
    if (!isCdrom(drive) || isCloudInit(drive)) call.requirePrivilege(`/storage/${storage ?? own}`, ["Datastore.AllocateSpace"]);
    const found = resolveVolid(place, volid).storage;
    if (!found.shared || (storage !== undefined && !getStorage(place.cluster, storage).shared)) shared = false;
  }
  return shared;
}

const notCopied = new Set(["parent", "snaptime", "vmstate", "snapstate", "lock", "template"]);

function splitConfig(place: Place, source: Config, full: boolean): { config: Config; drives: Drive[] } {
  const drives: Drive[] = [];
  const config: Config = {};
  const byKey = new Map(drivesOf(source).map((drive) => [drive.key, drive]));
  for (const [key, value] of Object.entries(source)) {
    const drive = byKey.get(key);
    if (notCopied.has(key) || isUnusedKey(key)) continue;
    if (!drive || (isCdrom(drive) && !isCloudInit(drive)) || volidOf(drive) === undefined) {
      config[key] = value;
      continue;
    }
    const found = getVolume(place, drive.file);
    if (!full && !isCloudInit(drive) && !hasFeature(found, "clone"))
      fail(`Linked clone feature is not supported for '${drive.file}' (${key})`);
    drives.push(drive);
  }
  return { config, drives };
}

async function cloneInWorker(call: Call, place: Place, vmid: number, plan: ClonePlan, task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  const created: string[] = [];
  if (cluster.era === "9.2") task.log(`creating a clone of VM ${vmid} with ID ${plan.newid}`);
  const work = () => world.withGuestLock(cluster, plan.newid, () => fillClone(call, place, plan, created, task));
  try {
    await undoing(task, work, () => {
      freeQuietly({ log: () => {} }, place, created);
      giveUpClaim(place, plan.newid);
    });
  } catch (error) {
    throw new Error(`clone failed: ${errorMessage(error)}`, { cause: error });
  }
  world.event("created", { cluster: cluster.id, node: plan.targetNode, vmid: plan.newid, clonedFrom: vmid });
}

async function fillClone(call: Call, place: Place, plan: ClonePlan, created: string[], task: TaskContext): Promise<void> {
  const { world, cluster } = place;
  const guest =
    cluster.guests[plan.newid] ?? fail(`Configuration file 'nodes/${place.node}/qemu-server/${plan.newid}.conf' does not exist`);
  const config = identityOf(call, place, plan);
  for (const drive of plan.drives) config[drive.key] = await cloneDrive(call, place, plan, drive, created, task);
  guest.config = config;
  guest.node = plan.targetNode;
  const pool = textParameter(call, "pool");
  if (pool !== undefined) addToPool(place, plan.newid, pool);
  world.touch();
}

/** New addresses and uuids; everything else as in the source. */
function identityOf(call: Call, place: Place, plan: ClonePlan): Config {
  const { world } = place;
  const random = (digits: number) => world.randomHex(digits);
  const config: Config = {};
  for (const [key, value] of Object.entries(plan.config)) {
    config[key] = isNetKey(key) ? printNet({ ...parseNet(value, key), macaddr: randomMac(world) }) : value;
  }
  const smbios = config.smbios1 ?? "";
  config.smbios1 = /uuid=/.test(smbios)
    ? smbios.replace(/uuid=[^,]+/, `uuid=${uuid(random)}`)
    : [`uuid=${uuid(random)}`, smbios].filter(Boolean).join(",");
  if (config.vmgenid !== undefined && config.vmgenid !== "0") config.vmgenid = uuid(random);
  config.name = textParameter(call, "name") ?? `Copy-of-VM-${plan.source.name ?? textParameter(call, "vmid")}`;
  const description = textParameter(call, "description");
  if (description !== undefined) config.description = description.replace(/\s+$/, "");
  return config;
}

async function cloneDrive(call: Call, place: Place, plan: ClonePlan, drive: Drive, created: string[], task: TaskContext): Promise<string> {
  const source = getVolume(place, drive.file);
  const { format: _, ...options } = drive.options;
  if (!plan.full && !isCloudInit(drive)) {
    task.log(`create linked clone of drive ${drive.key} (${drive.file})`);
    await task.pass(200);
    const volid = linkVolume(place, source, plan.newid, task);
    created.push(volid);
    return printDrive({ ...drive, file: volid, options });
  }
  const storageId = textParameter(call, "storage") ?? source.storage.storage;
  task.log(`create full clone of drive ${drive.key} (${drive.file})`);
  const format = imageFormat(getUsableStorage(place, storageId), textParameter(call, "format") ?? source.volume.format);
  const stem = isCloudInit(drive) ? { stem: `vm-${plan.newid}-cloudinit` } : {};
  const volid = allocateVolume(
    place,
    { storage: storageId, vmid: plan.newid, sizeBytes: source.volume.sizeBytes, format, ...stem },
    task.log,
  );
  created.push(volid);
  if (place.cluster.era === "9.2") task.log(`allocated target volume '${volid}'`);
  const snapshot = textParameter(call, "snapname");
  const content = snapshot === undefined ? source.volume : { ...source.volume, ...source.volume.snapshots?.[snapshot] };
  if (plan.running && snapshot === undefined) task.log(`drive mirror is starting for drive-${drive.key}`);
  await copyDisk(task, place, {
    source: { ...source, volume: content },
    targetVolid: volid,
    limitBytesPerSecond: callLimitBytesPerSecond(call, "clone", [source.storage.storage, storageId]),
    ...(plan.running && snapshot === undefined ? { prefix: `mirror-${drive.key}: ` } : {}),
    fullError: fullError(place.cluster.era, plan.running, drive.key),
  });
  return printDrive({ ...drive, file: volid, options });
}

/** A volume that starts with its base's content and stores only what differs. */
function linkVolume(place: Place, base: FoundVolume, vmid: number, task: TaskContext): string {
  const { storage, backend } = base;
  const onFiles = traitsOf(storage).naming === "file";
  const format = onFiles ? "qcow2" : "raw";
  const name = withSuffix(storage, freeStem(backend, vmid, "vm"), format);
  const key = onFiles ? `${vmid}/${name}` : name;
  backend.volumes[key] = {
    volname: key,
    vmid,
    format,
    sizeBytes: base.volume.sizeBytes,
    content: "images",
    createdAtMs: place.world.clock.nowMs(),
    protected: false,
    blocks: copyBlocks(base.volume.blocks),
    base: base.name.key,
    thin: true,
  };
  const volname = storage.type === "lvmthin" ? key : `${base.name.key}/${key}`;
  if (onFiles) {
    const path = volumePath(storage, parseVolname(storage, volname));
    task.log(`clone ${base.name.key}: images, ${name}, ${vmid} to ${name} (base=../${base.name.key})`);
    task.log(
      `Formatting '${path}', fmt=qcow2 cluster_size=131072 extended_l2=on preallocation=${base.volume.format === "raw" ? "off" : "metadata"} compression_type=zlib size=${base.volume.sizeBytes} backing_file=../${base.name.key} backing_fmt=${base.volume.format} lazy_refcounts=off refcount_bits=16`,
    );
  }
  place.world.touch();
  return formatVolid(storage.storage, volname);
}
