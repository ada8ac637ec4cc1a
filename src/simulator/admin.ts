/** The simulator's own HTTP API, on loopback: faults, time, proofs. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { adminGuide } from "./admin-guide";
import { listChecksums } from "./checksums";
import { type FaultTable, parseFaultRule } from "./faults";
import { type GuestWrite, writeToDisk } from "./guest-writes";
import type { RequestCounter } from "./requests";
import type { ClusterState } from "./state";
import { listTraffic } from "./traffic";
import { backendUsedBytes } from "./usage";
import type { SimulatorWorld } from "./world";

export interface AdminServices {
  world: SimulatorWorld;
  /** Listeners that open and close as the state asks. */
  servers: readonly { sync(): Promise<void> }[];
  faults: FaultTable;
  requests: RequestCounter;
}

interface AdminRequest {
  query: URLSearchParams;
  body: Record<string, unknown>;
  /** Decoded path segments that the pattern's `*` stand for. */
  names: string[];
}

type Operation = (services: AdminServices, request: AdminRequest) => unknown | Promise<unknown>;

/** Asked for something that is not there: 404. */
class NotFound extends Error {}

const operations: Record<string, Operation> = {
  "GET /requests": ({ requests }) => requests.report(),
  "DELETE /requests": ({ requests }) => requests.reset(),
  "GET /faults": ({ faults }) => faults.list(),
  "POST /faults": ({ faults }, { body }) => faults.add(parseFaultRule(body)),
  "DELETE /faults": ({ faults }) => faults.clear(),
  "GET /clock": ({ world }) => describeClock(world),
  "POST /clock": changeClock,
  "GET /checksums": ({ world }) => listChecksums(world.state),
  "GET /guests": ({ world }) => listGuests(world),
  "POST /guests/*/*/write": writeGuest,
  "GET /events": ({ world }, { query }) => world.events.filter((event) => event.sequence > Number(query.get("after") ?? 0)),
  "GET /tasks": ({ world }) =>
    [...Object.keys(world.state.clusters), ...Object.keys(world.state.backupServers ?? {})].flatMap((id) => world.tasks.listRunning(id)),
  "POST /tasks/*/kill": killTask,
  "GET /traffic": ({ world }, { query }) => listTraffic(world.state).filter(({ startMs }) => startMs >= Number(query.get("since") ?? 0)),
  "POST /nodes/*/*": changeNode,
  "POST /clusters/*": changeCluster,
  "POST /backup-servers/*": changeBackupServer,
  "POST /storages/*/*": fillStorage,
  "GET /state": ({ world }) => ({ ...world.state, nowMs: world.clock.nowMs() }),
};

export class AdminServer {
  private readonly server: Server;

  constructor(private readonly services: AdminServices) {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  get url(): string {
    const address = this.server.address();
    return typeof address === "object" && address ? `http://127.0.0.1:${address.port}` : "";
  }

  /** Port 0: a free one. */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, "127.0.0.1", () => {
        this.server.off("error", reject);
        resolve();
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A web page in a browser on the same machine must not steer the simulator.
    if (request.headers.origin !== undefined || !/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? "")) {
      return reply(response, 403, { error: "only for local programs" });
    }
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (url.pathname === "/" && request.method === "GET") {
      response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" }).end(adminGuide);
      return;
    }
    try {
      const found = findOperation(request.method ?? "", url.pathname);
      if (!found) throw new NotFound(`no ${request.method} ${url.pathname}; GET / lists what there is`);
      const body = await readBody(request);
      reply(response, 200, (await found.operation(this.services, { query: url.searchParams, body, names: found.names })) ?? {});
    } catch (error) {
      reply(response, error instanceof NotFound ? 404 : 400, { error: error instanceof Error ? error.message : String(error) });
    }
  }
}

