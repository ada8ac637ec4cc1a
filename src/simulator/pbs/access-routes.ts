/** Version, login, own permissions, identity. */
import { ApiError } from "../kernel";
import { isPassword, issueTicket } from "./authentication";
import type { PbsCall, PbsRoute } from "./calls";
import { node, optionalText } from "./fields";
import { privilegesAt } from "./permissions";

export const accessRoutes: PbsRoute[] = [
  { method: "GET", path: "/ping", parameters: {}, handler: () => ({ pong: true }) },
  {
    method: "GET",
    path: "/version",
    parameters: {},
    handler: ({ server }) => {
      const [version = "", release = ""] = /^(\d+\.\d+)(?:\.(\d+))?$/.exec(server.version)?.slice(1) ?? [];
      return { version, release: release || "1", repoid: "simulated" };
    },
  },
  {
    method: "POST",
    path: "/access/ticket",
    parameters: { username: { type: "string" }, password: { type: "string" }, path: optionalText, privs: optionalText, port: optionalText },
    handler: login,
  },
  { method: "GET", path: "/access/permissions", parameters: { "auth-id": optionalText, path: optionalText }, handler: listPermissions },
  {
    method: "GET",
    path: "/nodes/{node}/identity",
    parameters: { node },
    handler: ({ server }) => ({ "pbs-instance-id": server.instanceId }),
  },
];

function login(call: PbsCall): unknown {
  const username = call.text("username") ?? "";
  const nowMs = call.world.clock.nowMs();
  if (!isPassword(call.server, username, call.text("password") ?? "", nowMs)) throw new ApiError(401, "permission check failed.");
  const { ticket, csrfToken } = issueTicket(call.server, username, nowMs);
  return { username, ticket, CSRFPreventionToken: csrfToken };
}

/** Path → privilege → whether it counts below too. Without `path`: wherever something could be set. */
function listPermissions(call: PbsCall): unknown {
  const authid = call.text("auth-id") ?? call.authid;
  if (authid !== call.authid && !call.has("/access", "Sys.Audit")) throw new ApiError(400, `not allowed to list permissions of ${authid}`);
  const wanted = call.text("path");
  const { server } = call;
  const paths = wanted
    ? [wanted]
    : [
        "/",
        "/access",
        "/datastore",
        "/remote",
        "/system",
        ...Object.keys(server.datastores).map((name) => `/datastore/${name}`),
        ...Object.keys(server.remotes).map((name) => `/remote/${name}`),
        ...server.access.acl.map(({ path }) => path),
      ];
  const held = [...new Set(paths)].map((path) => [path, Object.fromEntries(privilegesAt(server.access, authid, path))] as const);
  return Object.fromEntries(
    held.filter(([path, privileges]) => wanted !== undefined || path === "/" || Object.keys(privileges).length > 0),
  );
}
