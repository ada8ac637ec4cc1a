/**
 * Who may do what: users, groups, tokens, roles and ACLs of one cluster. Read afresh at every
 * check, since a change of an ACL counts at once.
 */
import { ApiError, type AuthenticatedUser, type ClusterState } from "./kernel";
import { allPrivileges, builtInRoles } from "./privileges";

/** Privilege → whether it reaches what lies below the path. */
export type Privileges = Record<string, boolean>;

/** Parts of `user@realm!token`; `token` absent for a user. */
export function splitAuthid(authid: string): { userid: string; token?: string } {
  const mark = authid.indexOf("!");
  return mark < 0 ? { userid: authid } : { userid: authid.slice(0, mark), token: authid.slice(mark + 1) };
}

/** Brings a path to its stored form; `undefined` when it has characters a path cannot have. */
export function normalizeAclPath(path: string): string | undefined {
  const joined = `/${path}`.replaceAll(/\/+/g, "/").replace(/\/$/, "") || "/";
  return path !== "" && /^[A-Za-z0-9._/-]+$/.test(joined) ? joined : undefined;
}

const name = "[A-Za-z0-9._-]+";
const knownPaths = [
  "",
  "access",
  `access/(?:groups|realm)(?:/${name})?`,
  `nodes(?:/${name})?`,
  `pool(?:/${name}){0,3}`,
  `sdn(?:/(?:controllers|dns|ipams|prefix-lists|route-maps|fabrics)(?:/${name})?)?`,
  `sdn/zones(?:/${name}(?:/${name}(?:/[1-9][0-9]{0,3})?)?)?`,
  `storage(?:/${name})?`,
  "vms(?:/[1-9][0-9]{2,})?",
  `mapping(?:/(?:dir|pci|usb|notifications)(?:/${name})?)?`,
];
const knownPath = new RegExp(`^/(?:${knownPaths.join("|")})$`);

/** Whether an ACL may be put on the (normalized) path. */
export function isAclPath(path: string): boolean {
  return knownPath.test(path);
}

/** Privileges of a role, built-in or the cluster's own; `undefined` when there is no such role. */
export function findRole(cluster: ClusterState, role: string): readonly string[] | undefined {
  return builtInRoles[cluster.era][role] ?? cluster.access.roles[role];
}

/** Whether the user exists, is enabled and has not expired. */
export function isActiveUser(cluster: ClusterState, userid: string, nowMs: number): boolean {
  const user = cluster.access.users[userid];
  if (!user?.enabled) return false;
  return user.expire === 0 || user.expire * 1000 > nowMs;
}

/** Roles on a path → whether they propagate. Entries of the user replace those of its groups and everything inherited. */
export function rolesOn(cluster: ClusterState, authid: string, path: string): Record<string, boolean> {
  const { userid, token } = splitAuthid(authid);
  if (token !== undefined && !cluster.access.tokens[authid]?.privsep) return rolesOn(cluster, userid, path);
  if (authid === "root@pam") return { Administrator: true };
  const groups = token === undefined ? groupsOf(cluster, userid) : new Set<string>();
  let roles: Record<string, boolean> = {};
  for (const ancestor of pathAndAncestors(path)) {
    const here = cluster.access.acl.filter((entry) => entry.path === ancestor && (entry.propagate || ancestor === path));
    const own = here.filter((entry) => entry.kind === (token === undefined ? "user" : "token") && entry.subject === authid);
    const effective = own.length > 0 ? own : here.filter((entry) => entry.kind === "group" && groups.has(entry.subject));
    if (effective.length > 0) roles = Object.fromEntries(effective.map((entry) => [entry.role, entry.propagate]));
  }
  return "NoAccess" in roles ? { NoAccess: roles.NoAccess ?? false } : roles;
}

