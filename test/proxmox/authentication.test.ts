import { afterEach, describe, expect, it } from "vitest";
import { createProxmoxClient, isProxmoxError } from "../../src/proxmox";
import { type ApiServer, answer, type Behaviour, proxyFailure, refuse, startApiServer } from "./support/api-server";
import { rejection, testClient } from "./support/client";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const password = "correct horse battery";
const hourMs = 3_600_000;

/** Tickets as Proxmox hands them out: any ticket it gave may be used as password, calls need one it has not forgotten. */
function ticketServer(overrides: { login?: Behaviour } = {}) {
  const state = { logins: [] as { username: string | null; by: "password" | "ticket" | "wrong" }[], valid: new Set<string>(), next: 1 };
  const behaviour: Behaviour = (request, response, socket, reset) => {
    if (request.url === "/api2/json/access/ticket") {
      if (overrides.login !== undefined) return overrides.login(request, response, socket, reset);
      const form = new URLSearchParams(request.body);
      const given = form.get("password") ?? "";
      const by = given === password ? "password" : state.valid.has(given) ? "ticket" : "wrong";
      state.logins.push({ username: form.get("username"), by });
      if (by === "wrong") return refuse(response, 401, "authentication failure");
      const ticket = `PVE:root@pam:${state.next}::c2lnbmF0dXJl+/==`;
      state.valid.add(ticket);
      return answer(response, { username: "root@pam", ticket, CSRFPreventionToken: `csrf-${state.next++}`, cap: {} });
    }
    const ticket = request.headers.cookie?.replace("PVEAuthCookie=", "") ?? "";
    // A 401 of the proxy has an empty body and closes the connection.
    if (!state.valid.has(ticket)) return proxyFailure(response, 401, ticket === "" ? "No ticket" : "Authentication failed!");
    const csrf = `csrf-${ticket.split(":")[2]}`;
    if (request.method !== "GET" && request.headers.csrfpreventiontoken !== csrf) {
      return proxyFailure(response, 401, "Permission denied - invalid csrf token");
    }
    return answer(response, "in");
  };
  return { state, behaviour };
}

async function connect(behaviour: Behaviour): Promise<ReturnType<typeof testClient> & { api: ApiServer }> {
  const api = await startApiServer(behaviour);
  const made = testClient([api], { credentials: { kind: "password", username: "root@pam", password } });
  stops.push(api.stop, () => made.client.close());
  return { ...made, api };
}

