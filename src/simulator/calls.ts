/** From an authenticated request to an answer: permission, forwarding to the node, parameters, the operation. */
import { runAs } from "./execution";
import {
  ApiError,
  ApiReply,
  type AuthenticatedUser,
  type Call,
  type ClusterState,
  type Method,
  type Route,
  type TaskContext,
  type WorkerSpec,
  type World,
} from "./kernel";
import { type Parameters, type RawParameters, verifyParameters } from "./parameters";
import { Authorization } from "./permissions";
import { refuseWithoutQuorum } from "./quorum";
import type { TaskFault, TaskRunner } from "./tasks";

/** What pveproxy waits for another node's proxy, and for a host that does not answer ARP. */
const proxyTimeoutMs = 30_000;
const noRouteMs = 3_000;

/** A gateway error of the proxy: no body at all. */
export class ProxyError extends Error {
  constructor(
    readonly status: number,
    reason: string,
  ) {
    super(reason);
  }
}

export interface CallRequest {
  cluster: ClusterState;
  /** The node whose proxy was asked. */
  node: string;
  method: Method;
  path: string;
  route: Route;
  pathVariables: Record<string, string>;
  parameters: RawParameters;
  user: AuthenticatedUser;
  taskFault?: TaskFault;
}

/** Carries out one API call. Throws {@link ApiError} or {@link ProxyError}. */
export async function performCall(world: World & { tasks: TaskRunner }, request: CallRequest): Promise<ApiReply> {
  const { cluster, route, user } = request;
  const call = new RunningCall(world, request);
  if (user.isToken && route.tokenAllowed === false) {
    throw new ApiError(403, `Permission check failed (URI '${request.path}' not available with API token, need proper ticket.\n)`);
  }
  route.permission?.(call);
  const target = targetNode(request);
  if (target !== undefined && target !== request.node) await forward(world, cluster, target);
  if (target !== undefined) call.localNode = target;
  call.params = verifyParameters(route.parameters, { ...request.parameters, ...request.pathVariables }, cluster.era);
  return runAs({ held: new Map() }, async () => {
    const refused = await refuseWithoutQuorum(route, call);
    const result = refused ? refused.data : await route.handler(call);
    return result instanceof ApiReply ? result : new ApiReply(result ?? null);
  });
}

/** The node a call is for; `localhost` is the node that was asked. */
function targetNode(request: CallRequest): string | undefined {
  const named = request.pathVariables.node;
  if (named === undefined || request.route.onNode === false) return undefined;
  return named === "localhost" ? request.node : named;
}

async function forward(world: World, cluster: ClusterState, target: string): Promise<void> {
  const node = cluster.nodes[target];
  if (!node) {
    throw new ApiError(500, `hostname lookup '${target}' failed - failed to get address info for: ${target}: Name or service not known`);
  }
  if (node.status === "offline") {
    await world.clock.sleep(noRouteMs);
    throw new ProxyError(595, "No route to host");
  }
  if (node.status === "hanging") {
    await world.clock.sleep(proxyTimeoutMs);
    throw new ProxyError(596, "Connection timed out");
  }
}

class RunningCall implements Call {
  readonly cluster: ClusterState;
  readonly method: Method;
  readonly path: string;
  readonly pathVariables: Record<string, string>;
  readonly user: AuthenticatedUser;
  localNode: string;
  /** Unverified until the permission check has passed: permission checks run first, as in Proxmox. */
  params: Parameters;
  private readonly authorization: Authorization;
  private readonly taskFault: TaskFault | undefined;

  constructor(
    readonly world: World & { tasks: TaskRunner },
    request: CallRequest,
  ) {
    this.cluster = request.cluster;
    this.method = request.method;
    this.path = request.path;
    this.pathVariables = request.pathVariables;
    this.user = request.user;
    this.localNode = request.node;
    this.params = { ...(request.parameters as Parameters), ...request.pathVariables };
    this.taskFault = request.taskFault;
    this.authorization = new Authorization(request.cluster, request.user, () => world.clock.nowMs());
  }

  requirePrivilege(path: string, privileges: string[], mode: "any" | "all" = "all"): void {
    this.authorization.require(path, privileges, mode);
  }

  hasPrivilege(path: string, privilege: string): boolean {
    return this.authorization.has(path, privilege);
  }

  startTask(spec: WorkerSpec, work: (task: TaskContext) => Promise<void>): string {
    return this.world.tasks.start(
      this.cluster,
      { ...spec, id: spec.id ?? "", node: spec.node ?? this.localNode, user: this.user.authid, fault: this.taskFault },
      work,
    );
  }
}