/** Effective privileges on a path, pools and privilege separation included. */
export function privilegesOn(cluster: ClusterState, authid: string, path: string, nowMs: number): Privileges {
  const { userid, token } = splitAuthid(authid);
  if (!isActiveUser(cluster, userid, nowMs)) return {};
  if (token === undefined) return ownPrivileges(cluster, authid, path);
  const state = cluster.access.tokens[authid];
  if (!state) return {};
  const ofUser = ownPrivileges(cluster, userid, path);
  if (!state.privsep) return ofUser;
  const ofToken = ownPrivileges(cluster, authid, path);
  const shared = Object.keys(ofToken).filter((privilege) => privilege in ofUser);
  return Object.fromEntries(shared.map((privilege) => [privilege, Boolean(ofToken[privilege] && ofUser[privilege])]));
}

function ownPrivileges(cluster: ClusterState, authid: string, path: string): Privileges {
  const roles = { ...rolesOn(cluster, authid, path) };
  if ("NoAccess" in roles) return {};
  for (const pool of poolsOfMember(cluster, path)) {
    const poolRoles = rolesOn(cluster, authid, `/pool/${pool}`);
    // Rights through a pool end at its members.
    if (!("NoAccess" in poolRoles)) for (const role of Object.keys(poolRoles)) roles[role] ??= false;
  }
  const privileges: Privileges = {};
  for (const [role, propagate] of Object.entries(roles)) {
    for (const privilege of findRole(cluster, role) ?? []) privileges[privilege] = privileges[privilege] || propagate;
  }
  return privileges;
}

/** Pools whose rights count on `/vms/{id}` and `/storage/{id}`: those the guest or storage is a member of. */
function poolsOfMember(cluster: ClusterState, path: string): string[] {
  const [, kind, id, ...rest] = path.split("/");
  if (id === undefined || rest.length > 0) return [];
  const pools = Object.entries(cluster.pools);
  if (kind === "vms") return pools.filter(([, pool]) => pool.vms.includes(Number(id))).map(([poolid]) => poolid);
  if (kind === "storage") return pools.filter(([, pool]) => pool.storages.includes(id)).map(([poolid]) => poolid);
  return [];
}

/** `/access/permissions`: every path where something may be granted → privileges there. Paths without any are left out. */
export function effectivePermissions(cluster: ClusterState, authid: string, nowMs: number): Record<string, Privileges> {
  const paths = new Set(["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"]);
  for (const entry of cluster.access.acl) for (const path of pathAndAncestors(entry.path)) paths.add(path);
  for (const pool of Object.values(cluster.pools)) {
    for (const vmid of pool.vms) paths.add(`/vms/${vmid}`);
    for (const storage of pool.storages) paths.add(`/storage/${storage}`);
  }
  const found: Record<string, Privileges> = {};
  for (const path of [...paths].sort()) {
    const privileges = privilegesOn(cluster, authid, path, nowMs);
    if (Object.keys(privileges).length > 0) found[path] = privileges;
  }
  return found;
}

/** What one authenticated caller may do; `requirePrivilege` and `hasPrivilege` of a call. */
export class Authorization {
  constructor(
    private readonly cluster: ClusterState,
    private readonly user: AuthenticatedUser,
    private readonly nowMs: () => number,
  ) {}

  has(path: string, privilege: string): boolean {
    // Not even a token of root@pam comes here: it has all privileges through its user, yet is not root.
    if (this.user.isRoot) return allPrivileges(this.cluster.era).includes(privilege);
    return privilege in privilegesOn(this.cluster, this.user.authid, path, this.nowMs());
  }

  require(path: string, privileges: readonly string[], mode: "any" | "all" = "all"): void {
    const held = (privilege: string) => this.has(path, privilege);
    if (mode === "any" ? privileges.some(held) : privileges.every(held)) return;
    throw new ApiError(403, `Permission check failed (${path}, ${privileges.join("|")})`);
  }
}

function groupsOf(cluster: ClusterState, userid: string): Set<string> {
  const groups = new Set(cluster.access.users[userid]?.groups ?? []);
  for (const [groupid, group] of Object.entries(cluster.access.groups)) if (group.users.includes(userid)) groups.add(groupid);
  return groups;
}

/** `/`, `/a`, `/a/b` for `/a/b`. */
function pathAndAncestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return ["/", ...parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)];
}
