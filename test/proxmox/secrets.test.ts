import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { errorOfFailure } from "../../src/proxmox/failure";
import { createRedactor, secretsOfParams } from "../../src/proxmox/redact";
import { TransportFailure } from "../../src/proxmox/transport-failure";
import { type ApiServer, answer, type Behaviour, proxyFailure, refuse, startApiServer } from "./support/api-server";
import { rejection, testClient, tokenSecret } from "./support/client";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function server(behaviour: Behaviour): Promise<ApiServer> {
  const started = await startApiServer(behaviour);
  stops.push(started.stop);
  return started;
}

/** All an error shows to whoever prints, serializes or walks it. */
function everything(error: unknown): string {
  const texts: string[] = [inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error)];
  for (let current = error; current instanceof Error; current = current.cause)
    texts.push(current.message, current.stack ?? "", String(current));
  return texts.join("\n");
}

const cipassword = "guest-password-7";
const targetSecret = "11111111-2222-other-cluster";
const params = {
  vmid: 100,
  cipassword,
  "target-endpoint": `host=10.0.0.1,apitoken=PVEAPIToken=a@pve!t=${targetSecret},fingerprint=AA`,
};

/** Sends back whatever it was sent, by every way an error takes. */
const parrots: [string, Behaviour][] = [
  [
    "status phrase",
    (request, response) => proxyFailure(response, 500, `bad ${request.headers.authorization} ${request.body.slice(0, 200)}`),
  ],
  ["message", (request, response) => refuse(response, 500, `bad ${request.headers.authorization} ${decodeURIComponent(request.body)}`)],
  [
    "parameter errors",
    (request, response) =>
      refuse(response, 400, "Parameter verification failed.", { cipassword: `got '${decodeURIComponent(request.body)}'` }),
  ],
  ["401", (request, response) => refuse(response, 401, `who is ${request.headers.authorization}`)],
  ["596", (request, response) => proxyFailure(response, 596, `lost ${request.headers.authorization}`)],
  [
    "redirect",
    (request, response) => {
      response.writeHead(302, { location: `https://evil.example/?${request.headers.authorization}&${request.body}` });
      response.end();
    },
  ],
  ["lost connection", (_request, _response, socket) => socket.destroy()],
  [
    "broken HTTP",
    (request, _response, socket) => {
      socket.end(`HTTP/1.1 abc ${request.headers.authorization}\r\n${request.body}\r\n\r\n`);
    },
  ],
  ["hanging", () => undefined],
];

describe("secrets stay out of errors", () => {
  it.each(parrots)("%s", async (_name, behaviour) => {
    const api = await server(behaviour);
    const { client } = testClient([api], { requestTimeoutMs: 200 });
    stops.push(() => client.close());
    for (const method of ["POST", "GET"] as const) {
      const shown = everything(await rejection(client.request(method, "/nodes/n1/qemu", params)));
      for (const secret of [tokenSecret, cipassword, targetSecret]) expect(shown).not.toContain(secret);
    }
  });

  it("ticket, CSRF token and password stay out, also out of a failed login", async () => {
    const secrets = ["PVE:root@pam:1::tic/ket+==", "csrf-token-value", "the password"];
    const login = { ticket: secrets[0], CSRFPreventionToken: secrets[1] };
    for (const loginWorks of [true, false]) {
      const api = await server((request, response) => {
        if (request.url.endsWith("/access/ticket") && loginWorks) return answer(response, login);
        refuse(response, 500, `no ${JSON.stringify(request.headers)} ${request.body}`);
      });
      const { client } = testClient([api], { credentials: { kind: "password", username: "root@pam", password: secrets[2]! } });
      stops.push(() => client.close());
      const shown = everything(await rejection(client.request("POST", "/pools")));
      for (const secret of secrets) {
        expect(shown).not.toContain(secret);
        expect(shown).not.toContain(encodeURIComponent(secret));
      }
      expect(inspect(client, { depth: 20, showHidden: true })).not.toContain(secrets[2]);
    }
  });

  it("messages of the network layer are cleaned, and their causes copied without what hangs on them", () => {
    const cause = Object.assign(new Error(`cannot send ${tokenSecret}`), { code: "UND_ERR_X", headers: { authorization: tokenSecret } });
    const reader = {
      context: { cluster: "hel", method: "GET", path: "/version" },
      repeatable: true,
      redact: createRedactor([tokenSecret]),
    } as const;
    const error = errorOfFailure(TransportFailure.ofLoss(cause, true), "https://127.0.0.1:8006", reader);
    expect(everything(error)).not.toContain(tokenSecret);
    expect(error.message).toContain("cannot send ***");
    expect(error.cause).toMatchObject({ code: "UND_ERR_X", message: "cannot send ***" });
  });

  it("a client shows none of its credentials", () => {
    const { client } = testClient([{ url: "https://127.0.0.1:8006", fingerprint: "AB".repeat(32) }]);
    stops.push(() => client.close());
    expect(inspect(client, { depth: 20, showHidden: true })).not.toContain(tokenSecret);
  });
});

describe("redactor", () => {
  it("replaces a secret that contains another one as a whole", () => {
    expect(createRedactor(["abc", "abcdef", ""])("xabcdefx abc")).toBe("x***x ***");
  });

  it("knows encoded forms", () => {
    expect(createRedactor(["a b/c"])("?p=a%20b%2Fc")).toBe("?p=***");
  });

  it("picks the secret parameters only", () => {
    expect(secretsOfParams({ password: "p", cipassword: "c", name: "n", comment: "x", memory: 5 })).toEqual(["p", "c"]);
  });
});
