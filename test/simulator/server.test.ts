import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, smallLayout, smallLayoutToken, startSimulator } from "../../src/simulator";
import { sendPlain, sendRaw } from "./http-client";

let simulator: Simulator;
let url: string;
let token: Record<string, string>;

beforeAll(async () => {
  simulator = await startSimulator({ layout: smallLayout(), timeScale: 2_000 });
  const cluster = simulator.clusters[0]!;
  url = cluster.endpoints[0]!.url;
  token = { Authorization: `PVEAPIToken=${cluster.token!.id}=${cluster.token!.secret}` };
});

afterAll(() => simulator.stop());

const api = "/api2/json";

async function logIn(username = "root@pam", password = simulator.clusters[0]!.rootPassword) {
  const reply = await sendPlain(url, { method: "POST", path: `${api}/access/ticket`, body: { username, password } });
  const data = reply.json?.data as { ticket: string; CSRFPreventionToken: string } | undefined;
  return { reply, ticket: data?.ticket ?? "", csrf: data?.CSRFPreventionToken ?? "" };
}

describe("answers", () => {
  test("carry data and keep the connection", async () => {
    const reply = await sendPlain(url, { path: `${api}/version`, headers: token });
    expect(reply).toMatchObject({ status: 200, reason: "OK", json: { data: { release: "9.2" } } });
    expect(reply.headers.connection).toBe("Keep-Alive");
  });

  test("that are errors say so in the status line and the body, and close the connection", async () => {
    const reply = await sendPlain(url, { path: `${api}/pools?poolid=nope`, headers: token });
    expect(reply).toMatchObject({
      status: 500,
      reason: "pool 'nope' does not exist",
      json: { data: null, message: "pool 'nope' does not exist\n" },
    });
    expect(reply.headers.connection).toBe("close");
  });

  test("name every bad parameter", async () => {
    const reply = await sendPlain(url, { path: `${api}/cluster/resources?type=vm&type=node&foo=1`, headers: token });
    expect(reply).toMatchObject({ status: 400, reason: "Parameter verification failed." });
    expect(reply.json?.errors).toEqual({
      type: "type check ('string') failed - got ARRAY",
      foo: "property is not defined in schema and the schema does not allow additional properties",
    });
  });

  test("in extjs format are always 200", async () => {
    const good = await sendPlain(url, { path: "/api2/extjs/version", headers: token });
    const bad = await sendPlain(url, { path: "/api2/extjs/version?foo=1", headers: token });
    expect([good.status, good.json]).toMatchObject([200, { success: 1 }]);
    expect([bad.status, bad.json]).toMatchObject([200, { success: 0, status: "400", data: null }]);
  });

  test.each([
    ["/api2/json/nosuch", 501, "Method 'GET /nosuch' not implemented"],
    ["/api2/xml/version", 501, "no formatter for uri /version, xml"],
    ["/nosuch", 500, "no such file '/nosuch'"],
    [
      "/api2/json/nodes/elsewhere/network",
      500,
      "hostname lookup 'elsewhere' failed - failed to get address info for: elsewhere: Name or service not known",
    ],
  ])("to GET %s are %i %s", async (path, status, reason) => {
    expect(await sendPlain(url, { path, headers: token })).toMatchObject({ status, reason });
  });

  test("are the same for any spelling of a path", async () => {
    for (const path of ["/api2/json//version", "/api2/json/version/", "/api2/json/%76ersion", "/api2/json/nodes/localhost/version"]) {
      expect([path, (await sendPlain(url, { path, headers: token })).status]).toEqual([path, 200]);
    }
  });

  test("come from any node for any node", async () => {
    const endpoints = simulator.clusters[0]!.endpoints;
    expect(endpoints.map((endpoint) => endpoint.node)).toEqual(["ams-1", "ams-2"]);
    for (const endpoint of endpoints) {
      const reply = await sendPlain(endpoint.url, { path: `${api}/nodes/ams-2/status`, headers: token });
      expect(reply).toMatchObject({ status: 200 });
    }
  });
});

