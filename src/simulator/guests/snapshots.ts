/** Snapshots of a guest: take, list, roll back, delete. */
import type { Call, GuestState, Route, TaskContext } from "../kernel";
import { copyBlocks } from "../volumes/blocks";
import { errorMessage, fail, flagParameter, integerParameter, type Place, placeOf, textParameter } from "../volumes/calls";
import { nodeRule, optionalFlag, optionalText, vmidRule } from "../volumes/rules";
import { allocateVolume, type FoundVolume, freeVolume } from "../volumes/volumes";
import { configDigest, snapshotSection } from "./config-text";
import { jsonConfig } from "./config-view";
import { type Config, drivesOf, isUnusedKey } from "./drive";
import { machineVersion } from "./eras";
import { hasFeature, volumesOf } from "./features";
import { configIdFormat } from "./formats";
import { getGuest, isTemplate, requireUnlocked, uuid } from "./lookup";
import { isNetKey } from "./net";
import { firstDiskStorage, isAgentEnabled, stateBytes } from "./power";
import { processStarted, processStopped } from "./runtime";
import { addUnused } from "./unused";

const base = "/nodes/{node}/qemu/{vmid}/snapshot";
const atGuest = { node: nodeRule, vmid: vmidRule };
const nameRule = { type: "string", format: configIdFormat, maxLength: 40 } as const;
const atSnapshot = { ...atGuest, snapname: nameRule };
const needs =
  (...privileges: string[]) =>
  (call: Call) =>
    call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, privileges, "any");

export function snapshotRoutes(): Route[] {
  return [
    { method: "GET", path: base, parameters: atGuest, permission: needs("VM.Audit"), handler: list },
    {
      method: "POST",
      path: base,
      parameters: { ...atSnapshot, vmstate: optionalFlag, description: optionalText },
      permission: needs("VM.Snapshot"),
      handler: take,
    },
    { method: "GET", path: `${base}/{snapname}`, parameters: atSnapshot, handler: () => [{ cmd: "rollback" }, { cmd: "config" }] },
    {
      method: "DELETE",
      path: `${base}/{snapname}`,
      parameters: { ...atSnapshot, force: optionalFlag },
      permission: needs("VM.Snapshot"),
      handler: (call) => worker(call, "qmdelsnapshot", remove),
    },
    {
      method: "GET",
      path: `${base}/{snapname}/config`,
      parameters: atSnapshot,
      permission: needs("VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"),
      handler: getSnapshotConfig,
    },
    {
      method: "PUT",
      path: `${base}/{snapname}/config`,
      parameters: { ...atSnapshot, description: optionalText },
      permission: needs("VM.Snapshot"),
      handler: updateSnapshot,
    },
    {
      method: "POST",
      path: `${base}/{snapname}/rollback`,
      parameters: { ...atSnapshot, start: optionalFlag },
      permission: needs("VM.Snapshot", "VM.Snapshot.Rollback"),
      handler: (call) => worker(call, "qmrollback", rollback),
    },
  ];
}

type Step = (call: Call, place: Place, guest: GuestState, name: string, task: TaskContext) => Promise<void>;

function worker(call: Call, type: string, step: Step): string {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  return call.startTask({ type, id: String(vmid) }, (task) =>
    place.world.withGuestLock(place.cluster, vmid, () => step(call, place, getGuest(place, vmid), textParameter(call, "snapname")!, task)),
  );
}

function guestOf(call: Call): GuestState {
  return getGuest(placeOf(call), integerParameter(call, "vmid")!);
}

function list(call: Call): unknown {
  const guest = guestOf(call);
  const rows = Object.entries(guest.snapshots).map(([name, snapshot]) => ({
    name,
    description: snapshot.description ?? "",
    snaptime: snapshot.snaptime,
    vmstate: snapshot.vmstate ? 1 : 0,
    ...(snapshot.parent === undefined ? {} : { parent: snapshot.parent }),
  }));
  const current = { name: "current", description: "You are here!", digest: configDigest(guest), running: guest.running ? 1 : 0 };
  return [...rows, { ...current, ...(guest.config.parent === undefined ? {} : { parent: guest.config.parent }) }];
}

