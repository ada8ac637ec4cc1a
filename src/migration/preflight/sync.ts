/** Findings about a move between two backup servers: the target's must be able to pull, and to keep what it pulls. Pure. */
import type { Permissions, Remote, StorageDefinition } from "../../proxmox";
import { locationOf } from "../datastore";
import { backupPath, describeNeed, missingPrivileges, type Need } from "../permissions";
import { type Route, type RouteStore, type RouteSync, storeOf } from "../route";
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
  const missing = missingPrivileges(facts.permissions, syncNeeds(place, at.datastore, sync));
  const account = `the account of backup store ${sync.store}`;
  if (missing.length > 0) return [`${account} lacks ${missing.map(describeNeed).join(", ")}`];
  return remoteFindings(store, sync, facts.remote, sourceStore);
}

function unknownLocation(storage: string, cluster: string, definition: StorageDefinition | undefined): string {
  return definition
    ? `storage ${storage} of ${cluster} is of type ${definition.type}, and only archives of type pbs can be synced`
    : `storage ${storage} of ${cluster} is not there, or its token lacks Datastore.AllocateSpace on /storage/${storage}: its datastore and namespace must be known for the sync`;
}

function syncNeeds(place: { datastore: string; namespace: string }, farDatastore: string, { remote }: RouteSync): Need[] {
  const at = [backupPath(place)];
  return [
    { paths: at, privilege: "Datastore.Audit", why: "see what has arrived" },
    { paths: at, privilege: "Datastore.Backup", why: "pull the archive" },
    { paths: at, privilege: "Datastore.Modify", why: "protect it and remove it afterwards" },
    { paths: [`/remote/${remote}`], privilege: "Remote.Audit", why: "see the remote" },
    { paths: [`/remote/${remote}/${farDatastore}`], privilege: "Remote.Read", why: "pull from it" },
  ];
}

function remoteFindings(
  { name }: RouteStore,
  { store, remote: wanted }: RouteSync,
  remote: Remote | undefined,
  sourceStore: StorageDefinition,
): string[] {
  if (!remote)
    return [
      `the backup server of ${store} knows no remote ${wanted}: create it there (proxmox-backup-manager remote create ${wanted}), with a token that may read ${name}`,
    ];
  const [known, seen] = [plainOf(remote.fingerprint), plainOf(sourceStore.raw.fingerprint)];
  return known !== undefined && seen !== undefined && known !== seen
    ? [`remote ${wanted} of ${store} is another server than ${name}: the fingerprints of their certificates differ`]
    : [];
}

function plainOf(fingerprint: unknown): string | undefined {
  return typeof fingerprint === "string" && fingerprint !== "" ? fingerprint.replaceAll(":", "").toLowerCase() : undefined;
}
