import type { Permissions, ProxmoxApi } from "../api";
import { type AuthenticationScheme, type Credentials, createAuthentication } from "../authentication";
import { Caller } from "../call";
import { originOf } from "../client";
import { type Clock, systemClock } from "../clock";
import { EndpointSet } from "../endpoints";
import { isProxmoxError } from "../errors";
import { Requester, type RequestInfo } from "../requester";
import { booleanOf, isRow, nonEmptyOf, rowsOf } from "../rows";
import { listedTask, taskCalls } from "../tasks";
import type { TlsOptions } from "../tls";
import { Transport } from "../transport";
import type { BackupServerApi } from "./api";
import { classifyPbsResponse } from "./classify";
import { datastoreCalls, versionOf } from "./datastores";
import { remoteCalls } from "./remotes";
import { snapshotCalls } from "./snapshots";
import { syncJobCalls } from "./sync-jobs";

export interface BackupServerClientOptions {
  /** Names the server in errors. */
  serverId: string;
  /** `https://host:port`; the API listens on port 8007. */
  url: string;
  credentials: Credentials;
  tls: TlsOptions;
  connectTimeoutMs: number;
  /** Whole time of one call, from sending to the last byte. */
  requestTimeoutMs: number;
  /** For tests and simulated time. */
  sleep?: Clock["sleep"];
  random?: Clock["random"];
  nowMs?: Clock["nowMs"];
  /** After each HTTP exchange, also failed and repeated ones. */
  onRequest?: (info: RequestInfo) => void;
}

const system = "backup server";

const scheme: AuthenticationScheme = {
  tokenIdPattern: /^[^\s:/@!]+@[A-Za-z0-9_][\w.-]*![A-Za-z0-9_][\w.-]*$/,
  authorization: (tokenId, secret) => `PBSAPIToken=${tokenId}:${secret}`,
  cookie: "PBSAuthCookie",
  product: "Proxmox Backup Server",
};

/** A client for one backup server: same transport, retries and errors as for clusters. Throws TypeError on malformed options. */
export function createBackupServerClient(options: BackupServerClientOptions): BackupServerApi {
  const { serverId, credentials, tls, connectTimeoutMs, requestTimeoutMs, onRequest } = options;
  const clock: Clock = {
    nowMs: options.nowMs ?? systemClock.nowMs,
    sleep: options.sleep ?? systemClock.sleep,
    random: options.random ?? systemClock.random,
  };
  const url = originOf(options.url);
  const requester = new Requester({
    clusterId: serverId,
    system,
    classify: classifyPbsResponse,
    endpoints: new EndpointSet([{ url, target: new Transport(url, { tls, connectTimeoutMs }) }], clock),
    authentication: createAuthentication(credentials, clock, { cluster: serverId, system }, scheme),
    clock,
    requestTimeoutMs,
    onRequest,
  });
  const call = new Caller(requester);
  return {
    serverId,
    getVersion: async (o) => versionOf(await call.getRow("/version", {}, o)),
    findInstanceId: async (o) => {
      try {
        return nonEmptyOf((await call.getRow("/nodes/localhost/identity", {}, o))["pbs-instance-id"]);
      } catch (error) {
        if (isProxmoxError(error, "NOT_IMPLEMENTED")) return undefined;
        throw error;
      }
    },
    getPermissions: async (o) => permissionsOf(await call.getRow("/access/permissions", {}, o)),
    datastores: datastoreCalls(call),
    snapshots: snapshotCalls(call),
    remotes: remoteCalls(call),
    syncJobs: syncJobCalls(call),
    tasks: {
      // Whatever the server's name is, it takes `localhost`; and it counts the lines of a log from 1.
      ...taskCalls(call, { node: "localhost", firstLine: 1 }),
      list: async ({ typeFilter, running, sinceSeconds, limit } = {}, o) => {
        const wanted = { typefilter: typeFilter, running, since: sinceSeconds, limit };
        return rowsOf(await call.get("/nodes/localhost/tasks", wanted, o)).flatMap((row) => listedTask(row) ?? []);
      },
    },
    request: async <T>(...[method, path, params, o]: Parameters<ProxmoxApi["request"]>) =>
      (await requester.request(method, path, params, o)) as T,
    close: () => requester.close(),
  };
}

function permissionsOf(row: Record<string, unknown>): Permissions {
  const paths = Object.entries(row).filter((entry): entry is [string, Record<string, unknown>] => isRow(entry[1]));
  return Object.fromEntries(
    paths.map(([path, privileges]) => [
      path,
      Object.fromEntries(Object.entries(privileges).map(([name, below]) => [name, booleanOf(below)])),
    ]),
  );
}
