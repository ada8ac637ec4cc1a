/** Findings about a move between two backup servers: the target's must be able to pull, and to keep what it pulls. Pure. */
import type { BackupLocation, Permissions, Remote, StorageDefinition } from "../../proxmox";
import { locationOf } from "../datastore";
import { backupPath, describeNeed, missingPrivileges, type Need } from "../permissions";
import { type Route, type RouteSync, storeOf } from "../route";
import type { PreflightFacts } from "./facts";

/** What the target's backup server says. */
export interface SyncFacts {
  /** Of the store's own token there. */
  permissions: Permissions;
  /** As that server knows the source's; absent: it does not, or the token may not see it. */
  remote?: Remote;
}

export function syncFindings(route: Route, { sync: facts, sourceStore, targetStore }: PreflightFacts): string[] {
  const store = storeOf(route);
  const { sync } = store;
  if (!sync) return [];
  const at = sourceStore && locationOf(sourceStore);
  const place = targetStore && locationOf(targetStore);
  const findings = [
    ...(at ? [] : [unknownLocation(store.writeStorage, route.source, sourceStore)]),
    ...(place ? [] : [unknownLocation(store.readStorage, route.target, targetStore)]),
    ...(typeof facts === "string" ? [`backup store ${sync.store} does not answer: ${facts}`] : []),
  ];
  if (!facts || typeof facts === "string" || !at || !place) return findings;
  return pullFindings(facts, { from: store.name, sync, far: at, local: place, storage: sourceStore });
}

/** What is pulled by which server. */
export interface Pull {
  /** Name of the store that is pulled from. */
  from: string;
  sync: RouteSync;
  far: BackupLocation;
  local: BackupLocation;
  /** Of the source cluster. */
  storage: StorageDefinition;
}

/** Why a server cannot pull. */
export function pullFindings({ permissions, remote }: SyncFacts, pull: Pull): string[] {
  const missing = missingPrivileges(permissions, syncNeeds(pull.local, pull.far.datastore, pull.sync));
  const account = `the account of backup store ${pull.sync.store}`;
  if (missing.length > 0) return [`${account} lacks ${missing.map(describeNeed).join(", ")}`];
  return remoteFindings(pull, remote);
}

function unknownLocation(storage: string, cluster: string, definition: StorageDefinition | undefined): string {
  return definition
    ? `storage ${storage} of ${cluster} is of type ${definition.type}, and only archives of type pbs can be synced`
    : `storage ${storage} of ${cluster} is not there, or its token lacks Datastore.AllocateSpace on /storage/${storage}: its datastore and namespace must be known for the sync`;
}

function syncNeeds(place: BackupLocation, farDatastore: string, { remote }: RouteSync): Need[] {
  const at = [backupPath(place)];
  return [
    { paths: at, privilege: "Datastore.Audit", why: "see what has arrived" },
    { paths: at, privilege: "Datastore.Backup", why: "pull the archive" },
    { paths: at, privilege: "Datastore.Modify", why: "protect it and remove it afterwards" },
    { paths: [`/remote/${remote}`], privilege: "Remote.Audit", why: "see the remote" },
    { paths: [`/remote/${remote}/${farDatastore}`], privilege: "Remote.Read", why: "pull from it" },
  ];
}

function remoteFindings({ from, sync: { store, remote: wanted }, storage }: Pull, remote: Remote | undefined): string[] {
  if (!remote)
    return [
      `the backup server of ${store} knows no remote ${wanted}: create it there (proxmox-backup-manager remote create ${wanted}), with a token that may read ${from}`,
    ];
  const [known, seen] = [plainOf(remote.fingerprint), plainOf(storage.raw.fingerprint)];
  return known !== undefined && seen !== undefined && known !== seen
    ? [`remote ${wanted} of ${store} is another server than ${from}: the fingerprints of their certificates differ`]
    : [];
}

function plainOf(fingerprint: unknown): string | undefined {
  return typeof fingerprint === "string" && fingerprint !== "" ? fingerprint.replaceAll(":", "").toLowerCase() : undefined;
}
