/** The HTTPS listener of a backup server: credentials, faults, routing, the answer's form. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FaultAction, FaultTable } from "../faults";
import { parseTarget, RequestRefused, readParameters } from "../http";
import { ApiError, type Method } from "../kernel";
import { HttpsListener } from "../listener";
import type { RequestCounter } from "../requests";
import { Router } from "../router";
import type { TaskFault } from "../tasks";
import type { SimulatorWorld } from "../world";
import { accessRoutes } from "./access-routes";
import { authenticate, LoginRefused } from "./authentication";
import { type PbsReply, type PbsRoute, performPbsCall } from "./calls";
import { contentRoutes } from "./content-routes";
import { datastoreRoutes } from "./datastore-routes";
import { remoteRoutes } from "./remotes";
import type { BackupServerState } from "./state";
import { syncRoutes } from "./sync-jobs";
import { taskRoutes } from "./task-routes";
import { verifyJobRoutes } from "./verify-jobs";

export const pbsRoutes: readonly PbsRoute[] = [
  ...accessRoutes,
  ...datastoreRoutes,
  ...contentRoutes,
  ...remoteRoutes,
  ...syncRoutes,
  ...verifyJobRoutes,
  ...taskRoutes,
];

const refusalDelayMs = 3_000;
const publicRoutes = new Set(["GET /ping", "POST /access/ticket"]);

export interface BackupServerOptions {
  world: SimulatorWorld;
  server: BackupServerState;
  faults: FaultTable;
  requests: RequestCounter;
  certificate: { certificatePem: string; privateKeyPem: string };
  port: number;
  latencyMs: number;
}

/** Ends the connection without an answer. */
class ConnectionReset extends Error {}

/** An answer that no operation gave. */
class FixedAnswer extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly html?: string,
  ) {
    super(reason);
  }
}

export class BackupServer {
  private readonly listener: HttpsListener;
  private readonly router = new Router<PbsRoute>(pbsRoutes);

  constructor(private readonly options: BackupServerOptions) {
    const { certificate, port } = options;
    this.listener = new HttpsListener({ certificate, port, onRequest: (request, response) => void this.serve(request, response) });
  }

  get state(): BackupServerState {
    return this.options.server;
  }

  get url(): string {
    return this.listener.url;
  }

  /** Listens or stops listening, as the server's state asks. */
  async sync(): Promise<void> {
    if (this.state.down) return this.close();
    await this.listener.open();
    this.options.world.placeBackupServer(this.state.id, this.listener.port);
  }

  async close(): Promise<void> {
    await this.listener.close();
    this.options.world.placeBackupServer(this.state.id, undefined);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { world } = this.options;
    world.requestsInProgress += 1;
    try {
      if (this.options.latencyMs > 0) await world.clock.sleep(this.options.latencyMs);
      const { data, beside } = await this.answer(request);
      send(response, 200, "OK", JSON.stringify({ data, ...beside }));
    } catch (error) {
      await this.refuse(error, request, response);
    } finally {
      world.requestsInProgress -= 1;
    }
  }

  private async answer(request: IncomingMessage): Promise<PbsReply> {
    const { world, server, requests, faults } = this.options;
    const target = parseTarget(request.url ?? "/");
    const method = request.method ?? "";
    const match = this.router.find(method, target.path);
    const template = match?.route.path;
    requests.count(server.id, method, template ?? "(unknown path)");
    const description = { cluster: server.id, method, path: target.path, template };
    const fault = faults.strike(description);
    await this.applyEarlyFault(fault);
    const open = match !== undefined && publicRoutes.has(`${method} ${match.route.path}`);
    const authid = open ? "" : this.identify(request, fault);
    const parameters = await readParameters(request, target.query);
    if (!match) throw new ApiError(404, `Path '${request.url?.split("?")[0]}' not found.`);
    const { route, pathVariables } = match;
    const reply = await performPbsCall(world, { server, route, pathVariables, parameters, authid, taskFault: taskFaultOf(fault) });
    await faults.onDone(description, reply.data);
    if (fault?.kind === "reset-after-commit") throw new ConnectionReset();
    return reply;
  }

  private identify(request: IncomingMessage, fault: FaultAction | undefined): string {
    if (fault?.kind === "expire-ticket") throw new LoginRefused("ticket expired");
    const { cookie, authorization, csrfpreventiontoken } = request.headers;
    const csrfToken = Array.isArray(csrfpreventiontoken) ? csrfpreventiontoken[0] : csrfpreventiontoken;
    const isRead = (request.method as Method) === "GET";
    return authenticate(this.state, { cookie, authorization, csrfToken }, isRead, this.options.world.clock.nowMs());
  }

  private async applyEarlyFault(fault: FaultAction | undefined): Promise<void> {
    if (fault?.kind === "reset-before") throw new ConnectionReset();
    if (fault?.kind === "delay") await this.options.world.clock.sleep(fault.ms);
    if (fault?.kind === "status") throw new FixedAnswer(fault.code, fault.reason);
    if (fault?.kind === "html") throw new FixedAnswer(200, "OK", "<!DOCTYPE html><html><body>Please log in</body></html>");
  }

  /** Errors are plain text, though the content type says JSON. */
  private async refuse(error: unknown, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { world } = this.options;
    if (error instanceof ConnectionReset) request.socket.destroy();
    else if (error instanceof FixedAnswer && error.html !== undefined)
      response.writeHead(200, { "Content-Type": "text/html" }).end(error.html);
    else if (error instanceof FixedAnswer) send(response, error.status, error.reason, "");
    else if (error instanceof LoginRefused) {
      await world.clock.sleep(refusalDelayMs);
      send(response, 401, "Unauthorized", `authentication failed - ${error.message}`);
    } else {
      const status = error instanceof ApiError ? error.status : error instanceof RequestRefused ? 404 : 400;
      if (status === 401) await world.clock.sleep(refusalDelayMs);
      send(response, status, reasons[status] ?? "Bad Request", error instanceof Error ? error.message : String(error));
    }
  }
}

const reasons: Record<number, string> = { 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found" };

function send(response: ServerResponse, status: number, reason: string, body: string): void {
  if (response.destroyed) return;
  response.writeHead(status, reason, { "Content-Type": "application/json;charset=UTF-8" }).end(body);
}

function taskFaultOf(fault: FaultAction | undefined): TaskFault | undefined {
  if (fault?.kind === "task-hangs") return { kind: "hangs" };
  if (fault?.kind === "task-fails") return { kind: "fails", exitStatus: fault.exitStatus, when: fault.when ?? "before" };
  return undefined;
}
