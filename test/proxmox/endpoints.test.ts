import { afterEach, describe, expect, it } from "vitest";
import { isProxmoxError } from "../../src/proxmox";
import { type ApiServer, answer, type Behaviour, proxyFailure, refuse, startApiServer } from "./support/api-server";
import { rejection, testClient } from "./support/client";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function server(behaviour: Behaviour, port?: number): Promise<ApiServer> {
  const started = await startApiServer(behaviour, { port });
  stops.push(started.stop);
  return started;
}

/** An address nobody listens on, and the port to start a server there later. */
async function deadEndpoint(): Promise<Pick<ApiServer, "url" | "fingerprint">> {
  const short = await startApiServer(() => undefined);
  await short.stop();
  return short;
}

function connect(servers: Pick<ApiServer, "url" | "fingerprint">[], options: Parameters<typeof testClient>[1] = {}) {
  const made = testClient(servers, options);
  stops.push(() => made.client.close());
  return made;
}

const ok: Behaviour = (_request, response) => answer(response, "done");

describe("failover", () => {
  it("goes to the next endpoint when one cannot be reached, for writes too, and stays there", async () => {
    const dead = await deadEndpoint();
    const alive = await server(ok);
    const attempts: string[] = [];
    const { client, sleeps } = connect([dead, alive], { onRequest: ({ status }) => attempts.push(String(status)) });
    expect(await client.request("POST", "/pools", { poolid: "a" })).toBe("done");
    expect(await client.request("GET", "/version")).toBe("done");
    expect(attempts).toEqual(["undefined", "200", "200"]);
    expect(sleeps).toEqual([]);
  });

  it("asks a failed endpoint again once it is due and the others fail", async () => {
    const dead = await deadEndpoint();
    const second = await server(ok);
    const { client } = connect([dead, second]);
    await client.request("GET", "/version");
    const first = await server(ok, Number(new URL(dead.url).port));
    await stops.shift()!();
    expect(await client.request("GET", "/version")).toBe("done");
    expect(first.requests).toHaveLength(1);
  });

  it("prefers the endpoint that answered last over one whose back-off is over", async () => {
    const dead = await deadEndpoint();
    const second = await server(ok);
    const { client, advance } = connect([dead, second]);
    await client.request("GET", "/version");
    const first = await server(ok, Number(new URL(dead.url).port));
    advance(60_000);
    await client.request("GET", "/version");
    expect(first.requests).toHaveLength(0);
    expect(second.requests).toHaveLength(2);
  });

  it("names every endpoint and its reason when all are down, after repeating the round", async () => {
    const dead = [await deadEndpoint(), await deadEndpoint()];
    const { client, sleeps } = connect(dead);
    const error = await rejection(client.request("POST", "/pools", { poolid: "a" }));
    expect(isProxmoxError(error, "CONNECTION")).toBe(true);
    if (!isProxmoxError(error, "CONNECTION")) return;
    expect([...error.endpoints].map(({ url }) => url).sort()).toEqual(dead.map(({ url }) => url).sort());
    for (const { url } of dead) expect(error.message).toContain(`${url}: connect ECONNREFUSED`);
    expect(sleeps).toEqual([250, 500, 1000]);
  });

  it("says why a host name cannot be used", async () => {
    const { client } = connect([{ url: "https://no-such-host.invalid:8006", fingerprint: "AB".repeat(32) }]);
    const error = await rejection(client.request("GET", "/version"));
    expect(isProxmoxError(error, "CONNECTION") && error.message).toMatch(/no-such-host\.invalid/);
  });

  it("does not ask another endpoint after an answer, good or bad", async () => {
    const first = await server((_request, response) => refuse(response, 500, "VM is locked (backup)"));
    const second = await server(ok);
    const { client } = connect([first, second]);
    expect(isProxmoxError(await rejection(client.request("GET", "/nodes/n1/qemu/1/config")), "LOCKED")).toBe(true);
    expect(second.requests).toHaveLength(0);
  });

  it("never sends a write a second time once the first endpoint may have it", async () => {
    const first = await server((_request, _response, socket) => socket.destroy());
    const second = await server(ok);
    const { client } = connect([first, second]);
    expect(isProxmoxError(await rejection(client.request("POST", "/nodes/n1/qemu", { vmid: 1 })), "OUTCOME_UNKNOWN")).toBe(true);
    expect(second.requests).toHaveLength(0);
  });

  it("does not blame the endpoint for a node that is down behind it (595)", async () => {
    const first = await server((request, response) =>
      request.url.includes("/nodes/n2/") ? proxyFailure(response, 595, "No route to host") : answer(response, "done"),
    );
    const second = await server(ok);
    const { client } = connect([first, second]);
    const error = await rejection(client.request("GET", "/nodes/n2/qemu"));
    expect(isProxmoxError(error, "CONNECTION") && [error.node, error.status]).toEqual(["n2", 595]);
    await client.request("GET", "/version");
    expect(second.requests).toHaveLength(0);
  });

  it("goes elsewhere when the endpoint's own daemon is gone (595 without a node)", async () => {
    const first = await server((_request, response) => proxyFailure(response, 595, "Connection refused"));
    const second = await server(ok);
    const { client } = connect([first, second]);
    expect(await client.request("POST", "/pools", { poolid: "a" })).toBe("done");
  });

  it("stops at a wrong fingerprint instead of quietly using another endpoint", async () => {
    const first = await server(ok);
    const second = await server(ok);
    const { client } = connect([first, second], { tls: { fingerprint: "AB".repeat(32), verify: true } });
    expect(isProxmoxError(await rejection(client.request("GET", "/version")), "TLS_FINGERPRINT")).toBe(true);
    expect([...first.requests, ...second.requests]).toHaveLength(0);
  });

  it("does not multiply the time of a cluster that hangs: one repeat, then the error", async () => {
    let advance: (ms: number) => void = () => undefined;
    const api = await server((_request, response) => {
      advance(30_000);
      proxyFailure(response, 596, "Connection timed out");
    });
    const made = connect([api]);
    advance = made.advance;
    expect(isProxmoxError(await rejection(made.client.request("GET", "/version")), "TIMEOUT")).toBe(true);
    expect(api.requests).toHaveLength(2);
  });
});
