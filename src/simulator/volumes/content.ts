/** `/nodes/{node}/storage/{storage}/content`: list, allocate, attributes, delete. */
import type { Call, Route } from "../kernel";
import { volumeUsedBytes } from "../usage";
import { hasVolumeAccess, requireVolumeAccess } from "./access";
import { errorMessage, fail, failParameter, flagParameter, integerParameter, placeOf, textParameter } from "./calls";
import { imageFileFormat, parseVolid, volumePath } from "./names";
import { requireProtectedSlot } from "./protection";
import { contentFormat, nodeRule, onStorage, optional, optionalFlag, optionalText, storageRule, vmidRule } from "./rules";
import { getBackend, getUsableStorage } from "./storages";
import { imageFormat, traitsOf } from "./types";
import { allocateVolume, type FoundVolume, findVolume, freeVolume, getVolume, listVolumes, resolveVolid } from "./volumes";

const path = "/nodes/{node}/storage/{storage}/content";
const atStorage = { node: nodeRule, storage: storageRule };
/** The storage in the path may be left out where the volume id names it. */
const atVolume = { node: nodeRule, storage: optional(storageRule), volume: { type: "string" } as const };

export function contentRoutes(): Route[] {
  return [
    {
      method: "GET",
      path,
      parameters: { ...atStorage, content: { type: "string", optional: true, format: contentFormat }, vmid: optional(vmidRule) },
      permission: onStorage("Datastore.Audit", "Datastore.AllocateSpace"),
      handler: listContent,
    },
    {
      method: "POST",
      path,
      parameters: {
        ...atStorage,
        vmid: vmidRule,
        filename: { type: "string" },
        size: { type: "string", pattern: /^\d+[MG]?$/ },
        format: { type: "string", optional: true, enum: ["raw", "qcow2", "subvol", "vmdk"], requires: "size" },
      },
      permission: onStorage("Datastore.AllocateSpace"),
      handler: allocate,
    },
    { method: "GET", path: `${path}/{volume}`, parameters: atVolume, handler: getAttributes },
    {
      method: "PUT",
      path: `${path}/{volume}`,
      parameters: { ...atVolume, notes: optionalText, protected: optionalFlag },
      handler: updateAttributes,
    },
    {
      method: "DELETE",
      path: `${path}/{volume}`,
      parameters: { ...atVolume, delay: { type: "integer", optional: true, minimum: 1, maximum: 30 } },
      handler: removeVolume,
    },
  ];
}

function listContent(call: Call): unknown {
  const place = placeOf(call);
  const storage = getUsableStorage(place, String(call.params.storage));
  const content = textParameter(call, "content");
  const vmid = integerParameter(call, "vmid");
  return listVolumes(place, storage)
    .filter(({ volume, name }) => (content === undefined || volume.content === content) && (vmid === undefined || name.vmid === vmid))
    .filter(({ volid }) => hasVolumeAccess(call, volid))
    .map((found) => contentRow(found, call.world.blockBytes));
}

function contentRow(found: FoundVolume, blockBytes: number): Record<string, unknown> {
  const { volid, volume, name, storage, backend } = found;
  const row: Record<string, unknown> = {
    // File names are read as bytes and written as if each were a letter.
    volid: Buffer.from(volid, "utf8").toString("latin1"),
    content: volume.content,
    size: volume.sizeBytes,
    ctime: Math.floor(volume.createdAtMs / 1000),
    ...(name.vmid === undefined ? {} : { vmid: name.vmid }),
  };
  if (volume.content === "images") {
    const onFiles = traitsOf(storage).naming === "file";
    const parent = volume.base ?? null;
    return { ...row, format: volume.format, ...(onFiles ? { parent, used: volumeUsedBytes(volume, backend, blockBytes) } : {}) };
  }
  if (volume.content === "backup") {
    // The list shows the first line of the notes only.
    const notes = volume.notes === undefined ? {} : { notes: volume.notes.split("\n")[0] };
    const { verification, archive } = volume;
    return {
      ...row,
      format: volume.format,
      subtype: "qemu",
      ...notes,
      ...(volume.protected ? { protected: 1 } : {}),
      ...(verification ? { verification } : {}),
      ...(archive?.keyFingerprint === undefined ? {} : { encrypted: archive.keyFingerprint }),
    };
  }
  return { ...row, format: volume.content === "iso" ? "iso" : volume.format };
}

