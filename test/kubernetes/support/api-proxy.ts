/**
 * A loopback proxy in front of the API server: it tells of every call and can have any of them go wrong. The caller's
 * credentials pass through; its own certificate stands in the kubeconfig it hands out.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { generate } from "selfsigned";
import { formatKubeconfig } from "../../../scripts/kubernetes/credentials.mjs";

export interface KubernetesCall {
  method: string;
  /** Without the query. */
  path: string;
}

export type KubernetesFault =
  /** Nothing is done, the connection is reset. */
  | { kind: "reset-before" }
  /** Done, but the connection is reset instead of an answer. */
  | { kind: "reset-after" }
  /** Done, then `run` is called; there is no answer. */
  | { kind: "after"; run: () => void }
  /** Nothing is done, and the API server seems to say no. */
  | { kind: "status"; code: number; reason: string };

export class ApiProxy {
  /** Asked once per call. */
  onCall: (call: KubernetesCall) => KubernetesFault | undefined = () => undefined;

  private constructor(
    private readonly server: Server,
    private readonly upstream: URL,
    /** Of the real API server. */
    private readonly authority: string,
    /** Its own. */
    private readonly certificate: string,
  ) {}

  /** @param kubeconfig text of one that leads to the API server, as {@link formatKubeconfig} writes it */
  static async start(kubeconfig: string): Promise<ApiProxy> {
    const { cluster } = (JSON.parse(kubeconfig) as { clusters: { cluster: Record<string, string> }[] }).clusters[0]!;
    const { cert, private: key } = await generate([{ name: "commonName", value: "kube-apiserver-proxy" }], {
      keyType: "ec",
      extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
    });
    const server = createServer({ cert, key });
    const authority = Buffer.from(cluster!["certificate-authority-data"]!, "base64").toString();
    const proxy = new ApiProxy(server, new URL(cluster!.server!), authority, cert);
    server.on("request", (call, answer) => void proxy.pass(call, answer));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  /** Text of a kubeconfig for that user entry, which leads through the proxy. */
  kubeconfigOf(user: Record<string, unknown>): string {
    const { port } = this.server.address() as AddressInfo;
    return formatKubeconfig({ server: `https://127.0.0.1:${port}`, authority: this.certificate, user });
  }

  async stop(): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async pass(call: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(call);
    const { method = "GET", url = "/" } = call;
    const fault = this.onCall({ method, path: url.split("?")[0]! });
    if (fault?.kind === "reset-before") return void call.socket.destroy();
    if (fault?.kind === "status") return sendStatus(answer, fault);
    const reply = await this.forward(call, body);
    const content = await buffer(reply);
    if (fault?.kind === "after") fault.run();
    if (fault) return void call.socket.destroy();
    answer.writeHead(reply.statusCode ?? 500, { "content-type": reply.headers["content-type"] ?? "application/json" });
    answer.end(content);
  }

  private async forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { host: _ours, connection: _connection, ...passed } = headers;
    const { hostname, port } = this.upstream;
    const sent = request({ hostname, port, method, path: url, headers: passed, ca: this.authority });
    sent.end(body);
    const [reply] = (await once(sent, "response")) as [IncomingMessage];
    return reply;
  }
}

/** As the API server words a refusal of its own. */
function sendStatus(answer: ServerResponse, { code, reason }: { code: number; reason: string }): void {
  answer.writeHead(code, { "content-type": "application/json" });
  answer.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: `${reason} (by the test)` }));
}
