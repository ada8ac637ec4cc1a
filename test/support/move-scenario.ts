/** A guest that runs on cluster a and is to go to cluster b, with what such federations have around it. */
import { afterEach, beforeEach, vi } from "vitest";
import {
  formatDescription,
  type GuestRef,
  type Identity,
  identityTag,
  type Mark,
  type MoveRequest,
  moveGuest,
  parseDescription,
  type Route,
} from "../../src/migration";
import type { RemoteEndpoint } from "../../src/migration/remote-endpoint";
import { systemClock } from "../../src/proxmox";
import { FakeStore } from "./fake-backups";
import { FakeCluster, forbidTwins } from "./fake-cluster";
import type { FakeGuest } from "./fake-guest";
import { type CallRecord, FakeWorld, type Fault } from "./fake-world";

export const GIB = 1024 ** 3;
export const IDENTITY: Identity = { federation: "fed", stack: "shop/prod", kind: "vm", name: "web" };
export const SOURCE_VMID = 100;
export const POOL = "prod";

export const ENDPOINT: RemoteEndpoint = {
  host: "b1",
  port: 8006,
  fingerprint: "AA:BB",
  tokenId: "ci@pve!test",
  secret: "secret-of-b",
};

export interface MoveScenario {
  world: FakeWorld;
  a: FakeCluster;
  b: FakeCluster;
  store: FakeStore;
  /** By id; a test may add one. */
  clusters: Map<string, FakeCluster>;
  route: Route;
  request(changes?: Partial<MoveRequest>): MoveRequest;
}

export interface ScenarioOptions {
  sourceRunning?: boolean;
  /** The source's vmid belongs to somebody else on the target. */
  vmidTaken?: boolean;
  /** As {@link ScenarioOptions.vmidTaken}, and our token cannot see that guest. */
  vmidHidden?: boolean;
  /** Our tokens have rights by the pool only, and see nothing outside. */
  poolOnly?: boolean;
  /** The owner of a disk: fenced and protected for good. */
  diskOwner?: boolean;
  /** A store that takes only what changed: the running guest is backed up first. */
  warm?: boolean;
  /** Over a backup server, restored while it runs. */
  live?: boolean;
  /** By remote migration. */
  method?: "storage" | "offline";
  /** HA with a rule, and a replication job. */
  highlyAvailable?: boolean;
}

export function moveScenario(options: ScenarioOptions = {}): MoveScenario {
  const { sourceRunning = !options.diskOwner } = options;
  const world = new FakeWorld();
  const store = new FakeStore();
  const type = options.warm || options.live ? "pbs" : "nfs";
  const a = new FakeCluster("a", world, { nodes: ["a1", "a2"], storages: { fast: {}, "bk-a": { store, type } } });
  const b = new FakeCluster("b", world, { nodes: ["b1", "b2"], storages: { fast: {}, slow: {}, "bk-b": { store, type } } });
  const clusters = new Map([
    ["a", a],
    ["b", b],
  ]);
  forbidTwins(world, [a, b]);
  a.peers.set("b1", b);
  for (const cluster of [a, b]) cluster.proxmoxPools.set(POOL, { comment: "" });
  const identity: Identity = options.diskOwner ? { ...IDENTITY, kind: "disk" } : IDENTITY;
  const mark: Mark = { ...identity, generation: 1, phase: "settled" };
  a.addGuest(
    {
      vmid: SOURCE_VMID,
      node: "a1",
      pool: POOL,
      power: sourceRunning ? "running" : "stopped",
      config: {
        name: "web",
        cores: "2",
        memory: "2048",
        net0: "virtio=BC:24:11:AA:00:01,bridge=vmbr0",
        tags: identityTag(identity),
        description: formatDescription("the shop", mark),
        ...(options.diskOwner ? { template: "1", protection: "1" } : { onboot: "1" }),
      },
    },
    { scsi0: { storage: "fast", sizeBytes: 8 * GIB, writes: ["installed"] } },
  );
  if (options.highlyAvailable) {
    a.haResources.set(SOURCE_VMID, { vmid: SOURCE_VMID, state: "started", maxRestart: 2 });
    a.haRules.push({ rule: "shop", type: "node-affinity", resources: [`vm:${SOURCE_VMID}`] });
    b.haRules.push({ rule: "shop", type: "node-affinity", resources: [] });
    a.replicationJobs.push({ vmid: SOURCE_VMID, job: 0, targetNode: "a2", schedule: "*/5", disabled: false });
  }
  if (options.vmidTaken || options.vmidHidden)
    b.addGuest({ vmid: SOURCE_VMID, node: "b2", power: "running", config: { name: "other", memory: "512" } });
  if (options.vmidHidden) b.hidden.add(SOURCE_VMID);
  if (options.poolOnly) for (const cluster of [a, b]) cluster.onlyPool = POOL;
  const route: Route = {
    source: "a",
    target: "b",
    method: options.method ?? "backup-restore",
    compression: true,
    nodeNames: { a2: "b2" },
    ...(options.warm ? { warm: true } : {}),
    ...(options.live ? { live: true } : {}),
    ...(options.method ? {} : { store: { name: "vault", type, writeStorage: "bk-a", readStorage: "bk-b" } }),
  };
  return {
    world,
    a,
    b,
    store,
    clusters,
    route,
    request: (changes = {}) => ({
      identity,
      generation: 2,
      route,
      source: { api: a, node: "a1", vmid: SOURCE_VMID },
      target: { api: b, node: "b1", pool: POOL, storage: "fast" },
      text: "the shop",
      tags: [identityTag(identity)],
      name: "web",
      shutdown: { timeoutSeconds: 60, force: false },
      running: !options.diskOwner,
      inTurn: (work) => work(),
      onLink: (work) => work(route.bitsPerSecond),
      ...(options.live ? { liveShape: () => ({ net0: "virtio=BC:24:11:AA:00:01,bridge=vmbr1" }) } : {}),
      ...(options.method ? { remote: { endpoint: async () => ENDPOINT, bridges: { net0: "vmbr1" } } } : {}),
      apiOf: async (id) => {
        const cluster = clusters.get(id);
        if (!cluster) throw new Error(`no cluster ${id}`);
        return cluster;
      },
      adapt: async (target: GuestRef) => {
        if (options.diskOwner) await target.api.qemu.updateConfig(target.node, target.vmid, { template: 1, protection: 1 });
      },
      waitUntilAlive: async () => undefined,
      ...(options.diskOwner ? {} : { onBoot: true }),
      ...changes,
    }),
  };
}