function allocate(call: Call): string {
  const place = placeOf(call);
  const filename = String(call.params.filename);
  const suffix = /\.(raw|qcow2|vmdk)$/.exec(filename)?.[1];
  const format = textParameter(call, "format");
  if (suffix !== undefined && format !== undefined && format !== suffix) {
    failParameter({ format: `different storage formats (${format} != ${suffix})` });
  }
  const storage = getUsableStorage(place, String(call.params.storage));
  const vmid = Number(call.params.vmid);
  const { naming } = traitsOf(storage);
  if (naming === "datastore") fail(`can't allocate space in pbs storage`);
  if (naming === "block" && !filename.startsWith(`vm-${vmid}-`)) fail(`illegal name '${filename}' - should be 'vm-${vmid}-*'`);
  const wanted = suffix ?? format;
  if (naming === "block" && wanted !== undefined && wanted !== "raw") fail(`unsupported format '${wanted}'`);
  if (naming === "file") {
    const named = imageFileFormat(filename);
    const chosen = imageFormat(storage, wanted);
    if (named !== chosen) fail(`illegal name '${filename}' - wrong extension for format ('${named} != '${chosen}')`);
  }
  const sizeText = String(call.params.size);
  const sizeKibibytes = Number.parseInt(sizeText, 10) * (sizeText.endsWith("M") ? 1024 : sizeText.endsWith("G") ? 1024 ** 2 : 1);
  return allocateVolume(place, { storage: storage.storage, vmid, filename, sizeBytes: sizeKibibytes * 1024 }, () => {});
}

/** The volume id a path names, with or without its storage. */
function volidOf(call: Call): string {
  const storage = textParameter(call, "storage");
  const volume = String(call.params.volume);
  if (!volume.includes(":")) return `${storage}:${volume}`;
  const parsed = parseVolid(volume);
  if (!parsed) return failParameter({ volume: `unable to parse volume ID '${volume}'\n` });
  if (storage !== undefined && parsed.storage !== storage) {
    return failParameter({ volume: `storage ID mismatch (${parsed.storage} != ${storage})\n` });
  }
  return volume;
}

function getAttributes(call: Call): unknown {
  const place = placeOf(call);
  const volid = volidOf(call);
  const { name, storage } = resolveVolid(place, volid);
  requireVolumeAccess(call, volid);
  const found = findVolume(place, volid);
  if (!found) return fail(`volume_size_info on '${volid}' failed - no format`);
  const { volume, backend } = found;
  const usedBytes = volumeUsedBytes(volume, backend, call.world.blockBytes);
  const image = volume.content === "images" || volume.content === "import";
  return {
    path: volumePath(storage, name),
    // qemu-img counts whole sectors of an archive or ISO.
    size: image ? volume.sizeBytes : Math.ceil(volume.sizeBytes / 512) * 512,
    used: image ? usedBytes : Math.ceil(usedBytes / 4096) * 4096,
    format: image ? volume.format : "raw",
    ...(volume.notes === undefined ? {} : { notes: volume.notes }),
    ...(volume.protected ? { protected: 1 } : {}),
  };
}

function updateAttributes(call: Call): null {
  const place = placeOf(call);
  const volid = volidOf(call);
  const { name } = resolveVolid(place, volid);
  requireVolumeAccess(call, volid);
  const { notes, protected: protect } = call.params;
  if (name.content !== "backup") {
    if (notes !== undefined) fail("only backups can have notes");
    if (protect !== undefined) fail("only backups support attribute 'protected'");
    return null;
  }
  const { volume, backend, storage } = getVolume(place, volid);
  if (notes !== undefined) {
    if (notes === "") delete volume.notes;
    else volume.notes = String(notes);
  }
  if (protect !== undefined) {
    if (protect === true && !volume.protected) requireProtectedSlot(call, storage, backend, volume.vmid);
    volume.protected = flagParameter(call, "protected");
  }
  call.world.touch();
  return null;
}

async function removeVolume(call: Call): Promise<string | null> {
  const place = placeOf(call);
  const volid = volidOf(call);
  const { name, storage } = resolveVolid(place, volid);
  const storagePath = `/storage/${storage.storage}`;
  if (name.content === "backup" && name.vmid !== undefined) {
    call.requirePrivilege(storagePath, ["Datastore.AllocateSpace"]);
    call.requirePrivilege(`/vms/${name.vmid}`, ["VM.Backup"]);
  } else {
    call.requirePrivilege(storagePath, ["Datastore.Allocate"]);
  }
  getBackend(place, getUsableStorage(place, storage.storage));
  const id = name.vmid === undefined ? storage.storage : `${name.vmid}@${storage.storage}`;
  const outcome: { error?: unknown; done: boolean } = { done: false };
  const upid = call.startTask({ type: "imgdel", id }, async (task) => {
    try {
      await task.pass(100);
      freeVolume(place, volid, (line) => task.log(line));
      task.log(`Removed volume '${volid}'`);
    } catch (error) {
      outcome.error = error;
      throw error;
    } finally {
      outcome.done = true;
    }
  });
  const delayMs = 1000 * (integerParameter(call, "delay") ?? 0);
  for (let waitedMs = 0; waitedMs < delayMs && !outcome.done; waitedMs += 1000) await call.world.clock.sleep(1000);
  if (delayMs === 0 || !outcome.done) return upid;
  return outcome.error === undefined ? null : fail(errorMessage(outcome.error));
}
