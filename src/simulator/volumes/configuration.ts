/** `/storage`: the cluster's storage configuration. */
import { createHash } from "node:crypto";
import type { Call, ClusterState, Route, StorageState } from "../kernel";
import type { Era } from "../state";
import { textParameter } from "./calls";
import { optional, storageRule } from "./rules";
import { getStorage } from "./storages";
import { storageTypes } from "./types";

export function configurationRoutes(era: Era): Route[] {
  return [
    {
      method: "GET",
      path: "/storage",
      parameters: { type: { type: "string", optional: true, enum: storageTypes(era) } },
      handler: listConfigurations,
    },
    {
      method: "GET",
      path: "/storage/{storage}",
      parameters: { storage: optional(storageRule) },
      permission: (call) => call.requirePrivilege(`/storage/${call.pathVariables.storage}`, ["Datastore.Allocate"]),
      handler: (call) => configurationOf(call.cluster, getStorage(call.cluster, String(call.params.storage ?? call.pathVariables.storage))),
    },
  ];
}

function listConfigurations(call: Call): unknown {
  const type = textParameter(call, "type");
  return Object.values(call.cluster.storages)
    .filter((storage) => type === undefined || storage.type === type)
    .filter(({ storage }) =>
      ["Datastore.Audit", "Datastore.AllocateSpace"].some((right) => call.hasPrivilege(`/storage/${storage}`, right)),
    )
    .map((storage) => configurationOf(call.cluster, storage));
}

/** As storage.cfg has it; booleans as 0 and 1. */
export function configurationOf(cluster: ClusterState, storage: StorageState): Record<string, unknown> {
  return {
    storage: storage.storage,
    type: storage.type,
    content: storage.content.join(","),
    ...storage.options,
    ...(storage.nodes && storage.nodes.length > 0 ? { nodes: storage.nodes.join(",") } : {}),
    ...(storage.shared ? { shared: 1 } : {}),
    ...(storage.disabled ? { disable: 1 } : {}),
    digest: configurationDigest(cluster),
  };
}

/** Changes with every edit of any storage, as the sha1 of the file does. */
export function configurationDigest(cluster: ClusterState): string {
  return createHash("sha1")
    .update(JSON.stringify(Object.values(cluster.storages)))
    .digest("hex");
}
