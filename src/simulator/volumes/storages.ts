/** Finding storages and the physical places behind them. */
import type { BackendState, ClusterState, StorageState } from "../kernel";
import { linksBetween } from "../network";
import { findBackupServerOf } from "../pbs/layout";
import { fail, type Place } from "./calls";
import { storageDirectory, traitsOf } from "./types";

/** Throws `storage '…' does not exist`. */
export function getStorage(cluster: ClusterState, id: string): StorageState {
  return cluster.storages[id] ?? fail(`storage '${id}' does not exist`);
}

export function isOnNode(storage: StorageState, node: string): boolean {
  return storage.nodes === undefined || storage.nodes.length === 0 || storage.nodes.includes(node);
}

/** A storage that the node may use; throws when it is absent, disabled or restricted to other nodes. */
export function getUsableStorage(place: Place, id: string): StorageState {
  const storage = getStorage(place.cluster, id);
  if (storage.disabled) fail(`storage '${id}' is disabled`);
  if (!isOnNode(storage, place.node)) fail(`storage '${id}' is not available on node '${place.node}'`);
  return storage;
}

export function isUsable(storage: StorageState, node: string): boolean {
  return !storage.disabled && isOnNode(storage, node);
}

/** The place where a storage's bytes are for this node; `undefined` when nothing is mounted there or its server is down. */
export function findBackend(place: Place, storage: StorageState): BackendState | undefined {
  const id = storage.backends[place.node] ?? storage.backends["*"];
  const backend = id === undefined ? undefined : place.world.state.backends[id];
  return backend && isReachable(place, backend) ? backend : undefined;
}

/** Like {@link findBackend}; throws as Proxmox does when it cannot activate a storage. */
export function getBackend(place: Place, storage: StorageState): BackendState {
  const backend = findBackend(place, storage);
  if (backend) return backend;
  if (storage.type === "dir") {
    const reason = `directory is expected to be a mount point but is not mounted: '${storageDirectory(storage)}'`;
    return fail(`unable to activate storage '${storage.storage}' - ${reason}`);
  }
  if (storage.type === "pbs")
    return fail(`${storage.storage}: error fetching datastores - 500 Can't connect to ${storage.options.server}:8007`);
  return fail(`storage '${storage.storage}' is not online`);
}

function isReachable({ world }: Place, backend: BackendState): boolean {
  return backend.kind !== "pbs" || !findBackupServerOf(world.state, backend.id)?.server.down;
}

/** Shared resources that bytes to or from this storage pass. */
export function resourcesOf(place: Place, storage: StorageState): string[] {
  const backend = getBackend(place, storage);
  if (!traitsOf(storage).remote) return [`backend:${backend.id}`];
  return [`backend:${backend.id}`, ...linksBetween(place.world.state, place.cluster.id, backend.site)];
}
