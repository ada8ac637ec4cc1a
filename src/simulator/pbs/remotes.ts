/** Other backup servers, as remote.cfg names them, and reaching them. */
import { createHash } from "node:crypto";
import { ApiError } from "../kernel";
import type { SimulatorWorld } from "../world";
import { isPassword, LoginRefused, verifyToken } from "./authentication";
import { getDatastore, type PbsCall, PbsReply, type PbsRoute } from "./calls";
import { aclPath } from "./datastore-access";
import { id, optional, optionalList, optionalText, store } from "./fields";
import { privilegesAt } from "./permissions";
import { groupsOf, listSnapshots, ownerOf } from "./snapshots";
import type { BackupServerState, RemoteState } from "./state";

const base = "/config/remote";
const settings = {
  host: { type: "string" },
  port: { type: "integer", optional: true, minimum: 1, maximum: 65_535 },
  "auth-id": { type: "string", pattern: /^[^\s:/@]+@[A-Za-z0-9._-]+(![A-Za-z0-9._-]+)?$/ },
  password: { type: "string", minLength: 1, maxLength: 1024 },
  fingerprint: { ...optionalText, pattern: /^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$/ },
  comment: optionalText,
} as const;
const digest = { ...optionalText, pattern: /^[0-9a-f]{64}$/ };

export const remoteRoutes: PbsRoute[] = [
  {
    method: "GET",
    path: base,
    parameters: {},
    handler: (call) => {
      const visible = Object.entries(call.server.remotes).filter(([name]) => call.has(`/remote/${name}`, "Remote.Audit"));
      return new PbsReply(
        visible.map(([name, remote]) => describe(name, remote)),
        { digest: digestOf(call.server) },
      );
    },
  },
  {
    method: "POST",
    path: base,
    parameters: { name: id, ...settings },
    privilege: { path: "/remote", names: ["Remote.Modify"] },
    handler: createRemote,
  },
  {
    method: "GET",
    path: `${base}/{name}`,
    parameters: { name: id },
    privilege: { path: "/remote/{name}", names: ["Remote.Audit"] },
    handler: (call) => new PbsReply(describe(call.text("name")!, getRemote(call)), { digest: digestOf(call.server) }),
  },
  {
    method: "PUT",
    path: `${base}/{name}`,
    parameters: {
      name: id,
      ...settings,
      host: optional(settings.host),
      "auth-id": optional(settings["auth-id"]),
      password: optional(settings.password),
      delete: optionalList,
      digest,
    },
    privilege: { path: "/remote/{name}", names: ["Remote.Modify"] },
    handler: updateRemote,
  },
  {
    method: "DELETE",
    path: `${base}/{name}`,
    parameters: { name: id, digest },
    privilege: { path: "/remote/{name}", names: ["Remote.Modify"] },
    handler: deleteRemote,
  },
  {
    method: "GET",
    path: `${base}/{name}/scan`,
    parameters: { name: id },
    privilege: { path: "/remote/{name}", names: ["Remote.Audit"] },
    handler: (call) => {
      const peer = connect(call.world, getRemote(call));
      return Object.entries(peer.server.datastores)
        .filter(([name]) => peer.has(aclPath(name, ""), "Datastore.Audit") || peer.has(aclPath(name, ""), "Datastore.Backup"))
        .map(([name, { comment }]) => ({ store: name, ...(comment === undefined ? {} : { comment }) }));
    },
  },
  {
    method: "GET",
    path: `${base}/{name}/scan/{store}/groups`,
    parameters: { name: id, store, namespace: optionalText },
    privilege: { path: "/remote/{name}", names: ["Remote.Audit"] },
    handler: (call) => {
      const peer = connect(call.world, getRemote(call));
      const datastore = getDatastore(call.world, peer.server, call.text("store")!);
      const ns = call.text("namespace") ?? "";
      if (!peer.has(aclPath(datastore.name, ns), "Datastore.Audit")) throw new ApiError(403, "permission check failed");
      return groupsOf(listSnapshots(datastore).filter((found) => found.ns === ns)).map((group) => ({
        "backup-type": group.type,
        "backup-id": group.id,
        owner: ownerOf(datastore, group),
      }));
    },
  },
];

