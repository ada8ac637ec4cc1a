import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createKubernetesClient, isKubernetesError, type KubernetesApi, type KubernetesConnection } from "../../src/kubernetes";
import { loadKubernetesLibrary } from "../../src/kubernetes/library";
import { systemClock } from "../../src/proxmox";

const TOKEN = "s3cr3t-t0ken-of-the-test";
const patientClock = { ...systemClock, sleep: async () => undefined };

let server: Server | undefined;
afterEach(async () => {
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
});

function kubeconfig(url: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token: TOKEN } }],
    contexts: [
      { name: "main", context: { cluster: "c", user: "u" } },
      { name: "broken", context: { cluster: "c", user: "nobody" } },
    ],
    "current-context": "main",
  });
}

/** A client of a server that answers as told, and the requests it saw. */
async function clientOf(answer: (request: IncomingMessage, response: ServerResponse) => void, timeoutMs?: number): Promise<KubernetesApi> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return createKubernetesClient({ kubeconfigContent: kubeconfig(`http://127.0.0.1:${port}`) }, { clock: patientClock, timeoutMs });
}

function status(response: ServerResponse, code: number, reason: string, message: string): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message }));
}

async function failureOf(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isKubernetesError(error)) throw new Error(`expected a KubernetesError, got ${String(error)}`);
  return error;
}

describe("requests", () => {
  it("carry the token, ask for strict validation and patch by merging", async () => {
    const seen: { method?: string; url?: string; authorization?: string; type?: string; body: string }[] = [];
    const api = await clientOf((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const { method, url, headers } = request;
        seen.push({ method, url, authorization: headers.authorization, type: headers["content-type"], body });
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ metadata: { name: "pv" } }));
      });
    });
    const misspelt = { metadata: { name: "pv" }, spec: { csi: { driver: "d", volumeHandle: "h", volumeAtributes: { a: "b" } } } };
    await api.createVolume(misspelt);
    await api.patchVolume("pv", { spec: { capacity: { storage: "2Gi" } } });
    await api.deleteClaim({ metadata: { namespace: "shop", name: "data", uid: "17" } });
    expect(seen[0]).toMatchObject({
      method: "POST",
      url: "/api/v1/persistentvolumes?fieldValidation=Strict",
      authorization: `Bearer ${TOKEN}`,
      type: "application/json",
    });
    // Field by field as given: what the library does not know is for the server to refuse.
    expect(JSON.parse(seen[0]!.body)).toEqual(misspelt);
    expect(seen[1]).toMatchObject({ method: "PATCH", type: "application/merge-patch+json" });
    expect(seen[2]).toMatchObject({ method: "DELETE", url: "/api/v1/namespaces/shop/persistentvolumeclaims/data" });
    expect(JSON.parse(seen[2]!.body)).toMatchObject({ preconditions: { uid: "17" } });
  });

  it("are repeated after a passing failure, and not after a refusal", async () => {
    let count = 0;
    const api = await clientOf((_request, response) => {
      count++;
      if (count < 3) status(response, 503, "ServiceUnavailable", "starting");
      else status(response, 422, "Invalid", "spec.capacity: Required value");
    });
    expect(await failureOf(api.createVolume({ metadata: { name: "pv" } }))).toMatchObject({ code: "INVALID", status: 422 });
    expect(count).toBe(3);
  });

  it("that get no answer end after their time limit", async () => {
    const held: ServerResponse[] = [];
    const api = await clientOf((_request, response) => {
      held.push(response);
    }, 50);
    const failure = await failureOf(api.listNodes());
    expect(failure.code).toBe("UNREACHABLE");
    expect(held).toHaveLength(4);
    for (const response of held) response.destroy();
  });
});

describe("answers", () => {
  it.each([
    [401, "Unauthorized", "UNAUTHORIZED", /have not expired/],
    [403, "Forbidden", "FORBIDDEN", /Grant that verb/],
    [409, "AlreadyExists", "ALREADY_EXISTS", /cannot be created/],
    [409, "Conflict", "CONFLICT", /cannot be created/],
    [418, "Teapot", "REFUSED", /cannot be created/],
  ])("%d %s become %s", async (code, reason, expected, message) => {
    const api = await clientOf((_request, response) => status(response, code, reason, `no, not with ${TOKEN}`));
    const failure = await failureOf(api.createVolume({ metadata: { name: "pv-1" } }));
    expect(failure.code).toBe(expected);
    expect(failure.message).toMatch(message);
    expect(failure.message).toMatch(/PersistentVolume pv-1 .*context main, http:\/\/127\.0\.0\.1/);
    expect(JSON.stringify([failure.message, failure.stack, failure.cause])).not.toContain(TOKEN);
  });

  it("of what is absent are undefined", async () => {
    const api = await clientOf((_request, response) => status(response, 404, "NotFound", "not found"));
    expect(await api.findVolume("pv")).toBeUndefined();
    expect(await api.findReplicas({ kind: "Deployment", namespace: "shop", name: "web" })).toBeUndefined();
    await api.deleteVolume({ metadata: { name: "pv", uid: "1" } });
  });

  it("in HTML are still an error in one line", async () => {
    const api = await clientOf((_request, response) => {
      response.writeHead(404, { "content-type": "text/html" });
      response.end("<html>proxy</html>");
    });
    expect((await failureOf(api.listVolumes())).message).toMatch(/PersistentVolumes cannot be listed .*HTTP 404/);
    // A proxy's word that it finds nothing is none about the object.
    expect(await failureOf(api.findVolume("pv"))).toMatchObject({ code: "REFUSED", status: 404 });
    expect(await failureOf(api.deleteVolume({ metadata: { name: "pv", uid: "17" } }))).toMatchObject({ code: "REFUSED", status: 404 });
  });
});

describe("a kubeconfig", () => {
  const cases: [string, KubernetesConnection, RegExp][] = [
    ["that is absent", { kubeconfig: "/nowhere/kubeconfig" }, /^\/nowhere\/kubeconfig cannot be read \(ENOENT\)/],
    ["that is no YAML", { kubeconfigContent: `token: "${TOKEN}` }, /given kubeconfig cannot be read/],
    ["without a context", { kubeconfigContent: "clusters: []\nusers: []\ncontexts: []\n" }, /has no current context with a cluster/],
    ["without that context", { kubeconfigContent: kubeconfig("http://x"), context: "prod" }, /has no context prod \(known: main, broken\)/],
    ["without that user", { kubeconfigContent: kubeconfig("http://x"), context: "broken" }, /names a user that is not in it/],
    ["given twice", { kubeconfig: "a", kubeconfigContent: "b" }, /exclude each other/],
  ];
  it.each(cases)("%s is refused in one sentence and without its contents", async (_name, connection, message) => {
    const failure = await failureOf(createKubernetesClient(connection));
    expect(failure.code).toBe("KUBECONFIG");
    expect(failure.message).toMatch(message);
    expect(failure.message).not.toContain(TOKEN);
  });
});

it("a missing client library is named with the command that installs it", async () => {
  const absent = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  const failure = await failureOf(loadKubernetesLibrary(() => Promise.reject(absent)));
  expect(failure.code).toBe("CLIENT_MISSING");
  expect(failure.message).toMatch(/npm install @kubernetes\/client-node/);
});
