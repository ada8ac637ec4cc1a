/** From an authenticated request to an answer of a Proxmox Backup Server. */
import { ApiError, type Method, type ParameterTable, type TaskContext } from "../kernel";
import { type Parameters, type RawParameters, verifyParameters } from "../parameters";
import type { BackendState } from "../state";
import type { TaskFault } from "../tasks";
import type { SimulatorWorld } from "../world";
import { privilegesAt, userOf } from "./permissions";
import type { BackupServerState, DatastoreState } from "./state";
import { formatPbsUpid } from "./upid";

export interface PbsRoute {
  method: Method;
  path: string;
  /** Path variables included. */
  parameters: ParameterTable;
  /** Checked before the parameters: a path (may hold `{variables}`) and the privileges, all of them. */
  privilege?: { path: string; names: string[] };
  handler: (call: PbsCall) => unknown | Promise<unknown>;
}

export interface PbsRequest {
  server: BackupServerState;
  route: PbsRoute;
  pathVariables: Record<string, string>;
  parameters: RawParameters;
  /** `user@realm` or `user@realm!name`; empty for calls without credentials. */
  authid: string;
  taskFault?: TaskFault;
}

/** An answer with more than `data`. */
export class PbsReply {
  constructor(
    readonly data: unknown,
    readonly beside: Record<string, unknown>,
  ) {}
}

/** A datastore with the place where its bytes are. */
export interface Datastore {
  name: string;
  state: DatastoreState;
  backend: BackendState;
}

export class PbsCall {
  readonly server: BackupServerState;
  readonly authid: string;
  params: Parameters;
  private readonly taskFault: TaskFault | undefined;

  constructor(
    readonly world: SimulatorWorld,
    request: PbsRequest,
  ) {
    this.server = request.server;
    this.authid = request.authid;
    this.params = { ...(request.parameters as Parameters), ...request.pathVariables };
    this.taskFault = request.taskFault;
  }

  has(path: string, privilege: string): boolean {
    return privilegesAt(this.server.access, this.authid, path).has(privilege);
  }

  /** Throws 400 `missing permissions '…' on '…'`, as checks inside operations do. */
  require(path: string, privileges: string[], mode: "any" | "all" = "all"): void {
    const held = privileges.filter((privilege) => this.has(path, privilege));
    if (mode === "any" ? held.length > 0 : held.length === privileges.length) return;
    throw new ApiError(400, `missing permissions '${privileges.join(mode === "any" ? "|" : "&")}' on '${path}'`);
  }

  text(key: string): string | undefined {
    const value = this.params[key];
    return value === undefined ? undefined : String(value);
  }

  /** The datastore the path names. Callers check permissions first, so that nobody learns what exists. */
  datastore(name = this.text("store") ?? ""): Datastore {
    return getDatastore(this.world, this.server, name);
  }

  startTask(type: string, id: string | undefined, work: (task: TaskContext) => Promise<void>): string {
    return startWorker(this.world, this.server, { type, id, authid: this.authid, fault: this.taskFault }, work);
  }
}

/** Throws 400 `no such datastore '…'`. */
export function getDatastore(world: SimulatorWorld, server: BackupServerState, name: string): Datastore {
  const state = Object.hasOwn(server.datastores, name) ? server.datastores[name] : undefined;
  const backend = state && world.state.backends[state.backend];
  if (!state || !backend) throw new ApiError(400, `no such datastore '${name}'`);
  return { name, state, backend };
}

export function startWorker(
  world: SimulatorWorld,
  server: BackupServerState,
  { type, id, authid, fault }: { type: string; id?: string; authid: string; fault?: TaskFault },
  work: (task: TaskContext) => Promise<void>,
): string {
  const spec = {
    type,
    id: id ?? "",
    node: server.id,
    user: authid,
    fault,
    formatUpid: (upid: { node: string; pid: number; pstart: number; startSeconds: number; type: string; user: string }) =>
      formatPbsUpid({ ...upid, task: server.nextPid, id, authid }),
    linePrefix: () => `${new Date(world.clock.nowMs()).toISOString().slice(0, 19)}+00:00: `,
  };
  return world.tasks.start(server, spec, work);
}

/** Carries out one call. Throws {@link ApiError}. */
export async function performPbsCall(world: SimulatorWorld, request: PbsRequest): Promise<PbsReply> {
  const { route, pathVariables } = request;
  const call = new PbsCall(world, request);
  if (route.privilege) {
    const path = route.privilege.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => pathVariables[name] ?? "");
    if (!route.privilege.names.every((name) => call.has(path, name))) throw new ApiError(403, "permission check failed");
  }
  call.params = verify(route.parameters, { ...request.parameters, ...pathVariables });
  const result = await route.handler(call);
  return result instanceof PbsReply ? result : new PbsReply(result ?? null, {});
}

/** The words of Proxmox VE's check, put as a backup server puts them. */
function verify(table: ParameterTable, raw: RawParameters): Parameters {
  try {
    return verifyParameters(table, withDigits(raw));
  } catch (error) {
    if (!(error instanceof ApiError) || !error.errors) throw error;
    const lines = Object.entries(error.errors).map(([key, text]) => `parameter '${key}': ${reworded(text.trimEnd())}`);
    throw new ApiError(400, `parameter verification errors\n\n${lines.join("\n")}`);
  }
}

/** It takes words for booleans, Proxmox VE only digits. */
function withDigits(raw: RawParameters): RawParameters {
  const digits: Record<string, string> = { true: "1", on: "1", yes: "1", false: "0", off: "0", no: "0" };
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, typeof value === "string" ? (digits[value] ?? value) : value]));
}

function reworded(text: string): string {
  if (text === "property is missing and it is not optional") return "parameter is missing and it is not optional.";
  if (text.startsWith("property is not defined in schema")) return "schema does not allow additional properties.";
  return text;
}

export function isOwner(authid: string, owner: string): boolean {
  return authid === owner || (!authid.includes("!") && userOf(owner) === authid);
}
