/** API tokens of users. */
import { randomUUID } from "node:crypto";
import { parameterError, textOf } from "../answers";
import { comment, expire, flag, tokenid, userid } from "../fields";
import { ApiError, type Call, type Route } from "../kernel";
import type { Era } from "../state";
import { tokenRow } from "./users";

/** Users look after their own tokens, tokens never do; others need User.Modify. */
function requireTokenRights(call: Call): void {
  const owner = String(call.params.userid);
  if (call.user.authid === owner) return;
  if (!call.hasPrivilege("/access/groups", "User.Modify")) throw new ApiError(403, "Permission check failed");
}

function requireUser(call: Call): string {
  const owner = String(call.params.userid);
  if (!call.cluster.access.users[owner]) throw new ApiError(500, `no such user ('${owner}')`);
  return owner;
}

function getToken(call: Call) {
  const owner = requireUser(call);
  const name = String(call.params.tokenid);
  const full = `${owner}!${name}`;
  const token = call.cluster.access.tokens[full];
  if (!token) throw new ApiError(500, `no such token '${name}' for user '${owner}'`);
  return { full, token };
}

function createToken(call: Call): unknown {
  const owner = requireUser(call);
  const full = `${owner}!${String(call.params.tokenid)}`;
  if (call.cluster.access.tokens[full]) throw parameterError("tokenid", "Token already exists.");
  const secret = randomUUID();
  const { privsep, expire: expires } = call.params;
  call.cluster.access.tokens[full] = {
    secret,
    privsep: privsep !== false,
    expire: Number(expires ?? 0),
    comment: textOf(call, "comment"),
  };
  call.world.touch();
  const info = {
    // Given values come back as the strings they arrived as, the default as a number.
    privsep: privsep === undefined ? 1 : privsep ? "1" : "0",
    ...(expires === undefined ? {} : { expire: String(expires) }),
    ...(call.params.comment === undefined ? {} : { comment: textOf(call, "comment") }),
  };
  return { "full-tokenid": full, value: secret, info };
}

function updateToken(call: Call): unknown {
  const { full, token } = getToken(call);
  if (call.params.privsep !== undefined) token.privsep = call.params.privsep === true;
  if (call.params.expire !== undefined) token.expire = Number(call.params.expire);
  if (call.params.comment !== undefined) token.comment = textOf(call, "comment");
  const regenerated = call.params.regenerate === true;
  if (regenerated) token.secret = randomUUID();
  call.world.touch();
  const { privsep, expire: expires } = call.params;
  return {
    ...tokenRow(token),
    ...(privsep === undefined ? {} : { privsep: privsep ? "1" : "0" }),
    ...(expires === undefined ? {} : { expire: String(expires) }),
    ...(regenerated ? { "full-tokenid": full, value: token.secret } : {}),
  };
}

function deleteToken(call: Call): null {
  const { full } = getToken(call);
  delete call.cluster.access.tokens[full];
  call.cluster.access.acl = call.cluster.access.acl.filter((entry) => entry.subject !== full);
  call.world.touch();
  return null;
}

function listTokens(call: Call): unknown {
  const prefix = `${requireUser(call)}!`;
  return Object.entries(call.cluster.access.tokens)
    .filter(([full]) => full.startsWith(prefix))
    .map(([full, token]) => ({ tokenid: full.slice(prefix.length), ...tokenRow(token) }))
    .sort((a, b) => (a.tokenid < b.tokenid ? -1 : 1));
}

export function tokenRoutes(era: Era): Route[] {
  const path = "/access/users/{userid}/token/{tokenid}";
  const attributes = { userid, tokenid, comment, expire, privsep: flag };
  return [
    { method: "GET", path: "/access/users/{userid}/token", permission: requireTokenRights, parameters: { userid }, handler: listTokens },
    {
      method: "GET",
      path,
      permission: requireTokenRights,
      parameters: { userid, tokenid },
      handler: (call) => tokenRow(getToken(call).token),
    },
    { method: "POST", path, permission: requireTokenRights, parameters: attributes, handler: createToken },
    {
      method: "PUT",
      path,
      permission: requireTokenRights,
      parameters: era === "9.2" ? { ...attributes, regenerate: flag } : attributes,
      handler: updateToken,
    },
    { method: "DELETE", path, permission: requireTokenRights, parameters: { userid, tokenid }, handler: deleteToken },
  ];
}
