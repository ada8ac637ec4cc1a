/** The set-ups that the recorded vectors ran against, as states of the simulator, and one call in such a state. */

import { performCall } from "../../../src/simulator/calls";
import { ApiError, type ApiReply } from "../../../src/simulator/kernel";
import { verifyParameters } from "../../../src/simulator/parameters";
import { Router } from "../../../src/simulator/router";
import { routesOf } from "../../../src/simulator/routes";
import type { AccessState, BackendState, ClusterState, FederationState, GuestState, StorageState } from "../../../src/simulator/state";
import { parseUpid } from "../../../src/simulator/upid";
import { SimulatorWorld } from "../../../src/simulator/world";
import { readLines } from "./transcripts";

export interface Vector {
  id: string;
  kind: string;
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  params: Record<string, unknown>;
  as?: string;
  state?: string;
  status?: number;
  reason?: string;
  errors?: Record<string, string>;
  result?: unknown;
  total?: number;
  proxied?: unknown;
  fn?: string;
  args?: unknown[];
  error?: string;
}

interface RecordedState {
  id: string;
  name: string;
  base?: string;
  files: Record<string, string>;
  removed: string[];
  now?: number;
  running?: number[];
  parsed?: ParsedState;
  /** `UPID endtime-hex status` per line. */
  task_index?: string;
  task_logs?: Record<string, string>;
}

interface ParsedState {
  users: Record<
    string,
    {
      enable: number;
      expire: number;
      comment?: string | null;
      email?: string | null;
      tokens?: Record<string, { expire: number; privsep: number; comment?: string }>;
    }
  >;
  groups: Record<string, { comment?: string; users: Record<string, number> }>;
  pools: Record<string, { comment?: string; vms: Record<string, number>; storage: Record<string, number> }>;
  storages: Record<string, Record<string, unknown>>;
  vms: Record<string, { node: string; config: Record<string, unknown> }>;
  acl: AclBranch;
}

interface AclBranch {
  users?: Record<string, Record<string, number>>;
  groups?: Record<string, Record<string, number>>;
  tokens?: Record<string, Record<string, number>>;
  children?: Record<string, AclBranch>;
}

/** The secret of every token in the recordings. */
const tokenSecret = "sec";
const lines = () => readLines("vectors.jsonl") as (Vector | RecordedState)[];
let cache: { vectors: Vector[]; states: Map<string, RecordedState> } | undefined;

export function loadVectors(): { vectors: Vector[]; states: Map<string, RecordedState> } {
  if (!cache) {
    const all = lines();
    const states = all.filter((line): line is RecordedState => line.id.startsWith("state:"));
    cache = {
      vectors: all.filter((line): line is Vector => !line.id.startsWith("state:")),
      states: new Map(states.map((state) => [state.name, state])),
    };
  }
  return cache;
}

const router = new Router(routesOf("9.2"));

/** Parameter verification alone; `undefined` when the simulator has no such method. */
export function verifyVector(vector: Vector): { status: number; errors?: Record<string, string> } | undefined {
  const match = router.find(vector.method, vector.path);
  if (!match) return undefined;
  try {
    verifyParameters(match.route.parameters, { ...vector.params, ...match.pathVariables });
    return { status: 200 };
  } catch (error) {
    if (error instanceof ApiError && error.errors) return { status: error.status, errors: error.errors };
    throw error;
  }
}

export type CallOutcome = { status: number; reason?: string; errors?: Record<string, string>; result?: unknown; total?: number };

/** The whole call in the vector's state. */
export async function callVector(vector: Vector): Promise<CallOutcome> {
  const world = buildWorld(vector.state ?? "std");
  const cluster = world.state.clusters.vectors!;
  const match = router.find(vector.method, vector.path);
  if (!match) return { status: 501, reason: `Method '${vector.method} ${vector.path}' not implemented` };
  const authid = vector.as ?? "root@pam";
  const userid = authid.split("!")[0] ?? "";
  try {
    const pending = performCall(world, {
      cluster,
      node: "n1",
      method: vector.method,
      path: vector.path,
      route: match.route,
      pathVariables: match.pathVariables,
      parameters: vector.params,
      user: { authid, userid, isToken: authid.includes("!"), isRoot: authid === "root@pam" },
    });
    const reply = await withTime(world, pending);
    return { status: 200, result: reply.data, total: reply.extra.total };
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 500;
    const reason = (error instanceof Error ? error.message : String(error)).split("\n")[0];
    return { status, reason, ...(error instanceof ApiError && error.errors ? { errors: error.errors } : {}) };
  } finally {
    world.clock.stop();
  }
}

