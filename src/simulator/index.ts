/** Simulated Proxmox VE clusters in one process: HTTPS on loopback, virtual time, state on disk. */
import { AdminServer, applyStatus } from "./admin";
import { startBroadcasts } from "./broadcast";
import { type ClusterCertificate, createCertificate, describeCertificate, fingerprintOf } from "./certificate";
import { startUsageHistory } from "./cluster/usage-history";
import { FaultTable } from "./faults";
import { startHaManagers } from "./ha";
import { startSchedulers } from "./jobs/scheduler";
import { buildFederationState, type SimulatedLayout } from "./layout";
import { BackupServer } from "./pbs/server";
import { loadSimulator, type SavedSimulator, Saver } from "./persistence";
import { startReplication } from "./replication";
import { RequestCounter } from "./requests";
import { Router } from "./router";
import { routesOf } from "./routes";
import { NodeServer } from "./server";
import type { ClusterState, Era, FederationState } from "./state";
import { SimulatorWorld } from "./world";

export type { ActiveFault, CallDescription, FaultAction, FaultRule } from "./faults";
export { layoutFromFederation, simulatedBackupServerId } from "./from-federation";
export type * from "./layout";
export { type ProvisionerOptions, provisionerAcl, provisionerRoles } from "./provisioner";
export { smallLayout, smallLayoutToken } from "./small-layout";
export type { Era, FederationState } from "./state";
export type { SimulatorEvent, SimulatorWorld } from "./world";

export interface SimulatorOptions {
  /** What there is when no state was saved before. */
  layout: SimulatedLayout;
  /** Goes on from here instead of from the layout; the object is taken over and changed. For tests that begin often. */
  resume?: SavedSimulator;
  /** State is kept here and read from here at the next start. Absent: in memory only. */
  stateDir?: string;
  /** Admin API on this port, the nodes on the following ones, then the backup servers. Absent: free ports. */
  portBase?: number;
  /** Virtual time every request takes at least. Default 0. */
  latencyMs?: number;
  /** Virtual ms per real ms; 0 = time moves only through the admin API. Default 1. */
  timeScale?: number;
  /** For everything random-looking except secrets. Default 1. */
  seed?: number;
  /** Virtual time at the first start. Default: now. */
  startMs?: number;
  /** Bytes per block of simulated disks. Default 4 MiB. */
  blockBytes?: number;
}

export interface SimulatedCluster {
  id: string;
  era: Era;
  endpoints: { node: string; url: string }[];
  /** SHA-256 of the certificate, `AA:BB:…`. */
  fingerprint: string;
  /** The first token; absent when the cluster has none. */
  token?: { id: string; secret: string };
  rootPassword: string;
  /** All tokens → secret, all users with a password → password. */
  tokens: Record<string, string>;
  passwords: Record<string, string>;
}

export interface SimulatedBackupServer {
  id: string;
  url: string;
  /** SHA-256 of the certificate, `AA:BB:…`. */
  fingerprint: string;
  datastores: string[];
  /** All tokens → secret, all users with a password → password. */
  tokens: Record<string, string>;
  passwords: Record<string, string>;
}

export interface Simulator {
  clusters: SimulatedCluster[];
  backupServers: SimulatedBackupServer[];
  /** Plain HTTP; `GET /` explains it. */
  adminUrl: string;
  /** The state and services behind the servers, for tests in the same process. */
  world: SimulatorWorld;
  /** As behind the admin API's `/faults`, for tests in the same process. */
  faults: FaultTable;
  /** To be called after the state of a node, cluster or backup server was changed by hand: listeners open and close. */
  applyStatus(): Promise<void>;
  /** Saves and ends everything the simulator started. */
  stop(): Promise<void>;
}

const defaultBlockBytes = 4 * 1024 * 1024;