function findOperation(method: string, path: string): { operation: Operation; names: string[] } | undefined {
  const segments = path.split("/").slice(1).map(decodeURIComponent);
  for (const [key, operation] of Object.entries(operations)) {
    const [wantedMethod, pattern = ""] = key.split(" ");
    const wanted = pattern.split("/").slice(1);
    if (wantedMethod !== method || wanted.length !== segments.length) continue;
    if (!wanted.every((part, index) => part === "*" || part === segments[index])) continue;
    return { operation, names: segments.filter((_, index) => wanted[index] === "*") };
  }
  return undefined;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  if (text === "") return {};
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error("the body must be a JSON object");
  return parsed as Record<string, unknown>;
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

function describeClock(world: SimulatorWorld) {
  const nowMs = world.clock.nowMs();
  return { nowMs, now: new Date(nowMs).toISOString(), timeScale: world.clock.timeScale };
}

async function changeClock({ world }: AdminServices, { body }: AdminRequest) {
  if (body.timeScale !== undefined) world.clock.timeScale = numberOf(body, "timeScale");
  if (body.advanceMs !== undefined) await world.clock.advance(numberOf(body, "advanceMs"));
  if (body.toNextTimer === true) await world.clock.advanceToNextTimer();
  return describeClock(world);
}

function listGuests(world: SimulatorWorld) {
  return Object.values(world.state.clusters).flatMap((cluster) =>
    Object.values(cluster.guests).map((guest) => ({
      cluster: cluster.id,
      vmid: guest.vmid,
      node: guest.node,
      name: guest.config.name,
      running: guest.running,
      template: guest.config.template === "1",
      since: guest.startedAtMs,
      config: guest.config,
    })),
  );
}

function writeGuest({ world }: AdminServices, { names: [clusterId, vmid = ""], body }: AdminRequest) {
  const cluster = getCluster(world, clusterId);
  const guest = cluster.guests[vmid];
  if (!guest) throw new NotFound(`cluster '${cluster.id}' has no VM ${vmid}`);
  const write = { seed: 1, ...body } as unknown as GuestWrite;
  if (typeof write.disk !== "string") throw new Error("'disk' must be a drive key such as scsi0");
  if (typeof write.blocks !== "number" && !Array.isArray(write.blocks)) throw new Error("'blocks' must be a count or a list of indexes");
  const volume = writeToDisk(world, cluster, guest, write);
  return { volname: volume.volname, blockCount: Object.keys(volume.blocks).length };
}

function killTask({ world }: AdminServices, { names: [upid = ""] }: AdminRequest) {
  if (!world.tasks.isRunning(upid)) throw new NotFound(`no running task '${upid}'`);
  world.tasks.kill(upid);
}

async function changeNode({ world, servers }: AdminServices, { names: [clusterId, nodeName = ""], body }: AdminRequest) {
  const cluster = getCluster(world, clusterId);
  const node = cluster.nodes[nodeName];
  if (!node) throw new NotFound(`cluster '${cluster.id}' has no node '${nodeName}'`);
  const status = body.status;
  if (status !== "online" && status !== "offline" && status !== "hanging") throw new Error("'status' must be online, offline or hanging");
  node.status = status;
  world.event("node-status", { cluster: cluster.id, node: nodeName, status });
  if (status === "offline" && body.powerOff === true) powerOff(world, cluster, nodeName);
  await applyStatus(world, servers);
  return node;
}

/** The machine loses power: workers and guests are gone at once, locks in config files stay. */
function powerOff(world: SimulatorWorld, cluster: ClusterState, node: string): void {
  for (const upid of world.tasks.listRunning(cluster.id)) if (cluster.tasks[upid]?.node === node) world.tasks.kill(upid);
  for (const guest of Object.values(cluster.guests)) {
    if (guest.node !== node || !guest.running) continue;
    guest.running = false;
    guest.qmpStatus = "stopped";
    guest.startedAtMs = undefined;
    guest.runningConfig = undefined;
    guest.agentReadyAtMs = undefined;
    world.event("guest-stopped", { cluster: cluster.id, node, vmid: guest.vmid, reason: "power lost" });
  }
}

async function changeCluster({ world, servers }: AdminServices, { names: [clusterId], body }: AdminRequest) {
  const cluster = getCluster(world, clusterId);
  if (body.status !== "up" && body.status !== "down") throw new Error("'status' must be up or down");
  cluster.down = body.status === "down";
  world.event("cluster-status", { cluster: cluster.id, status: body.status });
  await applyStatus(world, servers);
}

async function changeBackupServer({ world, servers }: AdminServices, { names: [id = ""], body }: AdminRequest) {
  const server = world.state.backupServers?.[id];
  if (!server) throw new NotFound(`no backup server '${id}'; there are ${Object.keys(world.state.backupServers ?? {}).join(", ")}`);
  if (body.status !== "up" && body.status !== "down") throw new Error("'status' must be up or down");
  server.down = body.status === "down";
  world.event("backup-server-status", { server: id, status: body.status });
  await applyStatus(world, servers);
}

export async function applyStatus(world: SimulatorWorld, servers: AdminServices["servers"]): Promise<void> {
  world.announceNodeChange();
  world.touch();
  await Promise.all(servers.map((server) => server.sync()));
}

function fillStorage({ world }: AdminServices, { names: [clusterId, storageId = ""], body }: AdminRequest) {
  const cluster = getCluster(world, clusterId);
  const storage = cluster.storages[storageId];
  if (!storage) throw new NotFound(`cluster '${cluster.id}' has no storage '${storageId}'`);
  const node = typeof body.node === "string" ? body.node : (Object.keys(storage.backends)[0] ?? "");
  const backend = world.state.backends[storage.backends[node] ?? storage.backends["*"] ?? ""];
  if (!backend) throw new NotFound(`storage '${storageId}' has no place on node '${node}'`);
  const freeBytes = numberOf(body, "freeBytes");
  backend.reservedBytes = 0;
  backend.reservedBytes = Math.max(0, backend.totalBytes - backendUsedBytes(backend, world.blockBytes) - freeBytes);
  world.touch();
  return { backend: backend.id, reservedBytes: backend.reservedBytes };
}

function getCluster(world: SimulatorWorld, id = ""): ClusterState {
  const cluster = world.state.clusters[id];
  if (!cluster) throw new NotFound(`no cluster '${id}'; there are ${Object.keys(world.state.clusters).join(", ")}`);
  return cluster;
}

function numberOf(body: Record<string, unknown>, key: string): number {
  const value = body[key];
  if (typeof value !== "number" || !(value >= 0)) throw new Error(`'${key}' must be a number of at least 0`);
  return value;
}
