/** The archive of a move: written by the source, read by the target, protected in between. */
import type { ProxmoxApi, Volume } from "../proxmox";
import { NotFoundError } from "../proxmox";
import { findActiveTask, type GuestRef, type Pace, repeatAfterLostReply, runTask, waitForTask } from "./operations";
import type { Route } from "./route";

/** Backups of big guests over thin lines: as long as it takes, but not for ever. */
const BACKUP_TIMEOUT_MS = 72 * 3600 * 1000;

/** The note by which the archive is found again; unique per move. */
export function archiveNote(moveId: string): string {
  return `proxmox-federation move ${moveId}`;
}

export async function findArchive(guest: GuestRef, storage: string, moveId: string): Promise<Volume | undefined> {
  const volumes = await guest.api.storage.listContent(guest.node, storage, { content: "backup", vmid: guest.vmid });
  // A backup that was started twice after a lost reply leaves two: the newest is complete and holds the same data.
  return volumes
    .filter((volume) => volume.notes?.trim() === archiveNote(moveId))
    .sort((a, b) => (b.createdAtSeconds ?? 0) - (a.createdAtSeconds ?? 0))[0];
}

/** Backs the stopped guest up, or finds what an interrupted run has already written. */
export async function ensureArchive(source: GuestRef, route: Route, moveId: string, pace: Pace): Promise<Volume> {
  const { writeStorage } = route.store;
  const running = await findActiveTask(source, "vzdump");
  if (running) await waitForTask(source.api, running, { timeoutMs: BACKUP_TIMEOUT_MS }, pace);
  const existing = await findArchive(source, writeStorage, moveId);
  if (existing) return existing;
  await runTask(
    source,
    {
      type: "vzdump",
      timeoutMs: BACKUP_TIMEOUT_MS,
      isDone: async () => (await findArchive(source, writeStorage, moveId)) !== undefined,
      onLog: reportProgress(pace, `vm ${source.vmid}: backing up`),
    },
    pace,
    () =>
      source.api.backup.start(source.node, {
        vmid: source.vmid,
        storage: writeStorage,
        mode: "stop",
        ...(route.store.type === "pbs" ? {} : { compress: route.compression ? "zstd" : "0" }),
        // Neither our own retention nor another cluster's may take it before it is restored (live findings 8, 9).
        remove: 0,
        protected: 1,
        "notes-template": archiveNote(moveId),
      }),
  );
  const archive = await findArchive(source, writeStorage, moveId);
  if (archive) return archive;
  throw new Error(
    `The backup of vm ${source.vmid} ended, but its archive is not listed on storage ${writeStorage} of ${route.source}. The token needs VM.Backup on the guest and Datastore.AllocateSpace on /storage/${writeStorage} to see it.`,
  );
}

/** The same archive under the target's storage id. */
export function archiveAtTarget(sourceVolid: string, route: Route): string {
  return `${route.store.readStorage}:${sourceVolid.slice(sourceVolid.indexOf(":") + 1)}`;
}

/** Proves that the target reads the store the source wrote to. Proxmox hides what a token may not see, so absence has two causes. */
export async function waitUntilVisible(
  target: { api: ProxmoxApi; node: string },
  archive: Volume,
  vmid: number,
  route: Route,
  pace: Pace,
): Promise<string> {
  const volid = archiveAtTarget(archive.volid, route);
  for (let attempt = 1; ; attempt++) {
    const volumes = await target.api.storage.listContent(target.node, route.store.readStorage, { content: "backup", vmid });
    const seen = volumes.find((volume) => volume.volid === volid);
    if (seen && seen.sizeBytes === archive.sizeBytes) return volid;
    if (attempt === 5)
      throw new Error(
        seen
          ? `Archive ${volid} has ${seen.sizeBytes} bytes on ${route.target} and ${archive.sizeBytes} on ${route.source}: the two storages are not the same store.`
          : `Archive ${volid} is not visible on ${route.target}: either ${route.store.readStorage} is another store than ${route.store.writeStorage} of ${route.source}, or the token lacks VM.Backup on /vms/${vmid} or Datastore.AllocateSpace on /storage/${route.store.readStorage}.`,
      );
    await pace.sleep(500 * attempt);
  }
}

/** Removes every archive of the move; from the source's side, whose token has rights on the guest while it exists. */
export async function removeArchives(source: GuestRef, storage: string, moveId: string, pace: Pace): Promise<void> {
  const volumes = await source.api.storage.listContent(source.node, storage, { content: "backup", vmid: source.vmid });
  for (const volume of volumes) {
    if (volume.notes?.trim() !== archiveNote(moveId)) continue;
    try {
      if (volume.protected)
        await repeatAfterLostReply(pace, () => source.api.storage.setVolumeAttributes(source.node, volume.volid, { protected: false }));
      // Deleting what is gone ends OK (live finding 8), so a repetition is harmless.
      const upid = await repeatAfterLostReply(pace, () => source.api.storage.deleteVolume(source.node, volume.volid));
      if (upid) await waitForTask(source.api, upid, {}, pace);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}

/** Turns vzdump's and restore's progress lines into one message per tenth. */
export function reportProgress(pace: Pace, what: string): (lines: string[]) => void {
  let lastTenth = 0;
  return (lines) => {
    for (const line of lines) {
      const percent = /(?:^|\s|\()(\d{1,3})%/.exec(line)?.[1];
      if (percent === undefined) continue;
      const tenth = Math.floor(Number(percent) / 10);
      if (tenth <= lastTenth) continue;
      lastTenth = tenth;
      pace.progress(`${what}: ${tenth * 10} %`);
    }
  };
}