/** Starts all servers; resolves when they listen. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const blockBytes = options.blockBytes ?? defaultBlockBytes;
  const saved = options.resume ?? (options.stateDir === undefined ? undefined : await loadSimulator(options.stateDir));
  const state =
    saved?.state ?? buildFederationState(options.layout, { nowMs: options.startMs ?? Date.now(), seed: options.seed ?? 1, blockBytes });
  const certificates = { ...saved?.certificates, ...(await createMissingCertificates(state, saved?.certificates ?? {})) };
  let saver: Saver | undefined;
  const world: SimulatorWorld = new SimulatorWorld({ state, timeScale: options.timeScale, blockBytes, onTouch: () => saver?.schedule() });
  if (options.stateDir !== undefined) {
    const snapshot = () => ({ format: 1 as const, state: { ...state, nowMs: world.clock.nowMs() }, certificates });
    saver = new Saver(options.stateDir, snapshot, (error) => world.event("internal-error", { message: String(error) }));
  }
  const stopBroadcasts = startBroadcasts(world);
  const stopDaemons = [startUsageHistory, startSchedulers, startHaManagers, startReplication].map((start) => start(world));
  const faults = new FaultTable();
  const requests = new RequestCounter();
  const nodes = createServers(world, { options, certificates, faults, requests });
  const backupServers = createBackupServers(world, { options, certificates, faults, requests }, nodes.length);
  const servers = [...nodes, ...backupServers];
  const admin = new AdminServer({ world, servers, faults, requests });
  try {
    for (const server of servers) await server.sync();
    await admin.listen(options.portBase ?? 0);
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()));
    world.clock.stop();
    throw error;
  }
  await saver?.save();
  return {
    clusters: Object.values(state.clusters).map((cluster) => describe(cluster, nodes)),
    backupServers: backupServers.map(describeBackupServer),
    adminUrl: admin.url,
    world,
    faults,
    applyStatus: () => applyStatus(world, servers),
    stop: async () => {
      await Promise.all([admin.close(), ...servers.map((server) => server.close())]);
      stopBroadcasts();
      for (const stop of stopDaemons) stop();
      world.tasks.killAll();
      await saver?.save();
      world.clock.stop();
    },
  };
}

async function createMissingCertificates(
  state: FederationState,
  present: Record<string, ClusterCertificate>,
): Promise<Record<string, ClusterCertificate>> {
  const owners = { ...state.clusters, ...state.backupServers };
  const missing = Object.keys(owners).filter((id) => !present[id]);
  const created = await Promise.all(missing.map(async (id) => [id, await createCertificate(id, Date.now())] as const));
  const certificates = { ...present, ...Object.fromEntries(created) };
  for (const [id, owner] of Object.entries(owners)) owner.fingerprint = fingerprintOf(certificates[id]!);
  for (const [id, cluster] of Object.entries(state.clusters)) cluster.certificate = describeCertificate(certificates[id]!);
  return certificates;
}

interface ServerServices {
  options: SimulatorOptions;
  certificates: Record<string, ClusterCertificate>;
  faults: FaultTable;
  requests: RequestCounter;
}

function createBackupServers(world: SimulatorWorld, services: ServerServices, nodeCount: number): BackupServer[] {
  const { options, certificates, faults, requests } = services;
  return Object.values(world.state.backupServers ?? {}).map(
    (server, index) =>
      new BackupServer({
        world,
        server,
        faults,
        requests,
        certificate: certificates[server.id]!,
        port: options.portBase === undefined ? 0 : options.portBase + 1 + nodeCount + index,
        latencyMs: options.latencyMs ?? 0,
      }),
  );
}

function describeBackupServer({ state, url }: BackupServer): SimulatedBackupServer {
  const { tokens, users } = state.access;
  return {
    id: state.id,
    url,
    fingerprint: state.fingerprint ?? "",
    datastores: Object.keys(state.datastores),
    tokens: Object.fromEntries(Object.entries(tokens).map(([id, { secret }]) => [id, secret])),
    passwords: Object.fromEntries(Object.entries(users).flatMap(([id, { password }]) => (password ? [[id, password]] : []))),
  };
}

function createServers(world: SimulatorWorld, services: ServerServices): NodeServer[] {
  const { options, certificates, faults, requests } = services;
  const routers: Record<Era, Router> = { "8.4": new Router(routesOf("8.4")), "9.2": new Router(routesOf("9.2")) };
  const places = Object.values(world.state.clusters).flatMap((cluster) => Object.keys(cluster.nodes).map((node) => ({ cluster, node })));
  return places.map(
    ({ cluster, node }, index) =>
      new NodeServer({
        world,
        cluster,
        node,
        router: routers[cluster.era],
        faults,
        requests,
        certificate: certificates[cluster.id]!,
        port: options.portBase === undefined ? 0 : options.portBase + 1 + index,
        latencyMs: options.latencyMs ?? 0,
      }),
  );
}

function describe(cluster: ClusterState, servers: readonly NodeServer[]): SimulatedCluster {
  const token = Object.entries(cluster.access.tokens)[0];
  return {
    id: cluster.id,
    era: cluster.era,
    endpoints: servers.filter((server) => server.cluster === cluster).map((server) => ({ node: server.node, url: server.url })),
    fingerprint: cluster.fingerprint ?? "",
    ...(token ? { token: { id: token[0], secret: token[1].secret } } : {}),
    rootPassword: cluster.access.users["root@pam"]?.password ?? "",
    tokens: Object.fromEntries(Object.entries(cluster.access.tokens).map(([id, { secret }]) => [id, secret])),
    passwords: Object.fromEntries(
      Object.entries(cluster.access.users).flatMap(([id, user]) => (user.password ? [[id, user.password]] : [])),
    ),
  };
}
