import { describe, expect, it } from "vitest";
import type { Cluster, Connection } from "../../src/config";
import { type ClusterClients, findGuestsByTag, NoConnectionError, takeSnapshot } from "../../src/inventory";
import {
  AuthenticationError,
  type CallOptions,
  ConnectionError,
  OutcomeUnknownError,
  PermissionError,
  type ProxmoxApi,
  QuorumError,
  RequestTimeoutError,
  TlsFingerprintError,
  UnexpectedResponseError,
} from "../../src/proxmox";
import { FakeCluster } from "../support/fake-cluster";
import { cluster, federation } from "../support/fake-federation";
import { FakeWorld } from "../support/fake-world";

const details = { summary: "GET failed", context: { cluster: "b", method: "GET" as const, path: "/cluster/resources" } };

/** Clients by cluster; one that is an error fails where that error comes from: on the way, or before it. */
function clientsOf(found: Record<string, ProxmoxApi | Error>): ClusterClients {
  return {
    get: async ({ id }: Cluster) => {
      const client = found[id];
      if (client === undefined) throw new NoConnectionError(`cluster ${id} has no connection`);
      if (client instanceof NoConnectionError) throw client;
      if (client instanceof Error) return { listResources: () => Promise.reject(client) } as unknown as ProxmoxApi;
      return client;
    },
    close: async () => undefined,
  };
}

function healthy(id: string): FakeCluster {
  const made = new FakeCluster(id, new FakeWorld(), { nodes: [`${id}1`], storages: { fast: {} } });
  made.addGuest({ vmid: 100, node: `${id}1`, config: { tags: "web;fed-0123456789abcdef" } });
  return made;
}

describe("a look at the federation", () => {
  it("takes one call per cluster", async () => {
    const a = healthy("a");
    const { clusters } = await takeSnapshot(federation(), clientsOf({ a, b: healthy("b") }));
    expect(a.world.calls.map((call) => call.name)).toEqual(["listResources"]);
    expect(clusters.get("a")).toMatchObject({
      reachable: true,
      guests: [{ vmid: 100 }],
      nodes: [{ node: "a1" }],
      storages: [{ storage: "fast" }],
    });
  });

  it.each<[string, Error]>([
    ["does not answer", new ConnectionError(details)],
    ["answers too late", new RequestTimeoutError(details)],
    ["loses the answer", new OutcomeUnknownError(details)],
    ["has no quorum", new QuorumError(details)],
    ["has no connection", new NoConnectionError("cluster b has no connection: add clusters[].connection")],
  ])("goes on with the others when one %s", async (_how, error) => {
    const { clusters } = await takeSnapshot(federation(), clientsOf({ a: healthy("a"), b: error }));
    expect(clusters.get("a")).toMatchObject({ reachable: true });
    expect(clusters.get("b")).toEqual({ reachable: false, cluster: expect.objectContaining({ id: "b" }), reason: error.message });
  });

  it("gives up one that hangs when somebody waits, and ends its call", async () => {
    const ended: unknown[] = [];
    const hanging = {
      listResources: ({ signal }: CallOptions = {}) =>
        new Promise<never>(() => signal?.addEventListener("abort", () => ended.push(signal.reason))),
    } as unknown as ProxmoxApi;
    const connection = { connectTimeoutMs: 1, requestTimeoutMs: 4 } as Connection;
    const { clusters } = await takeSnapshot(
      federation({ clusters: [cluster("a"), cluster("b", { connection })] }),
      clientsOf({ a: hanging, b: hanging }),
      { somebodyWaits: true },
    );
    const reason = "Cluster b did not answer within 0.005 s (its connection_timeout and request_timeout).";
    expect(clusters.get("b")).toMatchObject({ reachable: false, reason });
    expect(ended).toHaveLength(2);
  });

  it.each<[string, Error]>([
    ["a wrong token", new AuthenticationError(details)],
    ["another certificate", new TlsFingerprintError({ ...details, endpoint: "https://b", expected: ["AA"], found: "BB" })],
    ["a missing privilege", new PermissionError({ ...details, privileges: ["Sys.Audit"], anyOf: false })],
    ["something that is no Proxmox", new UnexpectedResponseError(details)],
    ["a fault of our own", new TypeError("x is not a function")],
  ])("ends with %s, which waiting would not mend", async (_what, error) => {
    await expect(takeSnapshot(federation(), clientsOf({ a: healthy("a"), b: error }))).rejects.toThrow();
  });

  it("names the credential that is refused and where it comes from, never the secret", async () => {
    const credentials = {
      kind: "token" as const,
      tokenId: "ci@pve!federation",
      secret: { kind: "environment" as const, variable: "B_TOKEN" },
    };
    const connection = { apiUrls: ["https://b:8006"], credentials, tls: { verify: true }, connectTimeoutMs: 1, requestTimeoutMs: 1 };
    const clusters = [cluster("a"), cluster("b", { connection })];
    const look = takeSnapshot(federation({ clusters }), clientsOf({ a: healthy("a"), b: new AuthenticationError(details) }));
    await expect(look).rejects.toThrow(/[Cc]luster b refuses token ci@pve!federation.*environment variable B_TOKEN/);
  });

  it("finds the guests that carry a tag, on every cluster that answered", async () => {
    const snapshot = await takeSnapshot(
      federation({ clusters: [cluster("a"), cluster("b"), cluster("c")] }),
      clientsOf({ a: healthy("a"), b: healthy("b") }),
    );
    expect(findGuestsByTag(snapshot, "fed-0123456789abcdef").map((found) => `${found.cluster}/${found.row.vmid}`)).toEqual([
      "a/100",
      "b/100",
    ]);
    expect(findGuestsByTag(snapshot, "fed-0123456789abcde")).toEqual([]);
  });
});
