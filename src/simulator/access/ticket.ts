/** Login, realms and passwords. */

import { listOf, parameterError, textOf } from "../answers";
import { isPassword, issueTicket } from "../authentication";
import { optional, userid } from "../fields";
import { privilegeFormat } from "../formats";
import { ApiError, type Call, type ClusterState, type Route } from "../kernel";
import { effectivePermissions, normalizeAclPath, privilegesOn } from "../permissions";
import { allPrivileges } from "../privileges";
import type { Era } from "../state";
import { realms } from "./realms";
import { requireRealm } from "./users";

/** What the web interface needs to know about a user's rights: category → privileges held anywhere in it. */
function capabilities(cluster: ClusterState, userid: string, nowMs: number): Record<string, Record<string, 1>> {
  const categories: Record<string, RegExp> = {
    access: /^(User\.Modify|Group\.Allocate|Permissions\.Modify)$/,
    dc: /^(Sys\.(Audit|Modify)|SDN\..*)$/,
    mapping: /^(Mapping\..*|Permissions\.Modify)$/,
    nodes: /^(Sys\..*|Permissions\.Modify)$/,
    sdn: /^(SDN\..*|Permissions\.Modify)$/,
    storage: /^(Datastore\..*|Permissions\.Modify)$/,
    vms: /^(VM\..*|Permissions\.Modify)$/,
  };
  const found: Record<string, Record<string, 1>> = Object.fromEntries(Object.keys(categories).map((category) => [category, {}]));
  for (const [path, privileges] of Object.entries(effectivePermissions(cluster, userid, nowMs))) {
    const top = path.split("/")[1] ?? "";
    for (const [category, shown] of Object.entries(categories)) {
      // A pool's rights are rights on its guests and storages; the datacenter's come from the root only.
      const counts = top === "" || top === category || (top === "pool" && (category === "vms" || category === "storage"));
      if (!counts) continue;
      for (const privilege of Object.keys(privileges)) if (shown.test(privilege)) found[category]![privilege] = 1;
    }
  }
  return found;
}

function login(call: Call): unknown {
  const { cluster, world } = call;
  const nowMs = world.clock.nowMs();
  const name = textOf(call, "username") ?? "";
  const realm = textOf(call, "realm");
  const userid = realm === undefined ? name : `${name}@${realm}`;
  if (!isPassword(cluster, userid, textOf(call, "password") ?? "", nowMs)) throw new ApiError(401, "authentication failure");
  const canSeeName = userid === "root@pam" || "Sys.Audit" in (effectivePermissions(cluster, userid, nowMs)["/"] ?? {});
  return {
    username: userid,
    ...(call.params.path === undefined ? newSession(cluster, userid, nowMs) : probe(call, userid, nowMs)),
    cap: capabilities(cluster, userid, nowMs),
    ...(cluster.clusterName !== undefined && canSeeName ? { clustername: cluster.clusterName } : {}),
  };
}

function newSession(cluster: ClusterState, userid: string, nowMs: number): Record<string, string> {
  const { ticket, csrfToken } = issueTicket(cluster, userid, nowMs);
  return { ticket, CSRFPreventionToken: csrfToken };
}

/** With `path` and `privs` a login only asks whether the user has the privileges there; it gives no ticket. */
function probe(call: Call, userid: string, nowMs: number): Record<string, string> {
  const held = privilegesOn(call.cluster, userid, normalizeAclPath(String(call.params.path)) ?? "/", nowMs);
  const wanted = listOf(call, "privs");
  if (userid !== "root@pam" && !wanted.every((privilege) => privilege in held)) throw new ApiError(401, "authentication failure");
  return {};
}

function changePassword(call: Call): null {
  const { cluster, user } = call;
  const target = String(call.params.userid);
  const account = cluster.access.users[target];
  if (!account) throw new ApiError(500, `no such user ('${target}')`);
  if (!user.isRoot) {
    const confirmation = textOf(call, "confirmation-password");
    if (confirmation === undefined) throw parameterError("confirmation-password", "password is required to modify user");
    if (!isPassword(cluster, user.userid, confirmation, call.world.clock.nowMs())) throw new ApiError(401, "authentication failure");
  }
  account.password = String(call.params.password);
  call.world.touch();
  return null;
}

export function ticketRoutes(era: Era): Route[] {
  return [
    { method: "GET", path: "/access/ticket", parameters: {}, handler: () => null },
    {
      method: "POST",
      path: "/access/ticket",
      tokenAllowed: false,
      parameters: {
        username: { type: "string", maxLength: 64 },
        password: { type: "string" },
        realm: optional({ type: "string", maxLength: 32 }),
        otp: optional(),
        "tfa-challenge": optional(),
        "new-format": { type: "boolean", optional: true },
        path: optional({ type: "string", maxLength: 64, requires: "privs" }),
        privs: { type: "list", optional: true, requires: "path", format: privilegeFormat(allPrivileges(era)) },
      },
      handler: login,
    },
    { method: "GET", path: "/access/domains", parameters: {}, handler: () => realms },
    {
      method: "PUT",
      path: "/access/password",
      tokenAllowed: false,
      permission: (call) => {
        if (call.user.userid !== call.params.userid) requireRealm(call, String(call.params.userid ?? ""));
      },
      parameters: {
        userid,
        password: { type: "string", minLength: 8, maxLength: 64 },
        "confirmation-password": optional({ type: "string", minLength: 5, maxLength: 64 }),
      },
      handler: changePassword,
    },
  ];
}