function requireSnapshot(guest: GuestState, name: string): GuestState["snapshots"][string] {
  return guest.snapshots[name] ?? fail(`snapshot '${name}' does not exist`);
}

function getSnapshotConfig(call: Call): unknown {
  const guest = guestOf(call);
  const name = textParameter(call, "snapname")!;
  requireSnapshot(guest, name);
  return jsonConfig(call.cluster.era, snapshotSection(guest, name));
}

async function updateSnapshot(call: Call): Promise<null> {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  await place.world.withGuestLock(place.cluster, vmid, () => {
    const guest = getGuest(place, vmid);
    requireUnlocked(guest);
    const snapshot = requireSnapshot(guest, textParameter(call, "snapname")!);
    if (call.params.description !== undefined) snapshot.description = textParameter(call, "description")!.replace(/\s+$/, "");
    place.world.touch();
  });
  return null;
}

function take(call: Call): string {
  const name = textParameter(call, "snapname")!;
  if (name === "current" || name === "pending") fail(`unable to use snapshot name '${name}' (reserved name)`);
  return worker(call, "qmsnapshot", takeUnderLock);
}

async function takeUnderLock(call: Call, place: Place, guest: GuestState, name: string, task: TaskContext): Promise<void> {
  if (isTemplate(guest)) fail("you can't take a snapshot if it's a template");
  requireUnlocked(guest);
  if (guest.snapshots[name]) fail(`snapshot name '${name}' already used`);
  const volumes = volumesOf(place, guest.config);
  if (!volumes.every((found) => hasFeature(found, "snapshot"))) fail("snapshot feature is not available");
  const description = textParameter(call, "description")?.replace(/\s+$/, "");
  guest.config.lock = "snapshot";
  try {
    const withMemory = flagParameter(call, "vmstate") && guest.running;
    const state = withMemory ? await saveMemory(place, guest, name, task) : undefined;
    if (guest.running && !withMemory && !isAgentEnabled(guest.config.agent))
      task.log("skipping guest filesystem freeze - disabled in VM options");
    await task.pass(200);
    for (const found of volumes) snapshotVolume(found, guest, name, task);
    if (guest.running && place.cluster.era === "9.2") task.log("internal qemu snapshot");
    guest.snapshots[name] = {
      config: {
        ...snapshotConfig(guest.config),
        ...(state === undefined ? {} : { vmstate: state, ...runningFacts(place, guest) }),
      },
      snaptime: Math.floor(place.world.clock.nowMs() / 1000),
      ...(guest.config.parent === undefined ? {} : { parent: guest.config.parent }),
      ...(description === undefined ? {} : { description }),
      ...(withMemory ? { vmstate: true } : {}),
    };
    guest.config.parent = name;
  } finally {
    if (!task.killed) delete guest.config.lock;
    place.world.touch();
  }
}

/** How the process ran whose memory was saved. */
function runningFacts(place: Place, guest: GuestState): Config {
  const { era } = place.cluster;
  const cards = Object.keys(guest.config).filter(isNetKey).sort();
  return {
    runningmachine: machineVersion(era, guest.config),
    runningcpu: "qemu64",
    ...(era === "9.2" && cards.length > 0 ? { "running-nets-host-mtu": cards.map((key) => `${key}=1500`).join(",") } : {}),
  };
}

async function saveMemory(place: Place, guest: GuestState, name: string, task: TaskContext): Promise<string> {
  const storage = guest.config.vmstatestorage ?? firstDiskStorage(guest) ?? "local";
  const stem = `vm-${guest.vmid}-state-${name}`;
  const volid = allocateVolume(place, { storage, vmid: guest.vmid, sizeBytes: stateBytes(guest), format: "raw", stem }, task.log);
  task.log(`saving VM state and RAM using storage '${storage}'`);
  await task.pass(1_000);
  task.log("completed saving the VM state in 1s, saved 2.47 MiB");
  return volid;
}

