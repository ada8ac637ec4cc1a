import type { ProxmoxApi, StorageDefinition, Volume } from "./api";
import type { Caller } from "./call";
import { segment } from "./encoding";
import { booleanOf, compact, isRow, itemsOf, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "./rows";
import { parseVolid } from "./volid";

export function storageCalls(call: Caller): ProxmoxApi["storage"] {
  const path = (node: string, storage: string): string => `/nodes/${segment(node)}/storage/${segment(storage)}`;
  const volumePath = (node: string, volid: string): string => `${path(node, parseVolid(volid).storage)}/content/${segment(volid)}`;

  const listContent: ProxmoxApi["storage"]["listContent"] = async (node, storage, { content, vmid }, o) =>
    rowsOf(await call.get(`${path(node, storage)}/content`, { content, vmid }, o))
      .map(volumeOf)
      .filter((volume) => volume !== undefined);

  return {
    listContent,
    async getStatus(node, storage, o) {
      const row = await call.getRow(`${path(node, storage)}/status`, {}, o);
      return {
        type: textOf(row.type) ?? "",
        active: booleanOf(row.active),
        enabled: booleanOf(row.enabled),
        shared: booleanOf(row.shared),
        content: itemsOf(row.content),
        totalBytes: numberOf(row.total) ?? 0,
        usedBytes: numberOf(row.used) ?? 0,
        availableBytes: numberOf(row.avail) ?? 0,
      };
    },
    async allocate(node, storage, { filename, vmid, sizeBytes, format }, o) {
      // A plain number is KiB here, unlike everywhere else.
      const size = String(Math.ceil(sizeBytes / 1024));
      const requestPath = `${path(node, storage)}/content`;
      const volid = textOf(await call.requester.request("POST", requestPath, { filename, vmid, size, format }, o));
      if (volid === undefined) throw call.unexpected("POST", requestPath, "a volid");
      return volid;
    },
    async findVolume(node, volid, o) {
      // The attributes of one volume round its size and lack owner and format: the listing has them.
      const { storage, volname } = parseVolid(volid);
      const volumes = await listContent(node, storage, listingFilter(volname), o);
      return volumes.find((volume) => volume.volid === volid);
    },
    async setVolumeAttributes(node, volid, { notes, protected: isProtected }, o) {
      await call.change("PUT", volumePath(node, volid), { notes, protected: isProtected }, o);
    },
    async deleteVolume(node, volid, o) {
      return call.startIfNeeded("DELETE", volumePath(node, volid), {}, o);
    },
  };
}

/** Narrows a listing where the name is sure to tell: a backup store may hold thousands of archives. */
function listingFilter(volname: string): { content?: string; vmid?: number } {
  const content = /^(iso|vztmpl|backup|snippets|import)\//.exec(volname)?.[1];
  if (content !== "backup") return { content };
  const vmid = /^backup\/(?:(?:vm|ct)\/(\d+)\/|vzdump-(?:qemu|lxc)-(\d+)-)/.exec(volname);
  const owner = vmid?.[1] ?? vmid?.[2];
  return owner === undefined ? { content } : { content, vmid: Number(owner) };
}

function verificationOf(value: unknown): Volume["verification"] {
  const state = isRow(value) ? value.state : undefined;
  return state === "ok" || state === "failed" ? state : undefined;
}

function volumeOf(row: Row): Volume | undefined {
  const volid = nonEmptyOf(row.volid);
  if (volid === undefined) return undefined;
  return compact<Volume>({
    volid,
    format: textOf(row.format) ?? "",
    // 9.x may know only about how big a volume is.
    sizeBytes: numberOf(row.size) ?? numberOf(row["approximate-size"]) ?? 0,
    usedBytes: numberOf(row.used),
    content: nonEmptyOf(row.content),
    vmid: numberOf(row.vmid),
    createdAtSeconds: numberOf(row.ctime),
    notes: nonEmptyOf(row.notes),
    protected: booleanOf(row.protected),
    encrypted: nonEmptyOf(row.encrypted),
    verification: verificationOf(row.verification),
  });
}

export function storageDefinitionsOf(data: unknown): StorageDefinition[] {
  return rowsOf(data)
    .filter((row) => nonEmptyOf(row.storage) !== undefined)
    .map((row) =>
      compact<StorageDefinition>({
        storage: textOf(row.storage) ?? "",
        type: textOf(row.type) ?? "",
        content: itemsOf(row.content),
        nodes: nonEmptyOf(row.nodes) === undefined ? undefined : itemsOf(row.nodes),
        shared: booleanOf(row.shared),
        raw: row,
      }),
    );
}
