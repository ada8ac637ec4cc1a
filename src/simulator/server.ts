/** The HTTPS listener of one node: credentials, faults, routing, the answer's form. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { AuthenticationRefused, authenticate } from "./authentication";
import { ProxyError, performCall } from "./calls";
import type { FaultAction, FaultTable } from "./faults";
import { type Answer, type ApiPath, checkRequestHead, parseTarget, RequestRefused, readParameters, writeAnswer } from "./http";
import { ApiError, type ApiReply, type AuthenticatedUser, type ClusterState, type Method } from "./kernel";
import { HttpsListener } from "./listener";
import type { RequestCounter } from "./requests";
import type { Match, Router } from "./router";
import type { TaskFault } from "./tasks";
import type { SimulatorWorld } from "./world";

/** Longer headers get no answer. */
const maxHeaderBytes = 8 * 1024;
/** Every 401 is held back that long. */
const refusalDelayMs = 3_000;
const anonymous: AuthenticatedUser = { authid: "", userid: "", isToken: false, isRoot: false };
/** Calls that need no credentials. */
const publicRoutes = new Set(["GET /access/domains", "GET /access/ticket", "POST /access/ticket"]);

export interface NodeServerOptions {
  world: SimulatorWorld;
  cluster: ClusterState;
  node: string;
  router: Router;
  faults: FaultTable;
  requests: RequestCounter;
  certificate: { certificatePem: string; privateKeyPem: string };
  /** 0 at first: the system chooses, and the choice stays for later openings. */
  port: number;
  /** Virtual time every request takes at least. */
  latencyMs: number;
}

/** Ends the connection without an answer. */
class ConnectionReset extends Error {}

export class NodeServer {
  private readonly listener: HttpsListener;

  constructor(private readonly options: NodeServerOptions) {
    const { certificate, port } = options;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => void this.serve(request, response);
    this.listener = new HttpsListener({ certificate, port, onRequest, onGarbage: refuseGarbage });
  }

  get node(): string {
    return this.options.node;
  }

  get cluster(): ClusterState {
    return this.options.cluster;
  }

  get url(): string {
    return this.listener.url;
  }

  /** Listens or stops listening, as the node's and the cluster's state ask. */
  async sync(): Promise<void> {
    const reachable = !this.cluster.down && this.cluster.nodes[this.node]?.status !== "offline";
    if (!reachable) return this.close();
    if (await this.listener.open()) this.options.world.peers.announce(this.listener.port, { cluster: this.cluster, node: this.node });
  }

  async close(): Promise<void> {
    if (await this.listener.close()) this.options.world.peers.withdraw(this.listener.port);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.options.world.requestsInProgress += 1;
    try {
      const answer = await this.answer(request);
      if (!response.destroyed) writeAnswer(response, answer);
    } catch (error) {
      if (!(error instanceof ConnectionReset)) this.options.world.event("internal-error", { message: String(error) });
      request.socket.destroy();
    } finally {
      this.options.world.requestsInProgress -= 1;
    }
  }

  /** Throws only {@link ConnectionReset}. */
  private async answer(request: IncomingMessage): Promise<Answer> {
    const { world } = this.options;
    if (headerBytes(request) > maxHeaderBytes) throw new ConnectionReset();
    await this.untilAwake();
    if (this.options.latencyMs > 0) await world.clock.sleep(this.options.latencyMs);
    let target: ApiPath = { format: "json", path: "/", query: "" };
    try {
      checkRequestHead(request);
      target = parseTarget(request.url ?? "/");
      return format(target, { reply: await this.call(request, target) });
    } catch (error) {
      if (error instanceof ConnectionReset) throw error;
      if (error instanceof HtmlAnswer) return error.answer;
      if (error instanceof AuthenticationRefused || (error instanceof ApiError && error.status === 401)) {
        await world.clock.sleep(refusalDelayMs);
      }
      return format(target, { error });
    }
  }

  private async call(request: IncomingMessage, target: ApiPath): Promise<ApiReply> {
    const { world, cluster, router, requests } = this.options;
    const method = request.method ?? "";
    const match = router.find(method, target.path);
    const template = match?.route.path;
    requests.count(cluster.id, method, template ?? "(unknown path)");
    const description = { cluster: cluster.id, method, path: target.path, template };
    const fault = this.options.faults.strike(description);
    await this.applyEarlyFault(fault);
    const user = this.identify(request, match, fault);
    const parameters = await readParameters(request, target.query);
    if (!match) throw new ApiError(501, `Method '${method} ${target.path}' not implemented`);
    const reply = await performCall(world, {
      cluster,
      node: this.node,
      method: method as Method,
      path: target.path,
      route: match.route,
      pathVariables: match.pathVariables,
      parameters,
      user,
      taskFault: taskFaultOf(fault),
    });
    await this.options.faults.onDone(description, reply.data);
    if (fault?.kind === "reset-after-commit") throw new ConnectionReset();
    return reply;
  }

