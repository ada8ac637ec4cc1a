import type { ProxmoxApi } from "./api";
import { type Credentials, createAuthentication } from "./authentication";
import { backupCalls } from "./backup";
import { Caller } from "./call";
import { type Clock, systemClock } from "./clock";
import { clusterCalls } from "./cluster";
import { EndpointSet } from "./endpoints";
import { haCalls } from "./ha";
import { poolCalls } from "./pools";
import { qemuCalls } from "./qemu";
import { replicationCalls } from "./replication";
import { Requester, type RequestInfo } from "./requester";
import { storageCalls } from "./storage";
import { taskCalls } from "./tasks";
import type { TlsOptions } from "./tls";
import { Transport } from "./transport";

export interface ProxmoxClientOptions {
  /** Names the cluster in errors. */
  clusterId: string;
  /** `https://host:port`, tried in this order; the one that answers is kept. */
  endpoints: readonly string[];
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

/** A client for one cluster. Connects with the first call. Throws TypeError on malformed options, never naming a secret. */
export function createProxmoxClient(options: ProxmoxClientOptions): ProxmoxApi {
  const { clusterId, credentials, tls, connectTimeoutMs, requestTimeoutMs, onRequest } = options;
  const clock: Clock = {
    nowMs: options.nowMs ?? systemClock.nowMs,
    sleep: options.sleep ?? systemClock.sleep,
    random: options.random ?? systemClock.random,
  };
  const endpoints = options.endpoints.map((url) => {
    const origin = originOf(url);
    return { url: origin, target: new Transport(origin, { tls, connectTimeoutMs }) };
  });
  const requester = new Requester({
    clusterId,
    endpoints: new EndpointSet(endpoints, clock),
    authentication: createAuthentication(credentials, clock, { cluster: clusterId }),
    clock,
    requestTimeoutMs,
    onRequest,
  });
  const call = new Caller(requester);
  return {
    clusterId,
    ...clusterCalls(call),
    pools: poolCalls(call),
    qemu: qemuCalls(call),
    storage: storageCalls(call),
    backup: backupCalls(call),
    tasks: taskCalls(call),
    ha: haCalls(call),
    replication: replicationCalls(call),
    request: async <T>(...[method, path, params, o]: Parameters<ProxmoxApi["request"]>) =>
      (await requester.request(method, path, params, o)) as T,
    close: () => requester.close(),
  };
}

/** Throws TypeError for anything but `https://host:port`. */
export function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "https:" || parsed.pathname !== "/" || parsed.username !== "" || parsed.search !== "") {
    throw new TypeError(`An API URL has the form https://host:port; "${parsed === undefined ? url : parsed.origin}" is not usable.`);
  }
  return parsed.origin;
}
