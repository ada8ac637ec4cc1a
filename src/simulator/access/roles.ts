/** Roles, access control lists and effective permissions. */
import { flagOf, listOf, parameterError } from "../answers";
import { flag, fullTokenid, groupid, listOf as listRule, optional, userid } from "../fields";
import { authidPattern, privilegeFormat, roleidFormat } from "../formats";
import { ApiError, type Call, type ParameterRule, type Route } from "../kernel";
import { effectivePermissions, findRole, isAclPath, normalizeAclPath, privilegesOn, splitAuthid } from "../permissions";
import { allPrivileges, builtInRoles } from "../privileges";
import type { AccessState, Era } from "../state";

const roleid: ParameterRule = { type: "string", format: roleidFormat };

function listRoles(call: Call): unknown {
  const { cluster } = call;
  const row =
    (special: 0 | 1) =>
    ([role, privileges]: [string, readonly string[]]) => ({ roleid: role, special, privs: [...privileges].sort().join(",") });
  return [...Object.entries(builtInRoles[cluster.era]).map(row(1)), ...Object.entries(cluster.access.roles).map(row(0))];
}

function requireOwnRole(call: Call, verb: string, prefix: string): string {
  const role = String(call.params.roleid);
  if (builtInRoles[call.cluster.era][role]) throw new ApiError(500, `auto-generated role '${role}' cannot be ${verb}`);
  if (!call.cluster.access.roles[role]) throw new ApiError(500, `${prefix}: role '${role}' does not exist`);
  return role;
}

function createRole(call: Call): null {
  const role = String(call.params.roleid);
  if (/^pve/i.test(role)) throw parameterError("roleid", "cannot use role ID starting with the (case-insensitive) 'PVE' namespace");
  if (findRole(call.cluster, role)) throw new ApiError(500, `create role failed: role '${role}' already exists`);
  call.cluster.access.roles[role] = listOf(call, "privs");
  call.world.touch();
  return null;
}

function updateRole(call: Call): null {
  const role = requireOwnRole(call, "modified", "update role failed");
  const kept = call.params.append === true ? (call.cluster.access.roles[role] ?? []) : [];
  call.cluster.access.roles[role] = [...new Set([...kept, ...listOf(call, "privs")])];
  call.world.touch();
  return null;
}

