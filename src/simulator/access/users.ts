/** Users and groups. */
import { flagOf, listOf, textOf } from "../answers";
import { comment, expire, flag, groupid, listOf as listRule, optional, userid } from "../fields";
import { emailFormat } from "../formats";
import { ApiError, type Call, type Route } from "../kernel";
import { realmType } from "./realms";

function realmOf(user: string): string {
  return user.slice(user.lastIndexOf("@") + 1);
}

/** Making and removing users is a right on their realm. */
export function requireRealm(call: Call, user: string): void {
  call.requirePrivilege(`/access/realm/${realmOf(user)}`, ["Realm.AllocateUser"]);
  if (call.hasPrivilege("/access/groups", "User.Modify")) return;
  throw new ApiError(403, "Permission check failed (/access/groups, User.Modify)");
}

/** Changing a user: User.Modify on all groups or on one of the user's. */
function requireUserModify(call: Call, user: string): void {
  const groups = call.cluster.access.users[user]?.groups ?? [];
  const paths = ["/access/groups", ...groups.map((group) => `/access/groups/${group}`)];
  if (!paths.some((path) => call.hasPrivilege(path, "User.Modify"))) throw new ApiError(403, "Permission check failed");
}

function maySee(call: Call, user: string): boolean {
  if (call.user.userid === user && !call.user.isToken) return true;
  return call.hasPrivilege("/access/groups", "User.Modify") || call.hasPrivilege("/access/groups", "Sys.Audit");
}

function tokensOf(call: Call, user: string): [string, { comment?: string; expire: number; privsep: boolean }][] {
  const prefix = `${user}!`;
  return Object.entries(call.cluster.access.tokens)
    .filter(([tokenid]) => tokenid.startsWith(prefix))
    .map(([tokenid, token]) => [tokenid.slice(prefix.length), token]);
}

function listUsers(call: Call): unknown {
  const full = call.params.full === true;
  return Object.entries(call.cluster.access.users)
    .filter(([name]) => maySee(call, name))
    .filter(([, user]) => call.params.enabled === undefined || user.enabled === call.params.enabled)
    .map(([name, user]) => {
      const type = realmType(name);
      const tokens = tokensOf(call, name).map(([tokenid, token]) => ({ tokenid, ...tokenRow(token) }));
      return {
        userid: name,
        enable: flagOf(user.enabled),
        expire: user.expire,
        ...(user.comment ? { comment: user.comment } : {}),
        ...(user.email ? { email: user.email } : {}),
        ...(type ? { "realm-type": type } : {}),
        ...(full ? { groups: groupsOf(call, name).join(","), tokens: tokens.length > 0 ? tokens : null } : {}),
      };
    });
}

export function tokenRow(token: { comment?: string; expire: number; privsep: boolean }): Record<string, unknown> {
  return { expire: token.expire, privsep: flagOf(token.privsep), ...(token.comment ? { comment: token.comment } : {}) };
}

function groupsOf(call: Call, user: string): string[] {
  const { groups, users } = call.cluster.access;
  const named = Object.keys(groups).filter((group) => groups[group]?.users.includes(user));
  return [...new Set([...(users[user]?.groups ?? []), ...named])].sort();
}

function getUser(call: Call): unknown {
  const name = String(call.params.userid);
  const user = call.cluster.access.users[name];
  if (!user) throw new ApiError(500, `no such user ('${name}')`);
  const tokens = tokensOf(call, name).map(([tokenid, token]) => [tokenid, tokenRow(token)]);
  return {
    enable: flagOf(user.enabled),
    expire: user.expire,
    groups: groupsOf(call, name),
    tokens: tokens.length > 0 ? Object.fromEntries(tokens) : null,
    ...(user.comment ? { comment: user.comment } : {}),
    ...(user.email ? { email: user.email } : {}),
  };
}

function createUser(call: Call): null {
  const { access } = call.cluster;
  const name = String(call.params.userid);
  // The realm is not looked up: a user of a realm that does not exist is created all the same.
  if (access.users[name]) throw new ApiError(500, `create user failed: user '${name}' already exists`);
  access.users[name] = {
    enabled: call.params.enable !== false,
    expire: Number(call.params.expire ?? 0),
    groups: requireGroups(call, "create user failed"),
    password: textOf(call, "password"),
    comment: textOf(call, "comment"),
    email: textOf(call, "email"),
  };
  call.world.touch();
  return null;
}

function requireGroups(call: Call, prefix: string): string[] {
  const groups = listOf(call, "groups");
  const missing = groups.find((group) => !call.cluster.access.groups[group]);
  if (missing !== undefined) throw new ApiError(500, `${prefix}: no such group '${missing}'`);
  return groups;
}

