/** How full a node's storages are, and which datastore is behind one. */
import { createHash } from "node:crypto";
import type { Call, Route, StorageState } from "../kernel";
import { findBackupServerOf } from "../pbs/layout";
import { readPoints, timeframes } from "../round-robin";
import type { Era } from "../state";
import { backendUsedBytes } from "../usage";
import { fail, failParameter, listParameter, type Place, placeOf, textParameter } from "./calls";
import { contentFormat, nodeRule, onStorage, optional, optionalFlag, storageRule } from "./rules";
import { findBackend, getBackend, getUsableStorage, isUsable } from "./storages";
import { imageFormat, traitsOf } from "./types";

const readers = onStorage("Datastore.Audit", "Datastore.AllocateSpace");
const atStorage = { node: nodeRule, storage: storageRule };
const subdirectories = ["content", "download-url", "file-restore", "import-metadata", "prunebackups", "rrd", "rrddata", "status", "upload"];
const subdirectories92 = [...subdirectories, "identity", "oci-registry-pull"];

export function statusRoutes(era: Era): Route[] {
  const routes: Route[] = [
    {
      method: "GET",
      path: "/nodes/{node}/storage",
      parameters: {
        node: nodeRule,
        storage: optional(storageRule),
        content: { type: "list", optional: true, format: contentFormat },
        enabled: optionalFlag,
        target: optional(nodeRule),
        format: optionalFlag,
      },
      handler: listStorages,
    },
    {
      method: "GET",
      path: "/nodes/{node}/storage/{storage}",
      parameters: atStorage,
      permission: readers,
      handler: () => (era === "9.2" ? subdirectories92 : subdirectories).map((subdir) => ({ subdir })),
    },
    { method: "GET", path: "/nodes/{node}/storage/{storage}/status", parameters: atStorage, permission: readers, handler: getStatus },
    {
      method: "GET",
      path: "/nodes/{node}/storage/{storage}/rrddata",
      parameters: {
        ...atStorage,
        timeframe: { type: "string", enum: timeframes },
        cf: { type: "string", enum: ["AVERAGE", "MAX"], optional: true },
      },
      permission: readers,
      handler: readUse,
    },
  ];
  if (era === "9.2") {
    routes.push({
      method: "GET",
      path: "/nodes/{node}/storage/{storage}/identity",
      parameters: atStorage,
      permission: readers,
      handler: getIdentity,
    });
  }
  return routes;
}

function statusOf(place: Place, storage: StorageState): Record<string, unknown> {
  const enabled = isUsable(storage, place.node);
  const backend = enabled ? findBackend(place, storage) : undefined;
  const total = backend?.totalBytes ?? 0;
  const used = backend ? backendUsedBytes(backend, place.world.blockBytes) : 0;
  return {
    type: storage.type,
    content: storage.content.join(","),
    shared: storage.shared ? 1 : 0,
    enabled: enabled ? 1 : 0,
    active: backend ? 1 : 0,
    total,
    used,
    avail: total - used,
  };
}

function listStorages(call: Call): unknown {
  const place = placeOf(call);
  const wanted = textParameter(call, "storage");
  const contents = listParameter(call, "content");
  const target = textParameter(call, "target");
  if (wanted !== undefined && !call.cluster.storages[wanted]) failParameter({ storage: "No such storage." });
  return Object.values(call.cluster.storages)
    .filter((storage) => wanted === undefined || storage.storage === wanted)
    .filter((storage) => contents.length === 0 || contents.some((content) => storage.content.includes(content)))
    .filter((storage) => target === undefined || isUsable(storage, target))
    .filter((storage) => call.params.enabled !== true || isUsable(storage, place.node))
    .filter(({ storage }) =>
      ["Datastore.Audit", "Datastore.AllocateSpace"].some((right) => call.hasPrivilege(`/storage/${storage}`, right)),
    )
    .map((storage) => {
      const status = statusOf(place, storage);
      const fraction = Number(status.total) > 0 ? { used_fraction: Number(status.used) / Number(status.total) } : {};
      return { storage: storage.storage, ...status, ...fraction, ...(call.params.format === true ? formatsOf(call, storage) : {}) };
    });
}

/** Image formats: Proxmox's old and, from 9 on, its new way to say it. */
function formatsOf(call: Call, storage: StorageState): Record<string, unknown> {
  const { formats, naming } = traitsOf(storage);
  const supported = [...formats, ...(naming === "file" || storage.type === "zfspool" ? ["subvol"] : [])].sort();
  const standard = imageFormat(storage);
  const old = { format: [Object.fromEntries(supported.map((format) => [format, 1])), standard] };
  return call.cluster.era === "9.2" ? { ...old, formats: { default: standard, supported } } : old;
}

function getStatus(call: Call): unknown {
  const storage = call.cluster.storages[String(call.params.storage)];
  return storage ? statusOf(placeOf(call), storage) : failParameter({ storage: "No such storage." });
}

/** One without history, or that does not exist, has points without values. */
function readUse(call: Call): unknown {
  const { node, storage, timeframe, cf } = call.params;
  const name = String(node) === "localhost" ? call.localNode : String(node);
  const combine = cf === "MAX" ? "MAX" : "AVERAGE";
  const points = readPoints(call.cluster.storageHistory?.[`${name}/${String(storage)}`], {
    nowMs: call.world.clock.nowMs(),
    timeframe: String(timeframe),
    combine,
  });
  return points.map(({ timeSeconds, values }) => ({ time: timeSeconds, ...(values ? { total: values[0], used: values[1] } : {}) }));
}

/** Two clusters see the same datastore when id, datastore and namespace agree. */
function getIdentity(call: Call): unknown {
  const place = placeOf(call);
  const storage = getUsableStorage(place, String(call.params.storage));
  if (storage.type !== "pbs") fail(`storage type '${storage.type}' does not support getting an identity`);
  const backend = getBackend(place, storage);
  const server = findBackupServerOf(call.world.state, backend.id)?.server;
  if (server) return { type: storage.type, id: server.instanceId };
  const digest = createHash("sha256").update(backend.id).digest("hex");
  return {
    type: storage.type,
    id: [digest.slice(0, 8), digest.slice(8, 12), digest.slice(12, 16), digest.slice(16, 20), digest.slice(20, 32)].join("-"),
  };
}