  private identify(request: IncomingMessage, match: Match | undefined, fault: FaultAction | undefined): AuthenticatedUser {
    const { world, cluster } = this.options;
    if (match && publicRoutes.has(`${match.route.method} ${match.route.path}`)) return anonymous;
    if (fault?.kind === "expire-ticket") throw new AuthenticationRefused("Authentication failed!");
    const csrf = request.headers.csrfpreventiontoken;
    const headers = {
      cookie: request.headers.cookie,
      authorization: request.headers.authorization,
      csrfToken: Array.isArray(csrf) ? csrf[0] : csrf,
    };
    return authenticate(cluster, headers, request.method === "GET", world.clock.nowMs());
  }

  private async applyEarlyFault(fault: FaultAction | undefined): Promise<void> {
    if (fault?.kind === "reset-before") throw new ConnectionReset();
    if (fault?.kind === "delay") await this.options.world.clock.sleep(fault.ms);
    if (fault?.kind === "status") throw new ProxyError(fault.code, fault.reason);
    if (fault?.kind === "html") throw new HtmlAnswer();
  }

  /** A hanging proxy takes requests and carries them out when it wakes up. */
  private async untilAwake(): Promise<void> {
    while (this.cluster.nodes[this.node]?.status === "hanging") await this.options.world.nodesChanged();
  }
}

/** All header lines; the request line does not count. */
function headerBytes(request: IncomingMessage): number {
  // Name and value alternate; a line has a colon, a blank and a line end beside them.
  return request.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
}

class HtmlAnswer extends Error {
  readonly answer: Answer = {
    status: 200,
    reason: "OK",
    body: { text: "<!DOCTYPE html><html><head><title>Proxy</title></head><body>Please log in</body></html>", type: "text/html" },
  };
}

function taskFaultOf(fault: FaultAction | undefined): TaskFault | undefined {
  if (fault?.kind === "task-hangs") return { kind: "hangs" };
  if (fault?.kind === "task-fails") return { kind: "fails", exitStatus: fault.exitStatus, when: fault.when ?? "before" };
  return undefined;
}

function format(target: ApiPath, outcome: { reply: ApiReply } | { error: unknown }): Answer {
  if ("reply" in outcome) {
    const { data, extra } = outcome.reply;
    const { text, ...beside } = extra;
    if (text !== undefined) return { status: 200, reason: "OK", body: { text, type: "text/plain" } };
    const json = { data, ...beside, ...(target.format === "extjs" ? { success: 1 } : {}) };
    return { status: 200, reason: "OK", body: { json } };
  }
  const { error } = outcome;
  if (error instanceof RequestRefused) {
    return { status: error.status, reason: error.message, body: error.silent ? undefined : { text: error.message, type: "text/plain" } };
  }
  if (error instanceof AuthenticationRefused) return { status: 401, reason: error.message, body: undefined };
  if (error instanceof ProxyError) return { status: error.status, reason: error.message, body: undefined };
  const status = error instanceof ApiError ? error.status : 500;
  const text = (error instanceof Error ? error.message : String(error)).replace(/\n$/, "");
  // An unknown method is refused before the API code runs, which is what adds the line feed.
  const message = status === 501 ? text : `${text}\n`;
  const errors = error instanceof ApiError && error.errors ? { errors: error.errors } : {};
  if (target.format === "json") return { status, reason: text, body: { json: { data: null, message, ...errors } } };
  return {
    status: 200,
    reason: "OK",
    body: { json: { data: null, success: 0, status: status === 501 ? status : String(status), message, ...errors } },
  };
}

/** What is no HTTP, or none that Proxmox takes. */
function refuseGarbage(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET" || error.code === "HPE_HEADER_OVERFLOW") {
    socket.destroy();
    return;
  }
  const method = /^([A-Z]+) \S+ HTTP\/1\.[01]\r?\n/.exec(error.rawPacket?.toString("latin1") ?? "")?.[1];
  socket.end(
    method === undefined
      ? "HTTP/1.0 400 bad request\r\nConnection: close\r\nContent-Length: 11\r\n\r\nbad request"
      : `HTTP/1.1 501 method '${method}' not available\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
}
