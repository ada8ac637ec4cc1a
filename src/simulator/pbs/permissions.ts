/** Roles and who may do what on a Proxmox Backup Server. */
import type { BackupServerAccess } from "./state";

const datastore = ["Datastore.Audit", "Datastore.Backup", "Datastore.Modify", "Datastore.Prune", "Datastore.Read", "Datastore.Verify"];
const remote = [
  "Remote.Audit",
  "Remote.DatastoreBackup",
  "Remote.DatastoreModify",
  "Remote.DatastorePrune",
  "Remote.Modify",
  "Remote.Read",
];
const all = [...datastore, "Datastore.Allocate", ...remote, "Sys.Audit", "Sys.Modify", "Sys.PowerManagement", "Permissions.Modify"];

export const roles: Readonly<Record<string, readonly string[]>> = {
  Admin: all,
  Audit: ["Datastore.Audit", "Sys.Audit"],
  DatastoreAdmin: datastore,
  DatastoreAudit: ["Datastore.Audit"],
  DatastoreBackup: ["Datastore.Backup"],
  DatastorePowerUser: ["Datastore.Backup", "Datastore.Prune"],
  DatastoreReader: ["Datastore.Audit", "Datastore.Read", "Datastore.Verify"],
  NoAccess: [],
  RemoteAdmin: ["Remote.Audit", "Remote.Modify", "Remote.Read"],
  RemoteAudit: ["Remote.Audit"],
  RemoteDatastoreAdmin: ["Remote.DatastoreBackup", "Remote.DatastoreModify", "Remote.DatastorePrune"],
  RemoteDatastorePowerUser: ["Remote.DatastoreBackup", "Remote.DatastorePrune"],
  RemoteSyncOperator: ["Remote.Audit", "Remote.Read"],
  RemoteSyncPushOperator: ["Remote.Audit", "Remote.DatastoreBackup"],
};

/** Privileges held at a path; `true`: below it too. A token never has more than its user. */
export function privilegesAt(access: BackupServerAccess, authid: string, path: string): Map<string, boolean> {
  const own = authid === "root@pam" ? new Map(all.map((privilege) => [privilege, true])) : assignedAt(access, authid, path);
  const userid = userOf(authid);
  if (userid === authid) return own;
  const user = privilegesAt(access, userid, path);
  return new Map([...own].filter(([privilege]) => user.has(privilege)));
}

/** The entries of the deepest path that has some for this id count; others only when they propagate. */
function assignedAt(access: BackupServerAccess, authid: string, path: string): Map<string, boolean> {
  const segments = path.split("/").filter((segment) => segment !== "");
  let held = new Map<string, boolean>();
  for (let depth = 0; depth <= segments.length; depth += 1) {
    const at = `/${segments.slice(0, depth).join("/")}`;
    const entries = access.acl.filter(
      (entry) => entry.authid === authid && entry.path === at && (entry.propagate || depth === segments.length),
    );
    if (entries.length === 0) continue;
    held = new Map();
    if (entries.some(({ role }) => role === "NoAccess")) continue;
    for (const { role, propagate } of entries)
      for (const privilege of roles[role] ?? []) held.set(privilege, (held.get(privilege) ?? false) || propagate);
  }
  return held;
}

/** `user@realm` of a user's or token's id. */
export function userOf(authid: string): string {
  return authid.split("!")[0] ?? "";
}
