/** What one self-test may use, and the federation as its test VMs see it. Pure. */
import type { Cluster, Federation } from "../../config";
import type { Identity } from "../../migration";
import { UsageError } from "../failure";

export interface Settings {
  /** Clusters that are tested, in the order of the file. */
  clusters: string[];
  /** Clusters that test VMs of any run may come from: all of the file. */
  origins: string[];
  /** Proxmox pool of the test VMs. */
  pool: string;
  /** Absent: each cluster's own range, else Proxmox's next free one. */
  vmidRange?: { first: number; last: number };
  /** Cluster → storage of the test disks. */
  storages: Map<string, string>;
  /** Bridge or logical network; absent: no network card. */
  network?: string;
}

export interface SettingsOptions {
  pool: string;
  cluster: readonly string[];
  vmidRange?: { first: number; last: number };
  /** `nvme`, or `cluster=nvme`. */
  storage: readonly string[];
  bridge?: string;
}

/** @throws UsageError for clusters and storages that cannot be used */
export function settingsOf(federation: Federation, options: SettingsOptions): Settings {
  const known = federation.clusters.map(({ id }) => id);
  const unknown = options.cluster.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new UsageError(`there is no cluster ${unknown} in the federation file (known: ${known.join(", ")}).`);
  const chosen = federation.clusters.filter(({ id, ...cluster }) =>
    options.cluster.length > 0 ? options.cluster.includes(id) : isTestable({ id, ...cluster }),
  );
  const idle = chosen.find((cluster) => !isTestable(cluster));
  if (idle !== undefined) throw new UsageError(`cluster ${idle.id} cannot be tested: ${whyUntestable(idle)}.`);
  if (chosen.length === 0) throw new UsageError("the federation file has no active cluster with a connection: nothing can be tested.");
  return {
    clusters: chosen.map(({ id }) => id),
    origins: known,
    pool: options.pool,
    vmidRange: options.vmidRange,
    storages: new Map(chosen.map((cluster) => [cluster.id, storageOf(cluster, options.storage, known)])),
    network: options.bridge,
  };
}

function isTestable({ status, connection }: Cluster): boolean {
  return status === "active" && connection !== undefined;
}

function whyUntestable({ status, connection }: Cluster): string {
  return connection === undefined ? "it has no connection in the federation file" : `it is declared ${status}`;
}

function storageOf(cluster: Cluster, given: readonly string[], known: readonly string[]): string {
  const named = given.map((text) => {
    const cut = text.indexOf("=");
    return cut === -1 ? { storage: text } : { cluster: text.slice(0, cut), storage: text.slice(cut + 1) };
  });
  const stray = named.find((entry) => entry.storage === "" || (entry.cluster !== undefined && !known.includes(entry.cluster)));
  if (stray !== undefined)
    throw new UsageError(`--storage ${stray.cluster}=${stray.storage}: give a storage, or one per cluster as CLUSTER=STORAGE.`);
  const own = named.find((entry) => entry.cluster === cluster.id) ?? named.find((entry) => entry.cluster === undefined);
  const storage = own?.storage ?? cluster.storage.primary;
  if (storage === undefined)
    throw new UsageError(`cluster ${cluster.id} declares no primary storage: name one with --storage ${cluster.id}=STORAGE.`);
  return storage;
}

/**
 * The tested clusters alone, with the test's storage and vmids. Windows, limits, kept sources and the audit log are those of
 * real moves and do not hold for these.
 */
export function testFederation(federation: Federation, settings: Settings): Federation {
  const { window: _window, keepSourceMs: _keep, auditLog: _log, ...migration } = federation.migration;
  return {
    ...federation,
    clusters: federation.clusters.filter(({ id }) => settings.clusters.includes(id)).map((cluster) => testCluster(cluster, settings)),
    resourcePools: [],
    defaultPool: undefined,
    migration: {
      ...migration,
      paths: migration.paths.map(({ window: _own, keepSourceMs: _kept, ...path }) => path),
      // The test VM has no backup of its own, and needs none.
      preMigrationChecks: migration.preMigrationChecks.filter((check) => check !== "ensure_backup_exists"),
    },
  };
}

function testCluster(cluster: Cluster, { storages, vmidRange, network }: Settings): Cluster {
  const { bridges, networks } = cluster.network;
  const isBridge = network !== undefined && networks[network] === undefined && !bridges.includes(network);
  return {
    ...cluster,
    storage: { ...cluster.storage, primary: storages.get(cluster.id) },
    network: { ...cluster.network, bridges: isBridge ? [...bridges, network] : bridges },
    ...(vmidRange === undefined ? {} : { vmidRange }),
  };
}

/** One test VM per cluster that it is made on. */
export function testIdentity(federation: Pick<Federation, "name">, { pool }: Pick<Settings, "pool">, cluster: string): Identity {
  return { federation: federation.name, stack: testStackName(pool), kind: "vm", name: `selftest-${cluster}` };
}

/** Stack in the marks of the test VMs; the pool is part of it, so that tests in two pools do not meet. */
export function testStackName(pool: string): string {
  return `federate-selftest/${pool}`;
}