function listAcl(call: Call): unknown {
  const modify = call.hasPrivilege("/access", "Sys.Audit") || call.hasPrivilege("/access", "Permissions.Modify");
  return call.cluster.access.acl
    .filter((entry) => modify || call.hasPrivilege(entry.path, "Permissions.Modify"))
    .map((entry) => ({
      path: entry.path,
      type: entry.kind,
      ugid: entry.subject,
      roleid: entry.role,
      propagate: flagOf(entry.propagate),
    }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Whoever may create what a path stands for may hand on rights there. */
const delegates: Record<string, string> = { vms: "VM.Allocate", storage: "Datastore.Allocate", pool: "Pool.Allocate" };

function requireAclRights(call: Call): void {
  const path = normalizeAclPath(String(call.params.path ?? "/")) ?? "/";
  const delegate = delegates[path.split("/")[1] ?? ""];
  call.requirePrivilege(path, delegate === undefined ? ["Permissions.Modify"] : ["Permissions.Modify", delegate], "any");
}

/** Without Permissions.Modify one hands on only what one has. */
function requireOwnPrivileges(call: Call, path: string, role: string): void {
  if (call.hasPrivilege(path, "Permissions.Modify")) return;
  const own = privilegesOn(call.cluster, call.user.authid, path, call.world.clock.nowMs());
  const wanted = findRole(call.cluster, role) ?? [];
  const refuse = (what: string, superset: string): never => {
    const text = `role: Cannot ${call.params.delete === true ? "remove" : "add"} role '${role}'${what} - requires 'Permissions.Modify' or ${superset}.`;
    throw new ApiError(500, `ACL update failed: 400 Parameter verification failed.\n${text}\n`);
  };
  if (wanted.some((privilege) => !(privilege in own))) refuse("", "superset of privileges");
  if (call.params.propagate !== false && wanted.some((privilege) => !own[privilege]))
    refuse(" with propagation", "propagated superset of privileges");
}

function updateAcl(call: Call): null {
  const { access } = call.cluster;
  const path = aclPath(call);
  const subjects: { kind: AccessState["acl"][number]["kind"]; subject: string }[] = [
    ...listOf(call, "users").map((subject) => ({ kind: "user" as const, subject })),
    ...listOf(call, "groups").map((subject) => ({ kind: "group" as const, subject })),
    ...listOf(call, "tokens").map((subject) => ({ kind: "token" as const, subject })),
  ];
  if (subjects.length === 0) {
    const text = "either 'users', 'groups' or 'tokens' is required.";
    throw new ApiError(400, "Parameter verification failed.", { users: text, groups: text, tokens: text });
  }
  const remove = call.params.delete === true;
  for (const role of listOf(call, "roles")) {
    if (!findRole(call.cluster, role)) throw new ApiError(500, `ACL update failed: role '${role}' does not exist`);
    requireOwnPrivileges(call, path, role);
    for (const { kind, subject } of subjects) {
      requireSubject(access, kind, subject);
      access.acl = access.acl.filter(
        (entry) => entry.path !== path || entry.kind !== kind || entry.subject !== subject || entry.role !== role,
      );
      if (!remove) access.acl.push({ path, subject, kind, role, propagate: call.params.propagate !== false });
    }
  }
  call.world.touch();
  return null;
}

function aclPath(call: Call): string {
  const given = String(call.params.path);
  const path = normalizeAclPath(given);
  // Removing is allowed on a path that no longer exists.
  if (path === undefined || (call.params.delete !== true && !isAclPath(path))) throw parameterError("path", `invalid ACL path '${given}'`);
  return path;
}

function requireSubject(access: AccessState, kind: "user" | "group" | "token", subject: string): void {
  if (kind === "user" && !access.users[subject]) throw new ApiError(500, `ACL update failed: user '${subject}' does not exist`);
  if (kind === "group" && !access.groups[subject]) throw new ApiError(500, `ACL update failed: group '${subject}' does not exist`);
  if (kind === "token" && !access.tokens[subject]) {
    const { userid: owner, token } = splitAuthid(subject);
    throw new ApiError(500, `ACL update failed: no such token '${token}' for user '${owner}'`);
  }
}

function getPermissions(call: Call): unknown {
  const subject = call.params.userid === undefined ? call.user.authid : String(call.params.userid);
  const nowMs = call.world.clock.nowMs();
  // One may ask about oneself and, as a user, about one's own tokens.
  const own = subject === call.user.authid || (!call.user.isToken && splitAuthid(subject).userid === call.user.userid);
  if (!own) call.requirePrivilege("/access", ["Sys.Audit"]);
  const permissions =
    call.params.path === undefined
      ? effectivePermissions(call.cluster, subject, nowMs)
      : { [String(call.params.path)]: privilegesOn(call.cluster, subject, normalizeAclPath(String(call.params.path)) ?? "/", nowMs) };
  return Object.fromEntries(
    Object.entries(permissions).map(([path, privileges]) => [
      path,
      Object.fromEntries(Object.entries(privileges).map(([privilege, propagates]) => [privilege, flagOf(propagates)])),
    ]),
  );
}

export function roleRoutes(era: Era): Route[] {
  const known = allPrivileges(era);
  const privs = listRule({ type: "string", format: privilegeFormat(known) });
  const manage = (call: Call) => call.requirePrivilege("/access", ["Sys.Modify"]);
  return [
    { method: "GET", path: "/access/roles", parameters: {}, handler: listRoles },
    { method: "POST", path: "/access/roles", permission: manage, parameters: { roleid, privs }, handler: createRole },
    {
      method: "GET",
      path: "/access/roles/{roleid}",
      parameters: { roleid },
      handler: (call) => {
        const role = findRole(call.cluster, String(call.params.roleid));
        if (!role) throw new ApiError(500, `role '${call.params.roleid}' does not exist`);
        return Object.fromEntries(role.map((privilege) => [privilege, 1]));
      },
    },
    {
      method: "PUT",
      path: "/access/roles/{roleid}",
      permission: manage,
      parameters: { roleid, privs, append: { type: "boolean", optional: true, requires: "privs" } },
      handler: updateRole,
    },
    {
      method: "DELETE",
      path: "/access/roles/{roleid}",
      permission: manage,
      parameters: { roleid },
      handler: (call) => {
        const role = requireOwnRole(call, "deleted", "delete role failed");
        delete call.cluster.access.roles[role];
        call.cluster.access.acl = call.cluster.access.acl.filter((entry) => entry.role !== role);
        call.world.touch();
        return null;
      },
    },
    { method: "GET", path: "/access/acl", parameters: {}, handler: listAcl },
    {
      method: "PUT",
      path: "/access/acl",
      permission: requireAclRights,
      parameters: {
        path: { type: "string" },
        roles: { ...listRule(roleid), optional: false },
        users: listRule(userid),
        groups: listRule(groupid),
        tokens: listRule(fullTokenid),
        propagate: flag,
        delete: flag,
      },
      handler: updateAcl,
    },
    {
      method: "GET",
      path: "/access/permissions",
      parameters: { userid: optional({ type: "string", pattern: authidPattern }), path: optional() },
      handler: getPermissions,
    },
  ];
}