describe("login by password", () => {
  it("logs in once for calls at the same time, and sends the CSRF token with writes only", async () => {
    const { state, behaviour } = ticketServer();
    const { client, api } = await connect(behaviour);
    const calls = [
      client.request("GET", "/version"),
      client.request("POST", "/pools"),
      client.request("PUT", "/pools"),
      client.request("DELETE", "/pools"),
    ];
    expect(await Promise.all(calls)).toEqual(["in", "in", "in", "in"]);
    expect(state.logins).toEqual([{ username: "root@pam", by: "password" }]);
    expect(api.requests.find(({ method }) => method === "GET")?.headers.csrfpreventiontoken).toBeUndefined();
  });

  it("renews the ticket by the ticket before it ends, and logs in anew when it has ended", async () => {
    const { state, behaviour } = ticketServer();
    const { client, advance } = await connect(behaviour);
    await client.request("GET", "/version");
    advance(hourMs - 1);
    await client.request("GET", "/version");
    expect(state.logins).toHaveLength(1);
    advance(1);
    await Promise.all([client.request("GET", "/version"), client.request("GET", "/version")]);
    advance(2 * hourMs);
    await client.request("GET", "/version");
    expect(state.logins.map(({ by }) => by)).toEqual(["password", "ticket", "password"]);
  });

  it("falls back to the password when the ticket is no longer taken for renewal", async () => {
    const { state, behaviour } = ticketServer();
    const { client, advance } = await connect(behaviour);
    await client.request("GET", "/version");
    state.valid.clear();
    advance(1.5 * hourMs);
    expect(await client.request("GET", "/version")).toBe("in");
    expect(state.logins.map(({ by }) => by)).toEqual(["password", "wrong", "password"]);
  });

  it("logs in once more after a 401 and repeats the call, a write too: it was refused before anything was done", async () => {
    const { state, behaviour } = ticketServer();
    const { client } = await connect(behaviour);
    await client.request("GET", "/version");
    state.valid.clear();
    const calls = [client.request("POST", "/pools"), client.request("POST", "/pools"), client.request("GET", "/version")];
    expect(await Promise.all(calls)).toEqual(["in", "in", "in"]);
    expect(state.logins).toHaveLength(2);
  });

  it("fails after one new login when the server still says 401", async () => {
    const { state, behaviour } = ticketServer();
    const forgetful: Behaviour = (request, response, socket, reset) => {
      if (!request.url.endsWith("/access/ticket")) state.valid.clear();
      behaviour(request, response, socket, reset);
    };
    const { client, api } = await connect(forgetful);
    const error = await rejection(client.request("POST", "/pools"));
    expect(isProxmoxError(error, "AUTHENTICATION") && error.proxmoxMessage).toBe("Authentication failed!");
    expect(state.logins).toHaveLength(2);
    expect(api.requests.filter(({ url }) => url.endsWith("/pools"))).toHaveLength(2);
  });

  it("says that a wrong password is wrong, and tries it once", async () => {
    const { client, api } = await connect(
      ticketServer({ login: (_q, response) => refuse(response, 401, "authentication failure") }).behaviour,
    );
    const error = await rejection(client.request("GET", "/version"));
    expect(isProxmoxError(error, "AUTHENTICATION") && error.message).toMatch(
      /Login refused \(cluster hel, POST \/access\/ticket\): authentication failure/,
    );
    expect(api.requests).toHaveLength(1);
  });

  it.each([
    ["a challenge ticket", { ticket: "PVE:!tfa!root@pam:1::sig", CSRFPreventionToken: "x", NeedTFA: 1 }],
    ["an old challenge", { ticket: "PVE:!tfa!root@pam:1::sig", CSRFPreventionToken: "x" }],
  ])("explains that a second factor cannot be given: %s", async (_name, data) => {
    const { client } = await connect(ticketServer({ login: (_q, response) => answer(response, data) }).behaviour);
    const error = await rejection(client.request("GET", "/version"));
    expect(isProxmoxError(error, "AUTHENTICATION") && error.message).toMatch(/needs a second factor.*Use an API token/);
  });

  it("repeats a login whose answer was lost: it changes nothing", async () => {
    const { behaviour } = ticketServer();
    let calls = 0;
    const { client, api } = await connect((request, response, socket, reset) =>
      ++calls === 1 ? socket.destroy() : behaviour(request, response, socket, reset),
    );
    expect(await client.request("GET", "/version")).toBe("in");
    expect(api.requests).toHaveLength(3);
  });
});

describe("login by token", () => {
  it("fails at the first 401: a token does not get better", async () => {
    const api = await startApiServer((_request, response) => proxyFailure(response, 401, "No ticket"));
    const { client } = testClient([api]);
    stops.push(api.stop, () => client.close());
    expect(isProxmoxError(await rejection(client.request("GET", "/version")), "AUTHENTICATION")).toBe(true);
    expect(api.requests).toHaveLength(1);
  });

  it.each([
    ["iac@pve", "x"],
    ["iac!tok", "x"],
    ["iac@pve!t", "x"],
    ["iac@pve!deploy", "two words"],
    ["iac@pve!deploy", "line\nbreak"],
    ["iac@pve!deploy", ""],
  ])("refuses the malformed token %s with secret %j without repeating the secret", (tokenId, secret) => {
    const create = () =>
      createProxmoxClient({
        clusterId: "hel",
        endpoints: ["https://127.0.0.1:8006"],
        credentials: { kind: "token", tokenId, secret },
        tls: { verify: true },
        connectTimeoutMs: 1,
        requestTimeoutMs: 1,
      });
    expect(create).toThrow(TypeError);
    if (secret.length > 1) expect(create).toThrow(expect.objectContaining({ message: expect.not.stringContaining(secret) }));
  });
});