function snapshotConfig(config: Config): Config {
  const skipped = new Set(["lock", "parent", "description", "vmstate", "snaptime"]);
  return Object.fromEntries(Object.entries(config).filter(([key]) => !skipped.has(key) && !isUnusedKey(key)));
}

function snapshotVolume({ volume, volid }: FoundVolume, guest: GuestState, name: string, task: TaskContext): void {
  const key = drivesOf(guest.config).find(({ file }) => file === volid)?.key;
  task.log(`snapshotting 'drive-${key}' (${volid})`);
  volume.snapshots = { ...volume.snapshots, [name]: { blocks: copyBlocks(volume.blocks), sizeBytes: volume.sizeBytes } };
}

async function rollback(call: Call, place: Place, guest: GuestState, name: string, task: TaskContext): Promise<void> {
  if (isTemplate(guest)) fail("can't rollback if VM is a template");
  const snapshot = requireSnapshot(guest, name);
  requireUnlocked(guest);
  const volumes = volumesOf(place, snapshot.config);
  await task.pass(300);
  if (guest.running) processStopped(place, guest);
  const before = drivesOf(guest.config, { unused: true }).map(({ file }) => file);
  for (const { volume } of volumes) {
    const saved = volume.snapshots?.[name];
    if (!saved) continue;
    volume.blocks = copyBlocks(saved.blocks);
    volume.sizeBytes = saved.sizeBytes;
    delete volume.dirty;
  }
  const { vmstate: _state, runningmachine: _machine, runningcpu: _cpu, "running-nets-host-mtu": _mtu, ...config } = snapshot.config;
  const description = guest.config.description;
  guest.config = { ...config, ...(description === undefined ? {} : { description }), parent: name };
  if (guest.config.vmgenid !== undefined) guest.config.vmgenid = uuid((digits) => place.world.randomHex(digits));
  guest.pending = {};
  keepUnnamed(guest, before);
  place.world.event("rolled-back", { cluster: place.cluster.id, vmid: guest.vmid, snapshot: name });
  if (snapshot.vmstate || flagParameter(call, "start")) processStarted(place, guest, "running");
  place.world.touch();
}

/** Disks that the snapshot's config does not know stay as unused ones. */
function keepUnnamed(guest: GuestState, volids: readonly string[]): void {
  const named = new Set(drivesOf(guest.config).map(({ file }) => file));
  for (const volid of volids) if (volid.includes(`vm-${guest.vmid}-disk-`) && !named.has(volid)) addUnused(guest.config, volid);
}

async function remove(_call: Call, place: Place, guest: GuestState, name: string, task: TaskContext): Promise<void> {
  const snapshot = requireSnapshot(guest, name);
  requireUnlocked(guest);
  await task.pass(300);
  for (const { volume } of volumesOf(place, snapshot.config)) {
    if (volume.snapshots) delete volume.snapshots[name];
  }
  if (snapshot.config.vmstate !== undefined) freeState(place, snapshot.config.vmstate, task);
  for (const other of Object.values(guest.snapshots)) if (other.parent === name) reparent(other, snapshot.parent);
  if (guest.config.parent === name) {
    if (snapshot.parent === undefined) delete guest.config.parent;
    else guest.config.parent = snapshot.parent;
  }
  delete guest.snapshots[name];
  place.world.touch();
}

function reparent(snapshot: GuestState["snapshots"][string], parent: string | undefined): void {
  if (parent === undefined) delete snapshot.parent;
  else snapshot.parent = parent;
}

function freeState(place: Place, volid: string, task: TaskContext): void {
  try {
    freeVolume(place, volid, task.log);
  } catch (error) {
    task.log(errorMessage(error));
  }
}
