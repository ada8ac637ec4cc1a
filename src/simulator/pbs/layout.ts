/** Building a backup server's first state from a layout. */
import { randomBytes, randomUUID } from "node:crypto";
import type { LayoutBackupServer } from "../layout";
import type { BackendState, ClusterState, FederationState } from "../state";
import { userOf } from "./permissions";
import type { BackupServerAccess, BackupServerState, DatastoreState } from "./state";

const defaultVersion = "4.1.1";

/** Throws when the layout contradicts itself. */
export function buildBackupServer(
  layout: LayoutBackupServer,
  backends: Record<string, BackendState>,
  clusters: Record<string, ClusterState>,
): BackupServerState {
  if (clusters[layout.id]) throw new Error(`backup server '${layout.id}' has the id of a cluster`);
  const datastores: Record<string, DatastoreState> = {};
  for (const { name, backend } of layout.datastores) {
    if (backends[backend]?.kind !== "pbs")
      throw new Error(`datastore '${name}' of '${layout.id}' names '${backend}', which is no backend of kind pbs`);
    backends[backend].site ??= layout.site;
    datastores[name] = { backend, namespaces: namespacesOn(backend, clusters), owners: {}, groupNotes: {} };
  }
  return {
    id: layout.id,
    version: layout.version ?? defaultVersion,
    instanceId: randomUUID(),
    site: layout.site,
    datastores,
    access: buildAccess(layout),
    remotes: {},
    syncJobs: {},
    verifyJobs: {},
    jobRuns: {},
    tasks: {},
    nextPid: 2000,
  };
}

/** Those that the clusters' storages name, each after its parents. */
function namespacesOn(backend: string, clusters: Record<string, ClusterState>): string[] {
  const named = Object.values(clusters).flatMap(({ storages }) =>
    Object.values(storages).flatMap((storage) =>
      Object.values(storage.backends).includes(backend) ? [storage.options.namespace ?? ""] : [],
    ),
  );
  const all = named.flatMap((namespace) => {
    const parts = namespace.split("/").filter((part) => part !== "");
    return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  });
  return [...new Set(all)].sort();
}

function buildAccess(layout: LayoutBackupServer): BackupServerAccess {
  const access: BackupServerAccess = {
    ticketKey: randomBytes(32).toString("hex"),
    users: { "root@pam": { password: layout.rootPassword ?? randomUUID() } },
    tokens: {},
    acl: [],
  };
  for (const { userid, password } of layout.users ?? []) access.users[userid] = { password };
  for (const { tokenid, secret } of layout.tokens ?? []) {
    access.users[userOf(tokenid)] ??= {};
    access.tokens[tokenid] = { secret: secret ?? randomUUID() };
  }
  for (const { path, role, subject, propagate } of layout.acl ?? [])
    access.acl.push({ path, role, authid: subject, propagate: propagate ?? true });
  return access;
}

/** The server whose datastore is on a backend, if one is simulated. */
export function findBackupServerOf(
  state: FederationState,
  backendId: string,
): { server: BackupServerState; datastore: DatastoreState } | undefined {
  for (const server of Object.values(state.backupServers ?? {})) {
    for (const datastore of Object.values(server.datastores)) if (datastore.backend === backendId) return { server, datastore };
  }
  return undefined;
}
