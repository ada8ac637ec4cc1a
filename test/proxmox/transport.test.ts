import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { isProxmoxError, type ProxmoxApi } from "../../src/proxmox";
import { Transport } from "../../src/proxmox/transport";
import { type ApiServer, answer, type Behaviour, newIdentity, proxyFailure, refuse, startApiServer } from "./support/api-server";
import { rejection, testClient, tokenSecret } from "./support/client";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function server(behaviour: Behaviour, options?: Parameters<typeof startApiServer>[1]): Promise<ApiServer> {
  const started = await startApiServer(behaviour, options);
  stops.push(started.stop);
  return started;
}

/** Starts a TCP server that is none of an API; its address as an API URL. */
async function listen(tcp: TcpServer): Promise<string> {
  const sockets = new Set<Socket>();
  tcp.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  stops.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => tcp.close(resolve));
  });
  return `https://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
}

function connect(
  servers: Pick<ApiServer, "url" | "fingerprint">[],
  options: Parameters<typeof testClient>[1] = {},
): ReturnType<typeof testClient> {
  const made = testClient(servers, options);
  stops.push(() => made.client.close());
  return made;
}

const read = (client: ProxmoxApi) => client.request("GET", "/version");
const write = (client: ProxmoxApi) => client.request("POST", "/nodes/n1/qemu", { vmid: 100 });

describe("requests on the wire", () => {
  it("sends writes as a form with 0 and 1, and leaves undefined out", async () => {
    const api = await server((_request, response) => answer(response, null));
    const { client } = connect([api]);
    await client.request("POST", "/pools", { poolid: "a b&c", comment: "ä+=%", onboot: true, protection: false, absent: undefined, n: 3 });
    const [request] = api.requests;
    expect(request?.method).toBe("POST");
    expect(request?.url).toBe("/api2/json/pools");
    expect(request?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(request?.headers["content-length"]).toBe(String(request?.body.length));
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      poolid: "a b&c",
      comment: "ä+=%",
      onboot: "1",
      protection: "0",
      n: "3",
    });
  });

  it("puts the parameters of reads and deletes into the query and sends no body", async () => {
    const api = await server((_request, response) => answer(response, null));
    const { client } = connect([api]);
    await client.request("GET", "/pools", { poolid: "a/b" });
    await client.request("DELETE", "/pools", { poolid: "a/b" });
    for (const request of api.requests) {
      expect(request.url).toBe("/api2/json/pools?poolid=a%2Fb");
      expect(request.body).toBe("");
      expect(request.headers["content-type"]).toBeUndefined();
      expect(request.headers["transfer-encoding"]).toBeUndefined();
    }
  });

  it("authenticates by token, without CSRF header", async () => {
    const api = await server((_request, response) => answer(response, null));
    await write(connect([api]).client);
    expect(api.requests[0]?.headers.authorization).toBe(`PVEAPIToken=iac@pve!deploy=${tokenSecret}`);
    expect(api.requests[0]?.headers.csrfpreventiontoken).toBeUndefined();
  });

  it("reuses kept-alive connections for calls in sequence", async () => {
    const api = await server((_request, response) => answer(response, { version: "9.2.11" }));
    const { client } = connect([api]);
    for (let call = 0; call < 20; call++) await read(client);
    expect(api.requests).toHaveLength(20);
    // undici frees a connection one turn after the answer: calls that follow at once alternate between two.
    expect(api.connections).toBeLessThanOrEqual(2);
  });

  it("limits the connections for calls at the same time", async () => {
    const api = await server((_request, response) => setImmediate(() => answer(response, 1)));
    const { client } = connect([api]);
    await Promise.all(Array.from({ length: 40 }, () => read(client)));
    expect(api.requests).toHaveLength(40);
    expect(api.connections).toBeLessThanOrEqual(6);
  });

  it("unpacks gzip", async () => {
    const api = await server((request, response) => {
      expect(request.headers["accept-encoding"]).toBe("gzip");
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      response.end(gzipSync(JSON.stringify({ data: "x".repeat(100_000) })));
    });
    expect(await read(connect([api]).client)).toBe("x".repeat(100_000));
  });

  it("refuses to send a body or a path Proxmox would drop the connection for", async () => {
    const api = await server((_request, response) => answer(response, null));
    const { client } = connect([api]);
    const body = await rejection(client.request("PUT", "/nodes/n1/qemu/100/config", { description: "x".repeat(513 * 1024) }));
    expect(isProxmoxError(body, "PARAMETER") && body.message).toMatch(/Proxmox takes 524288/);
    const query = await rejection(client.request("DELETE", "/pools", { poolid: "x".repeat(8_000) }));
    expect(isProxmoxError(query, "PARAMETER")).toBe(true);
    expect(api.requests).toHaveLength(0);
  });

  it("reports each exchange without its query", async () => {
    const seen: string[] = [];
    const api = await server((_request, response) => answer(response, []));
    const { client } = connect([api], {
      onRequest: ({ method, path, status, attempt }) => seen.push(`${method} ${path} ${status} ${attempt}`),
    });
    await client.request("GET", "/pools", { poolid: "a" });
    expect(seen).toEqual(["GET /pools 200 1"]);
  });
});

describe("TLS", () => {
  it("accepts a self-signed certificate with the right fingerprint, in any spelling", async () => {
    const api = await server((_request, response) => answer(response, 1));
    for (const fingerprint of [api.fingerprint, api.fingerprint.toLowerCase(), api.fingerprint.replace(/:/g, "")]) {
      expect(await read(connect([api], { tls: { fingerprint, verify: true } }).client)).toBe(1);
    }
  });

  it("accepts any of several fingerprints: each node has its own certificate", async () => {
    const api = await server((_request, response) => answer(response, 1));
    const other = "AB".repeat(32);
    expect(await read(connect([api], { tls: { fingerprint: `${other}, ${api.fingerprint}`, verify: true } }).client)).toBe(1);
  });

  it("sends nothing to a server with another fingerprint, and says both", async () => {
    const api = await server((_request, response) => answer(response, 1));
    const expected = `${"AB:".repeat(31)}AB`;
    for (const verify of [true, false]) {
      const error = await rejection(read(connect([api], { tls: { fingerprint: expected, verify } }).client));
      expect(isProxmoxError(error, "TLS_FINGERPRINT") && [error.expected, error.found, error.endpoint]).toEqual([
        [expected],
        api.fingerprint,
        api.url,
      ]);
      expect((error as Error).message).toContain(expected);
      expect((error as Error).message).toContain(api.fingerprint);
    }
    expect(api.requests).toHaveLength(0);
  });

  it("checks every new connection: a certificate exchanged meanwhile is noticed", async () => {
    const first = await server((_request, response) => answer(response, 1));
    const { client } = connect([first]);
    await read(client);
    await stops.shift()!();
    const impostor = await server((_request, response) => answer(response, 2), {
      identity: await newIdentity(),
      port: Number(new URL(first.url).port),
    });
    const error = await rejection(read(client));
    expect(isProxmoxError(error, "TLS_FINGERPRINT")).toBe(true);
    expect(impostor.requests).toHaveLength(0);
  });

  it("trusts a given authority, and without one refuses a self-signed certificate with a hint", async () => {
    const api = await server((_request, response) => answer(response, 1));
    expect(await read(connect([api], { tls: { ca: api.certificate, verify: true } }).client)).toBe(1);
    const error = await rejection(read(connect([api], { tls: { verify: true } }).client));
    expect(isProxmoxError(error, "CONNECTION") && error.message).toMatch(/not trusted.*give its fingerprint or the cluster's CA/);
    expect(api.requests).toHaveLength(1);
  });

  it("accepts anything with verify: false", async () => {
    const api = await server((_request, response) => answer(response, 1));
    expect(await read(connect([api], { tls: { verify: false } }).client)).toBe(1);
  });

  it("refuses a malformed fingerprint and a URL without TLS before anything is sent", () => {
    const somewhere = { url: "https://127.0.0.1:8006", fingerprint: "12:34" };
    expect(() => testClient([somewhere])).toThrow(/not a SHA-256 fingerprint/);
    expect(() => testClient([{ url: "http://127.0.0.1:8006", fingerprint: "AB".repeat(32) }])).toThrow(/https:\/\/host:port/);
    expect(() => testClient([{ url: "https://user:pw@127.0.0.1:8006", fingerprint: "AB".repeat(32) }])).toThrow(/^(?!.*pw)/);
  });
});

describe("lost answers", () => {
  const losses: [string, Behaviour, { read: string; write: string }][] = [
    ["reset after the request was read", (_q, _r, _socket, reset) => reset(), { read: "CONNECTION", write: "OUTCOME_UNKNOWN" }],
    ["connection closed without an answer", (_q, _r, socket) => socket.destroy(), { read: "CONNECTION", write: "OUTCOME_UNKNOWN" }],
    [
      "connection closed in the middle of the answer",
      (_q, response, socket) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
        response.write('{"data":', () => socket.destroy());
      },
      { read: "CONNECTION", write: "OUTCOME_UNKNOWN" },
    ],
    ["595", (_q, response) => proxyFailure(response, 595, "No route to host"), { read: "CONNECTION", write: "CONNECTION" }],
    ["596", (_q, response) => proxyFailure(response, 596, "Connection timed out"), { read: "TIMEOUT", write: "OUTCOME_UNKNOWN" }],
    [
      "596 reset",
      (_q, response) => proxyFailure(response, 596, "Connection reset by peer"),
      { read: "CONNECTION", write: "OUTCOME_UNKNOWN" },
    ],
    ["599", (_q, response) => proxyFailure(response, 599, "Too many redirections"), { read: "CONNECTION", write: "OUTCOME_UNKNOWN" }],
    ["502 of a proxy in front", (_q, response) => html(response, 502), { read: "CONNECTION", write: "OUTCOME_UNKNOWN" }],
    ["504 of a proxy in front", (_q, response) => html(response, 504), { read: "TIMEOUT", write: "OUTCOME_UNKNOWN" }],
  ];

  function html(response: Parameters<Behaviour>[1], status: number): void {
    response.writeHead(status, { "content-type": "text/html" });
    response.end("<html>Bad gateway</html>");
  }

  it.each(losses)("%s", async (_name, behaviour, expected) => {
    const api = await server(behaviour);
    const { client } = connect([api]);
    const readError = await rejection(read(client));
    expect(isProxmoxError(readError) && readError.code).toBe(expected.read);
    expect(api.requests).toHaveLength(4);
    const writeError = await rejection(write(client));
    expect(isProxmoxError(writeError) && writeError.code).toBe(expected.write);
    // Only what cannot have been done is asked again.
    expect(api.requests).toHaveLength(4 + (expected.write === "CONNECTION" ? 4 : 1));
    expect((writeError as Error).message).toMatch(/^(?!.*undefined)/);
  });

  it("ends a hanging read with TIMEOUT and a hanging write with OUTCOME_UNKNOWN", async () => {
    const api = await server(() => undefined);
    const { client } = connect([api], { requestTimeoutMs: 60 });
    expect(isProxmoxError(await rejection(read(client)), "TIMEOUT")).toBe(true);
    const error = await rejection(write(client));
    expect(isProxmoxError(error, "OUTCOME_UNKNOWN") && error.message).toMatch(/look for its task or its result before repeating/);
    expect(api.requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  it("takes the time limit of the call where there is one", async () => {
    const api = await server(() => undefined);
    const { client } = connect([api], { requestTimeoutMs: 600_000 });
    const error = await rejection(client.request("POST", "/pools", {}, { timeoutMs: 50 }));
    expect(isProxmoxError(error, "OUTCOME_UNKNOWN") && error.message).toContain("no answer within 50 ms");
  });

  it("says that a write which never found a free connection was not done, and does not send it later", async () => {
    const held: (() => void)[] = [];
    const api = await server((_request, response) => held.push(() => answer(response, 1)));
    const { client } = connect([api]);
    const blocking = Array.from({ length: 6 }, () => read(client));
    await expect.poll(() => held.length).toBe(6);
    const error = await rejection(client.request("POST", "/pools", {}, { timeoutMs: 20 }));
    expect(isProxmoxError(error, "CONNECTION") && error.message).toContain("no answer within 20 ms");
    for (const release of held.splice(0)) release();
    await Promise.all(blocking);
    const last = read(client);
    await expect.poll(() => held.length).toBe(1);
    held[0]!();
    await last;
    expect(api.requests.map(({ method }) => method)).toEqual(Array.from({ length: 7 }, () => "GET"));
  });

  it("counts a hanging TLS handshake as not sent", async () => {
    const silent = createTcpServer((socket) => socket.on("error", () => undefined));
    const transport = new Transport(await listen(silent), { tls: { verify: false }, connectTimeoutMs: 30 });
    stops.push(() => transport.close());
    const failure = await rejection(transport.send({ method: "POST", path: "/", headers: {}, body: "", timeoutMs: 10_000 }));
    expect(failure).toMatchObject({ kind: "connect", sent: false, message: expect.stringContaining("Connect Timeout") });
  });

  it("says that a server without TLS has none", async () => {
    const plain = createTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const url = await listen(plain);
    const error = await rejection(read(connect([{ url, fingerprint: "AB".repeat(32) }]).client));
    expect(isProxmoxError(error, "CONNECTION") && error.message).toContain("the server does not speak TLS");
  });

  it("repeats a read until it is answered", async () => {
    let calls = 0;
    const api = await server((_request, response, socket) => (++calls < 3 ? socket.destroy() : answer(response, "there")));
    const { client, sleeps } = connect([api]);
    expect(await read(client)).toBe("there");
    expect(sleeps).toEqual([250, 500]);
  });

  it("refuses an answer beyond the limit without reading it to its end", async () => {
    const api = await server((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const pump = (): void => {
        while (!response.destroyed && response.write("x".repeat(64 * 1024)));
        response.once("drain", pump);
      };
      pump();
    });
    const transport = new Transport(api.url, {
      tls: { fingerprint: api.fingerprint, verify: true },
      connectTimeoutMs: 5_000,
      maxResponseBytes: 100_000,
    });
    stops.push(() => transport.close());
    const error = await rejection(transport.send({ method: "GET", path: "/", headers: {}, timeoutMs: 10_000 }));
    expect(error).toMatchObject({ kind: "too-large" });
  });

  it("refuses a small answer that unpacks beyond the limit", async () => {
    const api = await server((_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      response.end(gzipSync(Buffer.alloc(5_000_000)));
    });
    const transport = new Transport(api.url, { tls: { verify: false }, connectTimeoutMs: 5_000, maxResponseBytes: 100_000 });
    stops.push(() => transport.close());
    expect(await rejection(transport.send({ method: "GET", path: "/", headers: {}, timeoutMs: 10_000 }))).toMatchObject({
      kind: "too-large",
    });
  });
});

describe("answers that are none of a Proxmox API", () => {
  const answers: [string, Behaviour][] = [
    [
      "an HTML page",
      (_q, response) => {
        response.writeHead(200, { "content-type": "text/html" });
        response.end("<html></html>");
      },
    ],
    [
      "a redirect",
      (_q, response) => {
        response.writeHead(301, { location: "https://elsewhere.example/" });
        response.end();
      },
    ],
    [
      "HTML with 404",
      (_q, response) => {
        response.writeHead(404, { "content-type": "text/html; charset=utf-8" });
        response.end("<html>nginx</html>");
      },
    ],
  ];

  it.each(answers)("%s", async (_name, behaviour) => {
    const api = await server(behaviour);
    const { client } = connect([api]);
    for (const call of [read(client), write(client)]) {
      const error = await rejection(call);
      expect(isProxmoxError(error, "UNEXPECTED_RESPONSE") && error.message).toMatch(/may not be a Proxmox VE API/);
    }
    expect(api.requests).toHaveLength(2);
  });

  it("treats broken JSON after a write as an open question", async () => {
    const api = await server((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"data":');
    });
    const { client } = connect([api]);
    expect(isProxmoxError(await rejection(read(client)), "UNEXPECTED_RESPONSE")).toBe(true);
    expect(isProxmoxError(await rejection(write(client)), "OUTCOME_UNKNOWN")).toBe(true);
  });
});

describe("cancellation", () => {
  it("does not send a call whose signal is aborted already", async () => {
    const api = await server((_request, response) => answer(response, 1));
    const { client } = connect([api]);
    const error = await rejection(client.request("POST", "/pools", {}, { signal: AbortSignal.abort() }));
    expect(isProxmoxError(error, "CANCELLED") && error.outcomeUnknown).toBe(false);
    expect(api.requests).toHaveLength(0);
  });

  it.each([
    ["POST", true],
    ["GET", false],
  ] as const)("ends a %s under way; the outcome of a write is then unknown", async (method, outcomeUnknown) => {
    const controller = new AbortController();
    const api = await server(() => controller.abort());
    const { client } = connect([api]);
    const error = await rejection(client.request(method, "/pools", {}, { signal: controller.signal }));
    expect(isProxmoxError(error, "CANCELLED") && error.outcomeUnknown).toBe(outcomeUnknown);
    expect(api.requests).toHaveLength(1);
  });

  it("ends the pause between two attempts", async () => {
    const controller = new AbortController();
    const api = await server((_request, _response, socket) => {
      socket.destroy();
      controller.abort();
    });
    const { client } = connect([api]);
    const error = await rejection(client.request("GET", "/version", {}, { signal: controller.signal }));
    expect(isProxmoxError(error, "CANCELLED")).toBe(true);
    expect(api.requests).toHaveLength(1);
  });
});

describe("refusals", () => {
  it("carries cluster, node, call and Proxmox's words, also without a message in the body (before 8.4)", async () => {
    const text = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout";
    const api = await server((request, response) => {
      if (request.method === "PUT") return refuse(response, 500, text);
      response.writeHead(500, text, { "content-type": "application/json" });
      response.end('{"data":null}');
    });
    const { client } = connect([api]);
    for (const method of ["PUT", "POST"] as const) {
      const error = await rejection(client.request(method, "/nodes/n1/qemu/100/config", { memory: 1 }));
      expect(isProxmoxError(error, "LOCKED") && { ...error }).toMatchObject({
        code: "LOCKED",
        lockFile: true,
        cluster: "hel",
        node: "n1",
        method,
        path: "/nodes/n1/qemu/100/config",
        status: 500,
        proxmoxMessage: text,
      });
      expect((error as Error).message).toContain(`(cluster hel, node n1, ${method} /nodes/n1/qemu/100/config): ${text}.`);
    }
  });
});
