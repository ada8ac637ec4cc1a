/** The archive of a move: written by the source, read by the target, protected in between. */
import type { ProxmoxApi, Volume } from "../proxmox";
import { NotFoundError, TaskFailedError } from "../proxmox";
import { findActiveTask, type GuestRef, type Pace, repeatAfterLostReply, runTask, waitForTask } from "./operations";
import { hasPrivilege } from "./permissions";
import { TransferProgress } from "./progress";
import { type Route, type RouteStore, storeOf } from "./route";

/** Backups of big guests over thin lines: as long as it takes, but not for ever. */
const BACKUP_TIMEOUT_MS = 72 * 3600 * 1000;
export const RESTORE_TIMEOUT_MS = 72 * 3600 * 1000;

/**
 * `final`: of the stopped guest, the one that is restored. `warm`: of the running guest, written so that the store holds most
 * of the data already; never restored, since the guest has written on.
 */
export type ArchiveKind = "final" | "warm";

/** The note by which the archive is found again; unique per move and kind. */
export function archiveNote(moveId: string, kind: ArchiveKind = "final"): string {
  return `proxmox-federation move ${moveId}${kind === "warm" ? " warm" : ""}`;
}

export async function findArchive(
  guest: GuestRef,
  storage: string,
  moveId: string,
  kind: ArchiveKind = "final",
): Promise<Volume | undefined> {
  const volumes = await guest.api.storage.listContent(guest.node, storage, { content: "backup", vmid: guest.vmid });
  // A backup that was started twice after a lost reply leaves two: the newest is complete and holds the same data.
  return volumes
    .filter((volume) => volume.notes?.trim() === archiveNote(moveId, kind))
    .sort((a, b) => (b.createdAtSeconds ?? 0) - (a.createdAtSeconds ?? 0))[0];
}

export interface BackupOptions {
  kind: ArchiveKind;
  /** Limit of the way; obeyed where the token may set it. */
  bitsPerSecond: number | undefined;
  /** For the display: `web-1: backing up`. */
  stage: string;
}

/** Backs the guest up, or finds what an interrupted run has already written. */
export async function ensureArchive(source: GuestRef, route: Route, moveId: string, options: BackupOptions, pace: Pace): Promise<Volume> {
  const { kind, stage } = options;
  const { writeStorage, type } = storeOf(route);
  const running = await findActiveTask(source, "vzdump");
  if (running) await waitForTask(source.api, running, { timeoutMs: BACKUP_TIMEOUT_MS }, pace);
  const existing = await findArchive(source, writeStorage, moveId, kind);
  if (existing) return existing;
  const limit = await backupLimit(source, options.bitsPerSecond);
  const progress = new TransferProgress(stage, pace.nowMs);
  await runTask(
    source,
    {
      type: "vzdump",
      timeoutMs: BACKUP_TIMEOUT_MS,
      isDone: async () => (await findArchive(source, writeStorage, moveId, kind)) !== undefined,
      onLog: (lines) => showProgress(pace, progress.read(lines)),
    },
    pace,
    () =>
      source.api.backup.start(source.node, {
        vmid: source.vmid,
        storage: writeStorage,
        mode: kind === "warm" ? "snapshot" : "stop",
        ...(type === "pbs" ? {} : { compress: route.compression ? "zstd" : "0" }),
        // Neither our own retention nor another cluster's may take it before it is restored (live findings 8, 9).
        remove: 0,
        protected: 1,
        "notes-template": archiveNote(moveId, kind),
        ...limit,
      }),
  );
  const archive = await findArchive(source, writeStorage, moveId, kind);
  if (archive) return archive;
  throw new Error(
    `The backup of vm ${source.vmid} ended, but its archive is not listed on storage ${writeStorage} of ${route.source}. The token needs VM.Backup on the guest and Datastore.AllocateSpace on /storage/${writeStorage} to see it.`,
  );
}