describe("credentials", () => {
  test("that are absent or wrong are refused with an empty body after three virtual seconds", async () => {
    const before = simulator.world.clock.nowMs();
    const none = await sendPlain(url, { path: `${api}/nosuch` });
    expect(none).toMatchObject({ status: 401, reason: "No ticket", text: "" });
    expect(simulator.world.clock.nowMs() - before).toBeGreaterThanOrEqual(3_000);
    const wrong = await sendPlain(url, { path: `${api}/version`, headers: { Authorization: `PVEAPIToken=${smallLayoutToken}=wrong` } });
    expect(wrong).toMatchObject({ status: 401, reason: "Authentication failed!", text: "" });
  });

  test("of a login that fails are answered with a body", async () => {
    const { reply } = await logIn("root@pam", "wrong");
    expect(reply).toMatchObject({
      status: 401,
      reason: "authentication failure",
      json: { data: null, message: "authentication failure\n" },
    });
  });

  test("as a ticket need the CSRF token for writes only", async () => {
    const { ticket, csrf } = await logIn();
    const cookie = { Cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}` };
    expect(await sendPlain(url, { path: `${api}/access/acl`, headers: cookie })).toMatchObject({ status: 200 });
    const write = { method: "POST", path: `${api}/pools`, body: { poolid: "csrf" } };
    expect(await sendPlain(url, { ...write, headers: cookie })).toMatchObject({
      status: 401,
      reason: "Permission denied - invalid csrf token",
    });
    expect(await sendPlain(url, { ...write, headers: { ...cookie, CSRFPreventionToken: csrf } })).toMatchObject({ status: 200 });
  });

  test("as a ticket are renewed with the ticket as password and end after two hours", async () => {
    const { ticket } = await logIn();
    expect((await logIn("root@pam", ticket)).reply.status).toBe(200);
    await simulator.world.clock.advance(2 * 60 * 60 * 1000);
    expect((await logIn("root@pam", ticket)).reply.status).toBe(401);
    const late = await sendPlain(url, { path: `${api}/version`, headers: { Cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}` } });
    expect(late).toMatchObject({ status: 401, reason: "Authentication failed!" });
  });

  test("as a token do not reach what needs a ticket", async () => {
    const reply = await sendPlain(url, {
      method: "PUT",
      path: `${api}/access/password`,
      headers: token,
      body: { userid: "a@pve", password: "12345678" },
    });
    expect(reply).toMatchObject({ status: 403 });
    expect(reply.reason).toBe("Permission check failed (URI '/access/password' not available with API token, need proper ticket.");
  });

  test("are checked before the parameters", async () => {
    const { ticket, csrf } = await logIn();
    const headers = { Cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}`, CSRFPreventionToken: csrf };
    await sendPlain(url, { method: "POST", path: `${api}/access/users`, headers, body: { userid: "poor@pve", password: "no-rights-1" } });
    const poor = await logIn("poor@pve", "no-rights-1");
    const poorHeaders = { Cookie: `PVEAuthCookie=${encodeURIComponent(poor.ticket)}`, CSRFPreventionToken: poor.csrf };
    const reply = await sendPlain(url, { method: "POST", path: `${api}/pools`, headers: poorHeaders, body: { poolid: "bad id" } });
    expect(reply).toMatchObject({ status: 403, reason: "Permission check failed (/pool/bad id, Pool.Allocate)" });
  });
});

describe("requests", () => {
  test("may have their parameters in query, form and JSON", async () => {
    const json = await sendPlain(url, {
      method: "POST",
      path: `${api}/pools`,
      headers: { ...token, "Content-Type": "application/json; charset=utf-8" },
      body: JSON.stringify({ poolid: "json", comment: "ä & b" }),
    });
    expect(json.status).toBe(200);
    const form = await sendPlain(url, {
      method: "PUT",
      path: `${api}/pools?poolid=json`,
      headers: token,
      body: { comment: "from a form" },
    });
    expect(form.status).toBe(200);
    const read = await sendPlain(url, { path: `${api}/pools/json`, headers: token });
    expect(read.json?.data).toMatchObject({ comment: "from a form" });
  });

  test.each([
    [{ method: "GET", path: "/api2/json/version", body: "a=1" }, "Unexpected content for method 'GET'"],
    [{ method: "DELETE", path: "/api2/json/pools", body: "poolid=x" }, "Unexpected content for method 'DELETE'"],
    [{ method: "POST", path: "/api2/json/pools", body: `comment=${"x".repeat(524_288)}` }, "for data too large"],
  ])("of a kind the proxy does not take are 501: %#", async (request, reason) => {
    expect(await sendPlain(url, { ...request, headers: token })).toMatchObject({ status: 501, reason, text: reason });
  });

  test("with a body in chunks, or with another method, are 501", async () => {
    const head = `Host: x\r\nAuthorization: ${token.Authorization}\r\n`;
    const chunked = await sendRaw(url, `PUT /api2/json/pools HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n`);
    expect(chunked).toMatch(/^HTTP\/1\.1 501 chunked transfer encoding not supported\r\n/);
    const head501 = await sendRaw(url, `HEAD /api2/json/version HTTP/1.1\r\n${head}\r\n`);
    expect(head501).toMatch(/^HTTP\/1\.1 501 method 'HEAD' not available\r\n/);
  });

  test("that are no HTTP are 400, and too long headers get no answer", async () => {
    expect(await sendRaw(url, "hello\r\n\r\n")).toMatch(/^HTTP\/1\.0 400 bad request\r\n/);
    expect(await sendRaw(url, `GET /api2/json/version HTTP/1.1\r\nHost: x\r\nX-Long: ${"y".repeat(9_000)}\r\n\r\n`)).toBe("");
  });
});