function updateUser(call: Call): null {
  const name = String(call.params.userid);
  const user = call.cluster.access.users[name];
  if (!user) throw new ApiError(500, `update user failed: no such user ('${name}')`);
  if (call.params.enable !== undefined) user.enabled = call.params.enable === true;
  if (call.params.expire !== undefined) user.expire = Number(call.params.expire);
  if (call.params.comment !== undefined) user.comment = textOf(call, "comment");
  if (call.params.email !== undefined) user.email = textOf(call, "email");
  if (call.params.groups !== undefined) {
    const groups = requireGroups(call, "update user failed");
    if (call.params.append !== true) leaveAllGroups(call, name);
    user.groups = [...new Set([...user.groups, ...groups])];
  }
  call.world.touch();
  return null;
}

function leaveAllGroups(call: Call, name: string): void {
  const user = call.cluster.access.users[name];
  if (user) user.groups = [];
  for (const group of Object.values(call.cluster.access.groups)) group.users = group.users.filter((member) => member !== name);
}

function deleteUser(call: Call): null {
  const { access } = call.cluster;
  const name = String(call.params.userid);
  leaveAllGroups(call, name);
  delete access.users[name];
  for (const tokenid of Object.keys(access.tokens)) if (tokenid.startsWith(`${name}!`)) delete access.tokens[tokenid];
  access.acl = access.acl.filter((entry) => entry.subject !== name && !entry.subject.startsWith(`${name}!`));
  call.world.touch();
  return null;
}

function listGroups(call: Call): unknown {
  const { groups, users } = call.cluster.access;
  return Object.entries(groups)
    .filter(([name]) => ["User.Modify", "Sys.Audit"].some((privilege) => call.hasPrivilege(`/access/groups/${name}`, privilege)))
    .map(([name, group]) => {
      const members = Object.keys(users).filter((user) => group.users.includes(user) || users[user]?.groups.includes(name));
      return { groupid: name, ...(group.comment ? { comment: group.comment } : {}), users: members.sort().join(",") };
    });
}

const attributes = {
  enable: flag,
  expire,
  comment,
  email: optional({ type: "string", format: emailFormat }),
  firstname: optional({ type: "string", maxLength: 1024 }),
  lastname: optional({ type: "string", maxLength: 1024 }),
  keys: optional(),
  groups: listRule(groupid),
};

export const userRoutes: Route[] = [
  { method: "GET", path: "/access/users", parameters: { enabled: flag, full: flag }, handler: listUsers },
  {
    method: "POST",
    path: "/access/users",
    permission: (call) => requireRealm(call, String(call.params.userid ?? "")),
    parameters: { userid, password: optional({ type: "string", minLength: 8, maxLength: 64 }), ...attributes },
    handler: createUser,
  },
  {
    method: "GET",
    path: "/access/users/{userid}",
    permission: (call) => {
      const paths = ["/access/groups", ...groupsOf(call, String(call.params.userid)).map((group) => `/access/groups/${group}`)];
      const held = paths.some((path) => call.hasPrivilege(path, "User.Modify") || call.hasPrivilege(path, "Sys.Audit"));
      if (!held) throw new ApiError(403, "Permission check failed");
    },
    parameters: { userid },
    handler: getUser,
  },
  {
    method: "PUT",
    path: "/access/users/{userid}",
    permission: (call) => requireUserModify(call, String(call.params.userid)),
    parameters: { userid, append: { type: "boolean", optional: true, requires: "groups" }, ...attributes },
    handler: updateUser,
  },
  {
    method: "DELETE",
    path: "/access/users/{userid}",
    permission: (call) => requireRealm(call, String(call.params.userid)),
    parameters: { userid },
    handler: deleteUser,
  },
  { method: "GET", path: "/access/groups", parameters: {}, handler: listGroups },
  {
    method: "POST",
    path: "/access/groups",
    permission: (call) => call.requirePrivilege("/access/groups", ["Group.Allocate"]),
    parameters: { groupid, comment },
    handler: (call) => {
      const name = String(call.params.groupid);
      if (call.cluster.access.groups[name]) throw new ApiError(500, `create group failed: group '${name}' already exists`);
      call.cluster.access.groups[name] = { comment: textOf(call, "comment") ?? "", users: [] };
      call.world.touch();
      return null;
    },
  },
  {
    method: "DELETE",
    path: "/access/groups/{groupid}",
    permission: (call) => call.requirePrivilege("/access/groups", ["Group.Allocate"]),
    parameters: { groupid },
    handler: (call) => {
      const name = String(call.params.groupid);
      const { access } = call.cluster;
      if (!access.groups[name]) throw new ApiError(500, `delete group failed: group '${name}' does not exist`);
      delete access.groups[name];
      for (const user of Object.values(access.users)) user.groups = user.groups.filter((group) => group !== name);
      access.acl = access.acl.filter((entry) => entry.kind !== "group" || entry.subject !== name);
      call.world.touch();
      return null;
    },
  },
];