/** KiB/s. Proxmox takes a limit for a backup only from a token with Sys.Modify, for a restore from every one. */
async function backupLimit(source: GuestRef, bitsPerSecond: number | undefined): Promise<{ bwlimit?: number }> {
  if (bitsPerSecond === undefined) return {};
  return hasPrivilege(await source.api.getPermissions(), "/", "Sys.Modify") ? bandwidthLimit(bitsPerSecond) : {};
}

/** As Proxmox takes it: KiB per second; none where nothing is declared. */
export function bandwidthLimit(bitsPerSecond: number | undefined): { bwlimit?: number } {
  return bitsPerSecond === undefined ? {} : { bwlimit: Math.max(1, Math.floor(bitsPerSecond / 8 / 1024)) };
}

export function showProgress(pace: Pace, message: string | undefined): void {
  if (message !== undefined) pace.progress(message);
}

/** A backup server checks its archives now and then: one that it found damaged is good for nothing. */
export function requireSound(archive: Volume): void {
  if (archive.verification === "failed") throw damaged(archive);
}

export function damaged({ volid }: Volume): Error {
  return new Error(
    `Archive ${volid} is damaged: the backup server's verification of it failed. Remove it there, verify the datastore, then run again.`,
  );
}

/** The same archive under the target's storage id. */
export function archiveAtTarget(sourceVolid: string, store: RouteStore): string {
  return `${store.readStorage}:${sourceVolid.slice(sourceVolid.indexOf(":") + 1)}`;
}

/** Proves that the target reads the store the source wrote to. Proxmox hides what a token may not see, so absence has two causes. */
export async function waitUntilVisible(
  target: { api: ProxmoxApi; node: string },
  archive: Volume,
  vmid: number,
  route: Route,
  pace: Pace,
): Promise<string> {
  const store = storeOf(route);
  const volid = archiveAtTarget(archive.volid, store);
  for (let attempt = 1; ; attempt++) {
    const volumes = await target.api.storage.listContent(target.node, store.readStorage, { content: "backup", vmid });
    const seen = volumes.find((volume) => volume.volid === volid);
    if (seen && seen.sizeBytes === archive.sizeBytes) return volid;
    if (attempt === 5)
      throw new Error(
        seen
          ? `Archive ${volid} has ${seen.sizeBytes} bytes on ${route.target} and ${archive.sizeBytes} on ${route.source}: the two storages are not the same store.`
          : `Archive ${volid} is not visible on ${route.target}: either ${store.readStorage} is another store than ${store.writeStorage} of ${route.source}, or the token lacks VM.Backup on /vms/${vmid} or Datastore.AllocateSpace on /storage/${store.readStorage}.`,
      );
    await pace.sleep(500 * attempt);
  }
}

/** Removes every archive of the move; from the source's side, whose token has rights on the guest while it exists. */
export async function removeArchives(source: GuestRef, storage: string, moveId: string, pace: Pace): Promise<void> {
  const ours = [archiveNote(moveId, "final"), archiveNote(moveId, "warm")];
  const volumes = await source.api.storage.listContent(source.node, storage, { content: "backup", vmid: source.vmid });
  for (const volume of volumes) {
    if (!ours.includes(volume.notes?.trim() ?? "")) continue;
    try {
      if (volume.protected)
        await repeatAfterLostReply(pace, () => source.api.storage.setVolumeAttributes(source.node, volume.volid, { protected: false }));
      // Deleting what is gone ends OK (live finding 8), so a repetition is harmless.
      const upid = await repeatAfterLostReply(pace, () => source.api.storage.deleteVolume(source.node, volume.volid));
      if (upid) await waitForTask(source.api, upid, {}, pace);
    } catch (error) {
      if (error instanceof NotFoundError) continue;
      // An interrupted run has asked for the same, and its task was faster.
      if (error instanceof TaskFailedError && !(await source.api.storage.findVolume(source.node, volume.volid))) continue;
      throw error;
    }
  }
}
