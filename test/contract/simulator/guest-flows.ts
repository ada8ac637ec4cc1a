/** The recorded flows about guests, storages and backups: what belongs around their steps. */
import type { Era, SimulatorWorld } from "../../../src/simulator";
import type { ClusterState, GuestState, VolumeState } from "../../../src/simulator/state";
import { type FlowWorld, flowWorld } from "./flow-world";
import { isStep, loadTranscript } from "./transcripts";

type Unrecorded = NonNullable<FlowWorld["unrecorded"]>;
type Outside = NonNullable<FlowWorld["outside"]>;

/** The world of a flow with everything its recorder did beside the recorded calls. */
export function guestFlow(era: Era, flow: string): FlowWorld {
  const base = flowWorld(era, flow);
  const node = nodeOf(era, flow) ?? base.localNode;
  const world: FlowWorld = { ...base, localNode: node };
  switch (flow) {
    case "vm-lifecycle":
      return { ...world, unrecorded: lifecycleCalls(node), outside: lifecycleEvents(), partialBodies: range(73, 126) };
    case "storage":
      return { ...world, unrecorded: storageCalls(node), outside: storageEvents() };
    case "restore-cancel":
      return {
        ...world,
        outside: [{ before: 2, act: (at) => fill(at, 620, "scsi0") }, ...[5, 17, 25].map((before) => wait(before, 3_000))],
      };
    case "backup":
      return { ...world, ...backupWorld(world, node) };
    case "migrate":
      return { ...world, ...migrateWorld(world) };
    case "snapshot-ram":
      return {
        ...world,
        unrecorded: [{ before: 14, method: "POST", path: `/nodes/${node}/qemu/600/status/stop`, params: {} }],
        outside: [{ before: 2, act: (at) => makeUnresponsive(at, 600) }],
      };
    case "permissions":
    case "permissions-minimal":
      return { ...world, outside: [34, 35].map((before) => ({ before, act: unprotectArchives })) };
    default:
      return world;
  }
}