/**
 * For a file of tests with one scenario at a time: waiting for a busy lock file goes by the clock of the latest one.
 *
 * @returns what begins a scenario
 */
export function oneMoveScenarioAtATime(): (options?: ScenarioOptions) => MoveScenario {
  let current: MoveScenario | undefined;
  beforeEach(() => {
    vi.spyOn(systemClock, "nowMs").mockImplementation(() => current!.world.nowMs);
    vi.spyOn(systemClock, "sleep").mockImplementation((ms) => current!.world.pace.sleep(ms));
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return (options = {}) => {
    current = moveScenario(options);
    return current;
  };
}

export type Outcome = { ok: true } | { ok: false; error: Error };

export async function attempt(scenario: MoveScenario, changes: Partial<MoveRequest> = {}, signal?: AbortSignal): Promise<Outcome> {
  try {
    await moveGuest(scenario.request(changes), signal ? { ...scenario.world.pace, signal } : scenario.world.pace);
    return { ok: true };
  } catch (error) {
    if (error instanceof Error) return { ok: false, error };
    throw error;
  }
}

/** As `attempt`, and nothing but a kill or a success is taken. */
export async function attemptOrDie(scenario: MoveScenario, changes: Partial<MoveRequest> = {}): Promise<"done" | "killed"> {
  const outcome = await attempt(scenario, changes);
  if (outcome.ok) return "done";
  if (!scenario.world.isKilled) throw outcome.error;
  return "killed";
}

/** The fault at the n-th call from now on. */
export function failAt(world: FakeWorld, nth: number, fault: Fault, applies: (call: CallRecord) => boolean = () => true): void {
  const first = world.calls.length + 1;
  world.fault = (call) => (call.index === first + nth - 1 && applies(call) ? fault : undefined);
}

export function markOf(cluster: FakeCluster, vmid: number): Mark | undefined {
  return parseDescription(cluster.guests.get(vmid)?.config.description).mark;
}

/** Our guests on a cluster, whatever their phase. */
export function ours(cluster: FakeCluster): number[] {
  return [...cluster.guests.values()]
    .filter((guest) => parseDescription(guest.config.description).mark?.federation === "fed")
    .map((guest) => guest.vmid);
}

function flag(guest: FakeGuest | undefined, key: string): boolean {
  return guest?.config[key] === "1";
}

/** Locked by a restore whose worker was killed: an administrator's to remove. */
function isLeft(cluster: FakeCluster, vmid: number): boolean {
  const guest = cluster.guests.get(vmid);
  return (
    guest?.config.lock === "create" &&
    guest.power === "stopped" &&
    cluster.world.activeTask(cluster.clusterId, vmid, ["qmrestore"]) === undefined
  );
}

/** What is not as it should be after a finished move; empty = all is well. */
export function flawsOfFinished(scenario: MoveScenario, options: ScenarioOptions = {}): string[] {
  const { world, a, b, store } = scenario;
  const { sourceRunning = !options.diskOwner } = options;
  const flaws = [...world.violations];
  const say = (ok: boolean, flaw: string) => {
    if (!ok) flaws.push(flaw);
  };
  const source = a.guests.get(SOURCE_VMID);
  say(source !== undefined, "the source is gone");
  say(source?.power === "stopped", "the source runs");
  if (options.method) say(source?.config.lock === "migrate", `the source has lock ${source?.config.lock}`);
  else {
    say(!flag(source, "onboot"), "the source starts with its node");
    say(markOf(a, SOURCE_VMID)?.phase === "retired", `the source is ${markOf(a, SOURCE_VMID)?.phase}`);
  }
  // A running guest was never fenced: its lock keeps it from starting.
  say(flag(source, "template") || (options.method === "storage" && sourceRunning), "the source is not fenced");
  const targets = ours(b).filter((vmid) => !isLeft(b, vmid));
  say(targets.length === 1, `there are ${targets.length} targets: ${targets.join(", ")}`);
  const vmid = markOf(a, SOURCE_VMID)?.successor?.vmid ?? targets[0] ?? 0;
  const target = b.guests.get(vmid);
  say(target?.node === "b1", `the target is on ${target?.node}`);
  say(target?.power === (options.diskOwner ? "stopped" : "running"), `the target is ${target?.power}`);
  say(target?.pool === POOL, `the target is in pool ${target?.pool}`);
  say(target?.config.lock === undefined, `the target is locked (${target?.config.lock})`);
  say(flag(target, "template") === (options.diskOwner ?? false), "the target's fence is not as it should be");
  say(flag(target, "onboot") === !options.diskOwner, `the target's onboot is ${target?.config.onboot}`);
  say(markOf(b, vmid)?.phase === "settled", `the target is ${markOf(b, vmid)?.phase}`);
  say(markOf(b, vmid)?.generation === 2, `the target is of generation ${markOf(b, vmid)?.generation}`);
  say(!target?.config.tags?.includes("fed-moving"), "the target is tagged as moving");
  say(
    Object.keys(target?.config ?? {}).every((key) => !key.startsWith("unused")),
    "the target holds an unused volume",
  );
  const before = a.writesOf(SOURCE_VMID) ?? ["?"];
  const after = b.writesOf(vmid) ?? [];
  say(
    before.every((write, index) => after[index] === write),
    `data was lost: ${before.join(" ")} became ${after.join(" ")}`,
  );
  say(store.archives.length === 0, `${store.archives.length} archives are left`);
  const volumes = [...b.volumes.values()].filter((volume) => volume.vmid === vmid).length;
  say(volumes === 1, `the target has ${volumes} volumes`);
  if (options.highlyAvailable) {
    say(a.haResources.get(SOURCE_VMID)?.state === "ignored", "HA still looks after the source");
    say(b.haResources.get(vmid)?.state === "started", "HA does not look after the target");
    say(b.haRules[0]?.resources.join() === `vm:${vmid}`, `the rule of the target names ${b.haRules[0]?.resources.join()}`);
    say(JSON.stringify(b.replicationJobs.map((job) => [job.vmid, job.targetNode])) === `[[${vmid},"b2"]]`, "the target is not replicated");
  }
  if (!sourceRunning && !options.diskOwner) say(target?.power === "running", "the target does not run");
  return flaws;
}

/** What is not as it was before the move began; empty = nothing is left of it. */
export function flawsOfRolledBack(scenario: MoveScenario, options: ScenarioOptions = {}): string[] {
  const { world, a, b, store } = scenario;
  const { sourceRunning = !options.diskOwner } = options;
  const flaws = [...world.violations];
  const say = (ok: boolean, flaw: string) => {
    if (!ok) flaws.push(flaw);
  };
  const source = a.guests.get(SOURCE_VMID);
  say(source?.power === (sourceRunning ? "running" : "stopped"), `the source is ${source?.power}`);
  say(flag(source, "template") === (options.diskOwner ?? false), `the source's fence is ${source?.config.template}`);
  say(flag(source, "onboot") === !options.diskOwner, `the source's onboot is ${source?.config.onboot}`);
  say(source?.config.lock === undefined, `the source is locked (${source?.config.lock})`);
  say(markOf(a, SOURCE_VMID)?.phase === "settled", `the source is ${markOf(a, SOURCE_VMID)?.phase}`);
  say(markOf(a, SOURCE_VMID)?.move === undefined, "the journal is still there");
  say(!source?.config.tags?.includes("fed-moving"), "the source is tagged as moving");
  if (options.highlyAvailable) say(a.haResources.get(SOURCE_VMID)?.state === "started", "HA does not look after the source");
  say(ours(b).length === 0, `left on the target: ${ours(b).join(", ")}`);
  say(b.volumes.size === 0, `volumes left on the target: ${[...b.volumes.keys()].join(", ")}`);
  say(store.archives.length === 0, `${store.archives.length} archives are left`);
  say(a.writesOf(SOURCE_VMID)?.[0] === "installed", "the source lost its data");
  return flaws;
}