async function withTime(world: SimulatorWorld, pending: Promise<ApiReply>): Promise<ApiReply> {
  let settled = false;
  const done = pending.finally(() => {
    settled = true;
  });
  done.catch(() => undefined); // reported below
  await new Promise((resolve) => setImmediate(resolve));
  while (!settled && (await world.clock.advanceToNextTimer())) await new Promise((resolve) => setImmediate(resolve));
  return done;
}

/** A world in one of the recorded states; time stands still. */
export function buildWorld(name: string): SimulatorWorld {
  const { states } = loadVectors();
  const std = states.get("std")!;
  const state = states.get(name)!;
  const cluster = buildCluster(std.parsed!, new Set(std.running ?? []), std.now ?? 0);
  const datacenter = state.files["datacenter.cfg"] ?? std.files["datacenter.cfg"] ?? "";
  for (const line of datacenter.split("\n")) {
    const option = /^([\w-]+): (.*)$/.exec(line);
    if (option) cluster.options[option[1]!] = option[2]!;
  }
  cluster.ha.resources = parseSections(std.files["ha/resources.cfg"], (type, name) => `${type}:${name}`);
  cluster.replication = parseSections(std.files["replication.cfg"], (_, name) => name);
  addTasks(cluster, state);
  addForeignGuests(cluster, { ...std.files, ...state.files });
  const federation: FederationState = {
    clusters: { vectors: cluster },
    backends: backendsOf(cluster),
    nowMs: (std.now ?? 0) * 1000,
    seed: 1,
  };
  return new SimulatorWorld({ state: federation, timeScale: 0 });
}

/** Sections of a configuration file: `type: name`, then indented `key value` lines. */
function parseSections(text: string | undefined, idOf: (type: string, name: string) => string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let current: Record<string, string> = {};
  for (const line of (text ?? "").split("\n")) {
    const head = /^(\w+): (\S+)$/.exec(line);
    const option = /^\s+(\S+) (.*)$/.exec(line);
    if (head) {
      current = {};
      sections[idOf(head[1]!, head[2]!)] = current;
    } else if (option) current[option[1]!] = option[2]!;
  }
  return sections;
}

/** Guests of other nodes are recorded only as files. */
function addForeignGuests(cluster: ClusterState, files: Record<string, string>): void {
  for (const file of Object.keys(files)) {
    const match = /^nodes\/([^/]+)\/qemu-server\/(\d+)\.conf$/.exec(file);
    if (!match || cluster.guests[match[2]!]) continue;
    cluster.guests[match[2]!] = buildGuest(Number(match[2]), { node: match[1]!, config: {} }, new Set());
  }
}

function addTasks(cluster: ClusterState, state: RecordedState): void {
  for (const line of (state.task_index ?? "").split("\n").filter((text) => text !== "")) {
    const [recorded = "", end = "", ...status] = line.split(" ");
    const upid = parseUpid(recorded);
    if (!upid) throw new Error(`recorded task ${line}`);
    const text = state.task_logs?.[recorded] ?? "";
    cluster.tasks[recorded] = {
      upid: recorded,
      node: upid.node,
      type: upid.type,
      id: upid.id,
      user: upid.user,
      startMs: upid.startSeconds * 1000,
      endMs: Number.parseInt(end, 16) * 1000,
      exitStatus: status.join(" "),
      log: text.split("\n").filter((_, index, all) => index < all.length - 1),
    };
  }
}

function buildCluster(parsed: ParsedState, running: Set<number>, now: number): ClusterState {
  const node = (name: string, status: "online" | "offline", number: number) => ({
    name,
    cores: 4,
    memoryBytes: 2 ** 33,
    status,
    bridges: ["vmbr0", "vmbr1"],
    ip: `10.0.0.${number}`,
  });
  return {
    id: "vectors",
    era: "9.2",
    clusterName: "c1",
    nodes: { n1: node("n1", "online", 1), n2: node("n2", "online", 2), n3: node("n3", "offline", 3) },
    guests: Object.fromEntries(Object.entries(parsed.vms).map(([vmid, vm]) => [vmid, buildGuest(Number(vmid), vm, running)])),
    pools: Object.fromEntries(
      Object.entries(parsed.pools).map(([id, pool]) => [
        id,
        { comment: pool.comment ?? "", vms: Object.keys(pool.vms).map(Number), storages: Object.keys(pool.storage) },
      ]),
    ),
    storages: Object.fromEntries(Object.entries(parsed.storages).map(([id, storage]) => [id, buildStorage(id, storage)])),
    access: buildAccess(parsed),
    options: {},
    tasks: {},
    ha: { resources: {}, rules: {} },
    replication: {},
    backupJobs: {},
    broadcast: { atMs: now * 1000, guests: {} },
    nextPid: 1000,
  };
}

