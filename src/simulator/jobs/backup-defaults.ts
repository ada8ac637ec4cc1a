/** `GET /nodes/{node}/vzdump/defaults`: what a backup call leaves open. */
import type { Call, Route } from "../kernel";
import type { Era } from "../state";
import { fail, placeOf, textParameter } from "../volumes/calls";
import { nodeRule, optional, storageRule } from "../volumes/rules";
import { getUsableStorage } from "../volumes/storages";
import { storageDirectory, traitsOf } from "../volumes/types";

export function backupDefaultsRoute(era: Era): Route {
  return {
    method: "GET",
    path: "/nodes/{node}/vzdump/defaults",
    parameters: { node: nodeRule, storage: optional(storageRule) },
    handler: (call) => readDefaults(call, era),
  };
}

function readDefaults(call: Call, era: Era): unknown {
  const id = textParameter(call, "storage") ?? "local";
  call.requirePrivilege(`/storage/${id}`, ["Datastore.Audit", "Datastore.AllocateSpace"], "any");
  const storage = getUsableStorage(placeOf(call), id);
  if (!storage.content.includes("backup")) fail(`can't use storage '${id}' for backups - wrong content type`);
  const audits = call.hasPrivilege(`/nodes/${call.localNode}`, "Sys.Audit");
  return {
    all: 0,
    bwlimit: 0,
    compress: "0",
    ...(audits && traitsOf(storage).naming === "file" ? { dumpdir: `${storageDirectory(storage)}/dump` } : {}),
    fleecing: { enabled: 0 },
    ...(audits ? { ionice: 7 } : {}),
    lockwait: 180,
    mailnotification: "always",
    mode: "snapshot",
    "notification-mode": "auto",
    ...(era === "8.4" ? { "notification-policy": "always" } : {}),
    performance: { "max-workers": 16, "pbs-entries-max": 1_048_576 },
    pigz: 0,
    "prune-backups": storage.options["prune-backups"] ?? "keep-all=1",
    quiet: 0,
    remove: 1,
    stdexcludes: 1,
    stop: 0,
    stopwait: 10,
    storage: id,
    zstd: 1,
  };
}
