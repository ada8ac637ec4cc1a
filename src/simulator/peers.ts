/**
 * The network between clusters, as the API client on a node sees it: who answers at an address, and
 * the tunnels that migrations open. Only simulated clusters can be reached.
 */
import { AuthenticationRefused, authenticate } from "./authentication";
import { ProxyError } from "./calls";
import type { MigrationTunnel } from "./guests/remote/tunnel";
import { ApiError, type ClusterState, type Method } from "./kernel";
import type { SimulatorWorld } from "./world";

export interface PeerAddress {
  host: string;
  port: number;
  /** Value of the header `Authorization`. */
  apitoken: string;
  /** The certificate's; the simulated ones are signed by themselves, so without one nobody is trusted. */
  fingerprint?: string;
}

/** What an operation sees of the network. */
export interface Peers {
  /** Data of the answer. Throws an Error with the text that Proxmox's own API client dies with. */
  request(from: Listener, address: PeerAddress, call: PeerCall): Promise<unknown>;
  /** Lets a call that opened a tunnel be followed by the connection to it. */
  offerTunnel(ticket: string, tunnel: MigrationTunnel): void;
  /** The tunnel of a ticket, once. */
  takeTunnel(ticket: string): MigrationTunnel | undefined;
}

export interface PeerCall {
  method: Method;
  path: string;
  params?: Record<string, unknown>;
}

/** A node with its API. */
export interface Listener {
  cluster: ClusterState;
  node: string;
}

const defaultPort = 8006;
/** What a connection attempt to a host that is off takes. */
const noRouteMs = 3_000;
const refusalDelayMs = 3_000;
/** How long the API client waits for an answer. */
const readTimeoutMs = 60_000;

export class PeerNetwork implements Peers {
  /** `host:port` of the servers of this process. */
  private readonly listeners = new Map<string, Listener>();
  private readonly tunnels = new Map<string, MigrationTunnel>();

  constructor(private readonly world: SimulatorWorld) {}

  /** A node's server listens on a port of the loopback. */
  announce(port: number, listener: Listener): void {
    for (const host of ["127.0.0.1", "localhost"]) this.listeners.set(`${host}:${port}`, listener);
  }

  withdraw(port: number): void {
    for (const host of ["127.0.0.1", "localhost"]) this.listeners.delete(`${host}:${port}`);
  }

  async request(from: Listener, address: PeerAddress, { method, path, params }: PeerCall): Promise<unknown> {
    const { cluster, node } = await this.connect(from, address);
    if (cluster.nodes[node]?.status === "hanging") {
      await this.world.clock.sleep(readTimeoutMs);
      throw new Error("500 read timeout");
    }
    const fingerprint = cluster.fingerprint ?? "";
    if (address.fingerprint?.toUpperCase() !== fingerprint) throw new Error(`fingerprint '${fingerprint}' not verified, abort!`);
    try {
      const user = authenticate(cluster, { authorization: address.apitoken }, method === "GET", this.world.clock.nowMs());
      return (await this.world.internalCalls.perform({ cluster, node, method, path, params, user })).data;
    } catch (error) {
      if (error instanceof AuthenticationRefused) await this.world.clock.sleep(refusalDelayMs);
      throw new Error(clientErrorText(error), { cause: error });
    }
  }

  offerTunnel(ticket: string, tunnel: MigrationTunnel): void {
    this.tunnels.set(ticket, tunnel);
  }

  takeTunnel(ticket: string): MigrationTunnel | undefined {
    const tunnel = this.tunnels.get(ticket);
    this.tunnels.delete(ticket);
    if (tunnel) {
      tunnel.connect();
      void this.watch(tunnel);
    }
    return tunnel;
  }

  /** A node that goes away takes its tunnels with it. */
  private async watch(tunnel: MigrationTunnel): Promise<void> {
    while (!tunnel.broken.aborted && tunnel.isReachable) await this.world.nodesChanged();
    if (!tunnel.broken.aborted) tunnel.cut();
  }

  private async connect(from: Listener, { host, port }: PeerAddress): Promise<Listener> {
    const listening = this.listeners.get(`${host}:${port}`);
    if (listening) return listening;
    const failure = (reason: string) => new Error(`500 Can't connect to ${host}:${port} (${reason})`);
    if (host === "127.0.0.1" || host === "localhost") {
      // On a real node the loopback is the node itself.
      if (port === defaultPort) return from;
      throw failure("Connection refused");
    }
    for (const cluster of Object.values(this.world.state.clusters)) {
      const node = Object.values(cluster.nodes).find(({ ip }) => ip === host);
      if (!node) continue;
      if (port !== defaultPort) throw failure("Connection refused");
      if (!cluster.down && node.status === "online") return { cluster, node: node.name };
      await this.world.clock.sleep(noRouteMs);
      throw failure("No route to host");
    }
    if (!/^[\d.:a-fA-F]+$/.test(host)) throw failure("Name or service not known");
    await this.world.clock.sleep(noRouteMs);
    throw failure("No route to host");
  }
}

/** An error answer as the API client throws it: status, reason, one line per bad parameter. */
function clientErrorText(error: unknown): string {
  const status =
    error instanceof ApiError || error instanceof ProxyError ? error.status : error instanceof AuthenticationRefused ? 401 : 500;
  const message = (error instanceof Error ? error.message : String(error)).trimEnd();
  const errors = error instanceof ApiError ? Object.entries(error.errors ?? {}) : [];
  return [`${status} ${message}`, ...errors.map(([key, text]) => `${key}: ${text.trimEnd()}`)].join("\n");
}
