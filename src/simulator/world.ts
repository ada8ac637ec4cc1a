/** The running simulator behind the HTTP servers: state, time, locks, workers, events. */
import { Bandwidth } from "./bandwidth";
import { VirtualClock } from "./clock";
import { InternalCalls } from "./internal-calls";
import type { ClusterState, FederationState, World } from "./kernel";
import { LockTable } from "./locks";
import { linkBytesPerSecond } from "./network";
import { type BackupServerState, backupServerHost } from "./pbs/state";
import { PeerNetwork } from "./peers";
import { RandomSource } from "./random";
import { endOrphanedTasks, TaskRunner } from "./tasks";

/** Events kept for the admin API. */
const rememberedEvents = 10_000;

export interface SimulatorEvent {
  sequence: number;
  atMs: number;
  kind: string;
  detail: Record<string, unknown>;
}

export interface WorldOptions {
  state: FederationState;
  timeScale?: number;
  blockBytes?: number;
  /** State has changed. */
  onTouch?: () => void;
}

export class SimulatorWorld implements World {
  readonly state: FederationState;
  readonly clock: VirtualClock;
  readonly blockBytes: number;
  readonly locks: LockTable;
  readonly bandwidth: Bandwidth;
  readonly tasks: TaskRunner;
  readonly peers: PeerNetwork;
  readonly internalCalls: InternalCalls;
  readonly events: SimulatorEvent[] = [];
  /** API requests that have arrived and are not answered yet: when time stands still, they wait for it. */
  requestsInProgress = 0;
  private readonly random: RandomSource;
  private readonly onTouch: () => void;
  private nextSequence = 1;
  private statusWaiters: (() => void)[] = [];
  private readonly backupServerPorts = new Map<string, number>();

  constructor(options: WorldOptions) {
    this.state = options.state;
    this.blockBytes = options.blockBytes ?? 4 * 1024 * 1024;
    this.onTouch = options.onTouch ?? (() => {});
    this.clock = new VirtualClock({ startMs: this.state.nowMs, timeScale: options.timeScale });
    this.random = new RandomSource(this.state.seed);
    this.locks = new LockTable(this.clock);
    this.bandwidth = new Bandwidth(this.clock, (resource) => this.capacity(resource));
    this.tasks = new TaskRunner(this);
    this.peers = new PeerNetwork(this);
    this.internalCalls = new InternalCalls(this);
    for (const cluster of Object.values(this.state.clusters)) endOrphanedTasks(cluster, this.state.nowMs);
    for (const server of Object.values(this.state.backupServers ?? {})) endOrphanedTasks(server, this.state.nowMs);
  }

  randomHex(digits: number): string {
    const text = this.random.hex(digits);
    this.state.seed = this.random.state;
    return text;
  }

  async withGuestLock<T>(cluster: ClusterState, vmid: number, work: () => Promise<T> | T): Promise<T> {
    const release = await this.holdGuestLock(cluster, vmid);
    try {
      return await work();
    } finally {
      release();
    }
  }

  holdGuestLock(cluster: ClusterState, vmid: number): Promise<() => void> {
    return this.locks.holdGuestLock(cluster.id, vmid);
  }

  async withNodeLock<T>(cluster: ClusterState, node: string, name: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
    const release = await this.locks.holdNodeLock(cluster.id, node, name, onWait);
    try {
      return await work();
    } finally {
      release();
    }
  }

  event(kind: string, detail: Record<string, unknown>): void {
    this.events.push({ sequence: this.nextSequence++, atMs: this.clock.nowMs(), kind, detail });
    if (this.events.length > rememberedEvents) this.events.shift();
  }

  /** A backup server's listener got its port, or lost it. Storages and remotes name it by `127.0.0.1` or its id. */
  placeBackupServer(id: string, port: number | undefined): void {
    if (port === undefined) this.backupServerPorts.delete(id);
    else this.backupServerPorts.set(id, port);
  }

  /** Who answers at an address; `undefined`: nobody. */
  backupServerAt(host: string, port: number): BackupServerState | undefined {
    const loopback = host === "127.0.0.1" || host === "localhost";
    return Object.values(this.state.backupServers ?? {}).find(({ id }) =>
      loopback ? this.backupServerPorts.get(id) === port : host === id || host === backupServerHost(id),
    );
  }

  /** Resolves when some node's or cluster's status changes. */
  nodesChanged(): Promise<void> {
    return new Promise((resolve) => this.statusWaiters.push(resolve));
  }

  /** To be called after the status of a node or cluster was changed. */
  announceNodeChange(): void {
    const waiters = this.statusWaiters;
    this.statusWaiters = [];
    for (const resolve of waiters) resolve();
  }

  touch(): void {
    this.state.nowMs = this.clock.nowMs();
    this.onTouch();
  }

  private capacity(resource: string): number {
    const [kind, id = ""] = splitOnce(resource);
    if (kind === "backend") return this.state.backends[id]?.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    return kind === "link" ? linkBytesPerSecond(this.state, id) : Number.POSITIVE_INFINITY;
  }
}

function splitOnce(resource: string): [string, string] {
  const colon = resource.indexOf(":");
  return colon < 0 ? [resource, ""] : [resource.slice(0, colon), resource.slice(colon + 1)];
}
