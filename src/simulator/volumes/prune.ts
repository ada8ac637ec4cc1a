/** Pruning archives by a storage's retention, as a call and as vzdump does it after a backup. */
import type { Call, Route, StorageState } from "../kernel";
import { integerParameter, type Place, placeOf, textParameter } from "./calls";
import { markForPruning, type PruneMark, parseRetention, type Retention, retentionFormat } from "./retention";
import { nodeRule, onStorage, optional, storageRule, vmidRule } from "./rules";
import { getUsableStorage } from "./storages";
import { freeVolume, listVolumes } from "./volumes";

const path = "/nodes/{node}/storage/{storage}/prunebackups";
const parameters = {
  node: nodeRule,
  storage: storageRule,
  vmid: optional(vmidRule),
  type: { type: "string", optional: true, enum: ["qemu", "lxc"] },
  "prune-backups": { type: "string", optional: true, format: retentionFormat },
} as const;

export function pruneRoutes(): Route[] {
  return [
    {
      method: "GET",
      path,
      parameters,
      permission: onStorage("Datastore.Audit", "Datastore.AllocateSpace"),
      handler: (call) => marksFor(call),
    },
    { method: "DELETE", path, parameters, handler: prune },
  ];
}

export interface PruneEntry {
  volid: string;
  vmid: number;
  type: "qemu";
  ctime: number;
  mark: PruneMark;
}

/** Marks of all archives, or of one guest's. */
export function pruneMarks(place: Place, storage: StorageState, keep: Retention, vmid?: number): PruneEntry[] {
  const archives = listVolumes(place, storage)
    .filter(({ volume }) => volume.content === "backup" && (vmid === undefined || volume.vmid === vmid))
    .sort((a, b) => a.volume.createdAtMs - b.volume.createdAtMs);
  const guests = [...new Set(archives.map(({ volume }) => volume.vmid))];
  return guests.flatMap((guest) => {
    const own = archives.filter(({ volume }) => volume.vmid === guest);
    const ctimes = own.map(({ volume }) => ({ ctimeSeconds: Math.floor(volume.createdAtMs / 1000), protected: volume.protected }));
    const marks = markForPruning(ctimes, keep);
    return own.map(({ volid }, index) => ({
      volid,
      vmid: guest,
      type: "qemu" as const,
      ctime: ctimes[index]!.ctimeSeconds,
      mark: marks[index]!,
    }));
  });
}

function marksFor(call: Call): PruneEntry[] {
  const place = placeOf(call);
  const storage = getUsableStorage(place, String(call.params.storage));
  if (call.params.type === "lxc") return [];
  const keep = parseRetention(textParameter(call, "prune-backups") ?? storage.options["prune-backups"]);
  return pruneMarks(place, storage, keep, integerParameter(call, "vmid"));
}

function prune(call: Call): string {
  const storageId = String(call.params.storage);
  const vmid = integerParameter(call, "vmid");
  if (vmid === undefined) {
    call.requirePrivilege(`/storage/${storageId}`, ["Datastore.Allocate"]);
  } else if (!call.hasPrivilege(`/storage/${storageId}`, "Datastore.Allocate")) {
    call.requirePrivilege(`/storage/${storageId}`, ["Datastore.AllocateSpace"]);
    call.requirePrivilege(`/vms/${vmid}`, ["VM.Backup"]);
  }
  getUsableStorage(placeOf(call), storageId);
  const id = vmid === undefined ? storageId : `${vmid}@${storageId}`;
  return call.startTask({ type: "prunebackups", id }, async (task) => {
    await task.pass(100);
    for (const entry of marksFor(call)) {
      if (entry.mark !== "remove") continue;
      task.log(`removing backup '${entry.volid}'`);
      freeVolume(placeOf(call), entry.volid, (line) => task.log(line));
    }
  });
}