/** The node that a flow's first request names. */
function nodeOf(era: Era, flow: string): string | undefined {
  for (const line of loadTranscript(era, flow)) {
    const node = isStep(line) ? /\/nodes\/([^/]+)/.exec(line.request.path)?.[1] : undefined;
    if (node !== undefined) return node;
  }
  return undefined;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

const clusterOf = (world: SimulatorWorld): ClusterState => Object.values(world.state.clusters)[0]!;

function guestOf(world: SimulatorWorld, vmid: number): GuestState {
  const guest = clusterOf(world).guests[vmid];
  if (!guest) throw new Error(`the flow has no guest ${vmid}`);
  return guest;
}

/** Guests in the recordings have no operating system. */
function makeUnresponsive(world: SimulatorWorld, vmid: number): void {
  guestOf(world, vmid).unresponsive = true;
}

/** The recorder let some time pass. */
function wait(before: number, virtualMs: number): Outside[number] {
  return { before, act: (world) => world.clock.advance(virtualMs) };
}

function unprotectArchives(world: SimulatorWorld): void {
  for (const backend of Object.values(world.state.backends)) for (const volume of Object.values(backend.volumes)) volume.protected = false;
}

/** Every block of a disk gets data. */
function fill(world: SimulatorWorld, vmid: number, key: string): void {
  const guest = guestOf(world, vmid);
  const [storageId = "", volname = ""] = (guest.config[key] ?? "").split(",")[0]!.split(":");
  const storage = clusterOf(world).storages[storageId]!;
  const backend = world.state.backends[storage.backends[guest.node] ?? storage.backends["*"]!]!;
  const volume = backend.volumes[volname]!;
  for (let index = 0; index < volume.sizeBytes / world.blockBytes; index += 1) volume.blocks[index] = `data-${vmid}-${index}`;
}

function lifecycleCalls(node: string): Unrecorded {
  const qemu = `/nodes/${node}/qemu`;
  // Creates that turned out to work were deleted before the next attempt.
  const cleanUps = [16, 24, 26, 33, 41, 45, 46].map((before) => ({ before, method: "DELETE", path: `${qemu}/101`, params: {} }));
  const create112 = { vmid: 112, memory: 32, kvm: 0, scsi0: "d1:0.03125" };
  return [
    ...cleanUps,
    { before: 249, method: "PUT", path: `${qemu}/100/config`, params: { delete: "scsi1", force: 1 } },
    { before: 305, method: "POST", path: qemu, params: create112 },
    {
      before: 305,
      method: "POST",
      path: "/cluster/backup",
      params: { id: "bj112", schedule: "sun 01:00", vmid: "112,100", storage: "d1" },
    },
    { before: 305, method: "POST", path: "/pools", params: { poolid: "p112" } },
    { before: 305, method: "PUT", path: "/pools", params: { poolid: "p112", vms: "112" } },
    {
      before: 305,
      method: "POST",
      path: `/nodes/${node}/storage/d1/content`,
      params: { vmid: 112, filename: "vm-112-disk-9.raw", size: "1M" },
    },
    { before: 321, method: "PUT", path: `${qemu}/100/config`, params: { agent: "0" } },
  ];
}

function lifecycleEvents(): Outside {
  return [{ before: 155, act: (world) => makeUnresponsive(world, 100) }];
}

function storageCalls(node: string): Unrecorded {
  const dropSt2 = { method: "DELETE", path: "/storage/st2", params: {} };
  const qemu = `/nodes/${node}/qemu`;
  const drop = (vmid: number) => ({
    before: 108,
    method: "DELETE",
    path: `${qemu}/${vmid}?purge=1&destroy-unreferenced-disks=1`,
    params: {},
  });
  return [
    { ...dropSt2, before: 10 },
    { ...dropSt2, before: 13 },
    { before: 99, method: "POST", path: qemu, params: { vmid: 141, scsi0: "st1:0.03125" } },
    drop(140),
    drop(141),
  ];
}

function storageEvents(): Outside {
  const add = (world: SimulatorWorld, volume: Pick<VolumeState, "volname" | "content" | "format" | "sizeBytes">) => {
    const { storages, nodes } = clusterOf(world);
    const backend = world.state.backends[storages.st1!.backends[Object.keys(nodes)[0]!]!]!;
    backend.volumes[volume.volname] = { ...volume, vmid: 0, createdAtMs: world.clock.nowMs(), protected: false, blocks: {}, thin: true };
  };
  // Uploads are not simulated.
  const upload = (world: SimulatorWorld) => {
    for (const name of ["a_b", "tiny"]) add(world, { volname: `iso/${name}.iso`, content: "iso", format: "raw", sizeBytes: 34_816 });
    add(world, { volname: "import/e.raw", content: "import", format: "raw", sizeBytes: 1_048_576 });
  };
  return [{ before: 96, act: upload }];
}

function backupWorld(world: FlowWorld, node: string): Partial<FlowWorld> {
  const cluster = world.layout.clusters[0]!;
  const nodes = cluster.nodes.map(({ name }) => name);
  const extra = ["gone", "tiny"].map((storage) => ({
    storage,
    type: "dir" as const,
    backend: Object.fromEntries(nodes.map((name) => [name, `${name}:${storage}`])),
    content: ["backup", "images"],
    options: { path: `/srv/${storage}`, ...(storage === "tiny" ? { is_mountpoint: "yes" } : {}) },
  }));
  const backends = nodes.flatMap((name) => [
    { id: `${name}:gone`, kind: "directory" as const, totalBytes: 2 ** 34 },
    { id: `${name}:tiny`, kind: "directory" as const, totalBytes: 25_165_824, bytesPerSecond: 200e6 },
  ]);
  const layout = {
    clusters: [
      {
        ...cluster,
        storages: [...cluster.storages, ...extra],
        users: [{ userid: "bk@pve", password: "bk-password" }],
        tokens: [{ tokenid: "bk@pve!tk" }],
        roles: { BkVm: ["VM.Audit", "VM.Backup"], BkStore: ["Datastore.AllocateSpace", "Datastore.Audit"] },
        acl: [
          { path: "/vms/160", role: "BkVm", subject: "bk@pve" },
          { path: "/storage/d2", role: "BkStore", subject: "bk@pve" },
        ],
      },
    ],
    backends: [...world.layout.backends, ...backends],
  };
  return { layout, unrecorded: backupCalls(node), outside: backupEvents() };
}

function backupCalls(node: string): Unrecorded {
  const qemu = `/nodes/${node}/qemu`;
  const drop = (before: number, vmid: number) => ({ before, method: "DELETE", path: `${qemu}/${vmid}?purge=1`, params: {} });
  const change = (before: number, vmid: number, params: Record<string, unknown>) => ({
    before,
    method: "PUT",
    path: `${qemu}/${vmid}/config`,
    params,
  });
  return [
    ...[138, 140, 141, 142].map((before) => drop(before, 166)),
    change(147, 163, { protection: 1 }),
    change(148, 163, { protection: 0 }),
    { before: 151, method: "POST", path: `${qemu}/160/status/stop`, params: {} },
    change(151, 160, { net0: "virtio,bridge=vmbr77", scsi4: "gone:0.03125" }),
    { before: 161, method: "POST", path: `${qemu}/161/status/start`, params: {} },
    change(201, 160, { delete: "scsi4", force: 1 }),
    drop(177, 168),
    drop(182, 163),
    drop(186, 163),
  ];
}

function backupEvents(): Outside {
  return [
    { before: 4, act: (world) => fill(world, 161, "scsi0") },
    { before: 77, act: (world) => makeUnresponsive(world, 160) },
    wait(82, 3_000),
    // The recorded host could not start a guest without kvm=0.
    { before: 139, act: (world) => stopProcess(world, 166) },
    { before: 157, act: (world) => stopProcess(world, 166) },
    { before: 178, act: unmountTiny },
    { before: 182, act: addDamagedArchives },
    wait(187, 3_000),
  ];
}

function stopProcess(world: SimulatorWorld, vmid: number): void {
  Object.assign(guestOf(world, vmid), { running: false, qmpStatus: "stopped", runningConfig: undefined });
}

function unmountTiny(world: SimulatorWorld): void {
  for (const id of Object.keys(world.state.backends)) if (id.endsWith(":tiny")) delete world.state.backends[id];
}

function addDamagedArchives(world: SimulatorWorld): void {
  const { storages, nodes } = clusterOf(world);
  const backend = world.state.backends[storages.d1!.backends[Object.keys(nodes)[0]!]!]!;
  for (const [vmid, format] of [
    [160, "vma.zst"],
    [161, "vma"],
  ] as const) {
    const volname = `vzdump-qemu-${vmid}-2020_02_02-02_02_02.${format}`;
    backend.volumes[volname] = { volname, vmid, format, sizeBytes: 1000, content: "backup", createdAtMs: 0, protected: false, blocks: {} };
  }
}

function migrateWorld(world: FlowWorld): Partial<FlowWorld> {
  const cluster = world.layout.clusters[0]!;
  const [first = ""] = cluster.nodes.map(({ name }) => name);
  const storages = [
    ...cluster.storages,
    {
      storage: "sh",
      type: "dir" as const,
      backend: "shared",
      shared: true,
      content: ["backup", "images"],
      options: { path: "/mnt/shared/sh" },
    },
    {
      storage: "only1",
      type: "dir" as const,
      backend: { [first]: "only1" },
      nodes: [first],
      content: ["images"],
      options: { path: "/srv/only1" },
    },
  ];
  const account = {
    users: [{ userid: "mig@pve", password: "mig-password" }],
    tokens: [{ tokenid: "mig@pve!tk" }],
    roles: { MigNone: ["VM.Audit"] },
    acl: [{ path: "/vms", role: "MigNone", subject: "mig@pve" }],
  };
  const layout = {
    clusters: [{ ...cluster, storages, ...account }],
    backends: [...world.layout.backends, { id: "shared", kind: "directory" as const }, { id: "only1", kind: "directory" as const }],
  };
  return { layout, unrecorded: migrateCalls(cluster.nodes.map(({ name }) => name)), outside: migrateEvents(), partialBodies: [73, 124] };
}

function migrateCalls(nodes: string[]): Unrecorded {
  const [first = "", second = ""] = nodes;
  const change = (before: number, params: Record<string, unknown>) => ({
    before,
    method: "PUT",
    path: `/nodes/${first}/qemu/400/config`,
    params,
  });
  const back = (before: number) => ({ before, method: "POST", path: `/nodes/${second}/qemu/400/migrate`, params: { target: first } });
  return [
    back(55),
    change(55, { lock: "backup" }),
    change(56, { delete: "lock", skiplock: 1 }),
    change(56, { net0: "virtio,bridge=vmbr55" }),
    back(57),
    change(123, { scsi3: "d1:0.25" }),
  ];
}

function migrateEvents(): Outside {
  // The daemons of high availability did not run on the recorded machines.
  const stopHaManager = (world: SimulatorWorld) => {
    clusterOf(world).ha.idle = true;
  };
  const grant = (world: SimulatorWorld) => {
    clusterOf(world).access.acl.push({ path: "/vms", subject: "mig@pve", kind: "user", role: "PVEVMAdmin", propagate: true });
  };
  return [
    { before: 1, act: stopHaManager },
    {
      before: 98,
      act: (world) => {
        delete clusterOf(world).ha.resources["vm:400"];
      },
    },
    { before: 122, act: grant },
    { before: 123, act: (world) => fill(world, 400, "scsi3") },
    wait(124, 2_000),
  ];
}