function getRemote(call: PbsCall): RemoteState {
  const name = call.text("name") ?? "";
  const remote = Object.hasOwn(call.server.remotes, name) ? call.server.remotes[name] : undefined;
  if (!remote) throw new ApiError(400, `no such remote '${name}'`);
  return remote;
}

/** Never the password. */
function describe(name: string, remote: RemoteState): Record<string, unknown> {
  const { host, port, authId, fingerprint, comment } = remote;
  const rest = { port, fingerprint, comment };
  return { name, host, "auth-id": authId, ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) };
}

function digestOf(server: BackupServerState): string {
  return createHash("sha256").update(JSON.stringify(server.remotes)).digest("hex");
}

function requireDigest(call: PbsCall): void {
  const given = call.text("digest");
  if (given !== undefined && given !== digestOf(call.server))
    throw new ApiError(400, "detected modified configuration - file changed by other user? Try again.");
}

function createRemote(call: PbsCall): void {
  const name = call.text("name")!;
  if (call.server.remotes[name])
    throw new ApiError(400, `parameter verification errors\n\nparameter 'name': remote '${name}' already exists.`);
  call.server.remotes[name] = {
    host: call.text("host")!,
    ...(call.params.port === undefined ? {} : { port: Number(call.params.port) }),
    authId: call.text("auth-id")!,
    password: call.text("password")!,
    fingerprint: call.text("fingerprint"),
    comment: call.text("comment")?.trim(),
  };
  call.world.touch();
}

function updateRemote(call: PbsCall): void {
  const remote = getRemote(call);
  requireDigest(call);
  for (const key of (call.params.delete as string[] | undefined) ?? []) {
    if (key === "comment" || key === "fingerprint" || key === "port") delete remote[key];
  }
  remote.host = call.text("host") ?? remote.host;
  remote.authId = call.text("auth-id") ?? remote.authId;
  remote.password = call.text("password") ?? remote.password;
  remote.fingerprint = call.text("fingerprint") ?? remote.fingerprint;
  remote.comment = call.text("comment")?.trim() ?? remote.comment;
  if (call.params.port !== undefined) remote.port = Number(call.params.port);
  call.world.touch();
}

function deleteRemote(call: PbsCall): void {
  const name = call.text("name")!;
  for (const [jobId, job] of Object.entries(call.server.syncJobs)) {
    if (job.remote === name) {
      const text = `remote '${name}' is used by sync job '${jobId}' (datastore '${job.store}')`;
      throw new ApiError(400, `parameter verification errors\n\nparameter 'name': ${text}`);
    }
  }
  if (!call.server.remotes[name]) throw new ApiError(404, `remote '${name}' does not exist.`);
  requireDigest(call);
  delete call.server.remotes[name];
  call.world.touch();
}

/** A remote server after the login that remote.cfg describes. */
export interface Peer {
  server: BackupServerState;
  authid: string;
  has(path: string, privilege: string): boolean;
}

/** Throws an Error with the client's words when nobody answers, the certificate differs or the login fails. */
export function connect(world: SimulatorWorld, remote: RemoteState): Peer {
  const server = world.backupServerAt(remote.host, remote.port ?? 8007);
  if (!server || server.down) throw new Error("error trying to connect: tcp connect error: Connection refused (os error 111)");
  if (remote.fingerprint !== undefined && remote.fingerprint.toUpperCase() !== server.fingerprint?.toUpperCase())
    throw new Error("error trying to connect: error connecting to remote - certificate fingerprint does not match");
  const { authId, password } = remote;
  try {
    if (authId.includes("!")) verifyToken(server, `${authId}:${password}`);
    else if (!isPassword(server, authId, password, world.clock.nowMs())) throw new LoginRefused("permission check failed.");
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error;
    throw new Error(`remote connection to '${remote.host}' failed - authentication failed - ${error.message}`, { cause: error });
  }
  return { server, authid: authId, has: (path, privilege) => privilegesAt(server.access, authId, path).has(privilege) };
}
