/** Backup groups and snapshots of a datastore: how the volumes of a backend look from the server's side. */

import { snapshotFiles } from "../guests/archive";
import { ApiError } from "../kernel";
import type { VolumeState } from "../state";
import type { Datastore } from "./calls";

export interface GroupId {
  ns: string;
  type: string;
  id: string;
}

export interface SnapshotId extends GroupId {
  timeSeconds: number;
}

export interface Snapshot extends SnapshotId {
  /** The volume's key in the backend. */
  key: string;
  volume: VolumeState;
}

const keyPattern = /^([^:]*):([^/]+)\/([^/]+)\/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/;

/** All finished snapshots, by namespace, group and time. */
export function listSnapshots({ backend }: Datastore): Snapshot[] {
  const found = Object.entries(backend.volumes).flatMap(([key, volume]): Snapshot[] => {
    const [whole, ns = "", type = "", id = "", time = ""] = keyPattern.exec(key) ?? [];
    return whole === undefined || !volume.archive ? [] : [{ ns, type, id, timeSeconds: Date.parse(time) / 1000, key, volume }];
  });
  return found.sort((a, b) => compare(a.ns, b.ns) || compare(a.type, b.type) || compare(a.id, b.id) || a.timeSeconds - b.timeSeconds);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function ofGroup(snapshots: readonly Snapshot[], group: GroupId): Snapshot[] {
  return snapshots.filter(({ ns, type, id }) => ns === group.ns && type === group.type && id === group.id);
}

/** Groups of a namespace in order, each once. */
export function groupsOf(snapshots: readonly Snapshot[]): GroupId[] {
  const groups = new Map<string, GroupId>();
  for (const { ns, type, id } of snapshots) groups.set(groupKey({ ns, type, id }), { ns, type, id });
  return [...groups.values()];
}

export function groupKey({ ns, type, id }: GroupId): string {
  return `${ns}:${type}/${id}`;
}

export function snapshotName({ type, id, timeSeconds }: Omit<SnapshotId, "ns">): string {
  return `${type}/${id}/${formatTime(timeSeconds)}`;
}

export function snapshotKey(snapshot: SnapshotId): string {
  return `${snapshot.ns}:${snapshotName(snapshot)}`;
}

export function formatTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** Throws 400 as opening the directory of a snapshot that is not there fails. */
export function getSnapshot(datastore: Datastore, id: SnapshotId): Snapshot {
  const volume = datastore.backend.volumes[snapshotKey(id)];
  if (!volume?.archive) {
    const namespace =
      id.ns === ""
        ? ""
        : `${id.ns
            .split("/")
            .map((part) => `ns/${part}`)
            .join("/")}/`;
    const directory = `/mnt/datastore/${datastore.name}/${namespace}${snapshotName(id)}`;
    throw new ApiError(400, `unable to open snapshot directory "${directory}" for locking - ENOENT: No such file or directory`);
  }
  return { ...id, key: snapshotKey(id), volume };
}

export function ownerOf(datastore: Datastore, group: GroupId): string {
  return datastore.state.owners[groupKey(group)] ?? "root@pam";
}

/** As lists show it. */
export function snapshotRow(datastore: Datastore, snapshot: Snapshot): Record<string, unknown> {
  const { volume } = snapshot;
  const { keyFingerprint } = volume.archive!;
  return {
    "backup-type": snapshot.type,
    "backup-id": snapshot.id,
    "backup-time": snapshot.timeSeconds,
    files: snapshotFiles(volume.archive!).map(({ filename, sizeBytes, cryptMode }) => ({
      filename,
      size: sizeBytes,
      "crypt-mode": cryptMode,
    })),
    size: volume.sizeBytes,
    owner: ownerOf(datastore, snapshot),
    protected: volume.protected,
    ...(volume.notes === undefined ? {} : { comment: volume.notes.split("\n")[0] }),
    ...(volume.verification ? { verification: volume.verification } : {}),
    ...(keyFingerprint === undefined ? {} : { fingerprint: keyFingerprint }),
  };
}

/** Throws 400 for a protected one. */
export function removeSnapshot(datastore: Datastore, snapshot: Snapshot): void {
  if (snapshot.volume.protected) throw new ApiError(400, "cannot remove protected snapshot");
  delete datastore.backend.volumes[snapshot.key];
}

/** Does the namespace exist? The root always does. */
export function hasNamespace({ state }: Datastore, ns: string): boolean {
  return ns === "" || state.namespaces.includes(ns);
}

/** Throws 404 for a namespace that is not there. */
export function requireNamespace(datastore: Datastore, ns: string): void {
  if (!hasNamespace(datastore, ns)) throw new ApiError(400, `namespace '${ns}' not found`);
}