function buildGuest(vmid: number, vm: ParsedState["vms"][string], running: Set<number>): GuestState {
  const { digest: _digest, pending: _pending, snapshots, "special-sections": _sections, ...config } = vm.config;
  const text = (values: Record<string, unknown>) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
  return {
    vmid,
    node: vm.node,
    config: text(config),
    pending: {},
    snapshots: Object.fromEntries(
      Object.entries((snapshots ?? {}) as Record<string, Record<string, unknown>>).map(
        ([name, { snaptime, parent, description, vmstate, ...rest }]) => [
          name,
          {
            config: text(rest),
            snaptime: Number(snaptime),
            ...(parent === undefined ? {} : { parent: String(parent) }),
            ...(description === undefined ? {} : { description: String(description) }),
            ...(vmstate === undefined ? {} : { vmstate: true }),
          },
        ],
      ),
    ),
    running: running.has(vmid),
    qmpStatus: running.has(vmid) ? "running" : "stopped",
  };
}

function buildStorage(id: string, storage: Record<string, unknown>): StorageState {
  const { content, nodes, shared, disable, type, ...options } = storage;
  return {
    storage: id,
    type: type as StorageState["type"],
    content: Object.keys((content ?? {}) as object),
    backends: { "*": id },
    ...(nodes ? { nodes: Object.keys(nodes as object) } : {}),
    shared: shared === 1,
    disabled: disable === 1,
    options: Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)])),
  };
}

function backendsOf(cluster: ClusterState): Record<string, BackendState> {
  return Object.fromEntries(
    Object.keys(cluster.storages).map((id) => [
      id,
      { id, kind: "directory", totalBytes: 2 ** 40, volumes: {}, chunks: {}, bytesPerSecond: 1e9 },
    ]),
  );
}

function buildAccess(parsed: ParsedState): AccessState {
  const access: AccessState = { ticketKey: "vectors", users: {}, tokens: {}, groups: {}, roles: {}, acl: [] };
  for (const [userid, user] of Object.entries(parsed.users)) {
    access.users[userid] = {
      enabled: user.enable === 1,
      expire: user.expire,
      groups: [],
      comment: user.comment ?? undefined,
      email: user.email ?? undefined,
    };
    for (const [token, state] of Object.entries(user.tokens ?? {})) {
      access.tokens[`${userid}!${token}`] = {
        secret: tokenSecret,
        privsep: state.privsep === 1,
        expire: state.expire,
        comment: state.comment,
      };
    }
  }
  for (const [group, { comment, users }] of Object.entries(parsed.groups))
    access.groups[group] = { comment: comment ?? "", users: Object.keys(users) };
  const { vectors } = loadVectors();
  for (const role of ["IaC", "CPUonly", "NoRole"]) {
    const recorded = vectors.find((vector) => vector.fn === "role_privs" && vector.args?.[0] === role);
    access.roles[role] = (recorded?.result as string[] | undefined) ?? (role === "CPUonly" ? ["VM.Audit", "VM.Config.CPU"] : []);
  }
  collectAcl(parsed.acl, "/", access);
  return access;
}

function collectAcl(branch: AclBranch, path: string, access: AccessState): void {
  for (const [kind, entries] of [
    ["user", branch.users],
    ["group", branch.groups],
    ["token", branch.tokens],
  ] as const) {
    for (const [subject, roles] of Object.entries(entries ?? {})) {
      for (const [role, propagate] of Object.entries(roles)) access.acl.push({ path, subject, kind, role, propagate: propagate === 1 });
    }
  }
  for (const [name, child] of Object.entries(branch.children ?? {})) collectAcl(child, `${path === "/" ? "" : path}/${name}`, access);
}
