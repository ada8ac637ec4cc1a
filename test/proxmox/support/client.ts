import { createProxmoxClient, type ProxmoxClientOptions } from "../../../src/proxmox";
import type { ApiServer } from "./api-server";

export const tokenSecret = "8d7f2c3a-top-secret-token";

/** A client that neither waits nor rolls dice. `sleeps` holds the pauses it would have made. */
export function testClient(servers: Pick<ApiServer, "url" | "fingerprint">[], options: Partial<ProxmoxClientOptions> = {}) {
  const sleeps: number[] = [];
  let nowMs = 1_000_000;
  const client = createProxmoxClient({
    clusterId: "hel",
    endpoints: servers.map(({ url }) => url),
    credentials: { kind: "token", tokenId: "iac@pve!deploy", secret: tokenSecret },
    tls: { fingerprint: servers[0]?.fingerprint, verify: true },
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
    random: () => 1,
    nowMs: () => nowMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      sleeps.push(ms);
      nowMs += ms;
      // Real I/O of the call before goes on meanwhile.
      await new Promise((resolve) => setImmediate(resolve));
    },
    ...options,
  });
  return {
    client,
    sleeps,
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

/** The error a promise rejects with; fails when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected a rejection, but the call succeeded");
}
