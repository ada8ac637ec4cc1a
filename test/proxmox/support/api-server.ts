import { X509Certificate } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { generate } from "selfsigned";

export interface SeenRequest {
  method: string;
  /** With query. */
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
  /** Number of the connection it came on, from 1. */
  connection: number;
}

/** What the server does with one request. `reset` ends the connection with a TCP reset. */
export type Behaviour = (request: SeenRequest, response: ServerResponse, socket: Socket, reset: () => void) => void;

export interface ApiServer {
  url: string;
  /** SHA-256, as Node prints it. */
  fingerprint: string;
  certificate: string;
  requests: SeenRequest[];
  /** TLS connections made, with or without a request. */
  connections: number;
  stop(): Promise<void>;
}

interface Identity {
  key: string;
  certificate: string;
}

let shared: Promise<Identity> | undefined;

/** Key generation is slow: one certificate serves all servers that need no other. */
export function sharedIdentity(): Promise<Identity> {
  shared ??= newIdentity();
  return shared;
}

export async function newIdentity(): Promise<Identity> {
  const made = await generate([{ name: "commonName", value: "127.0.0.1" }], {
    keySize: 2048,
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
  });
  return { key: made.private, certificate: made.cert };
}

export async function startApiServer(behaviour: Behaviour, options: { identity?: Identity; port?: number } = {}): Promise<ApiServer> {
  const identity = options.identity ?? (await sharedIdentity());
  const numbers = new WeakMap<Socket, number>();
  /** Plain TCP sockets by the client's port: only those can be reset. */
  const sockets = new Map<number, Socket>();
  const api = { requests: [] as SeenRequest[], connections: 0 };
  const server: Server = createServer({ key: identity.key, cert: identity.certificate }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const seen: SeenRequest = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
        connection: numbers.get(request.socket) ?? 0,
      };
      api.requests.push(seen);
      behaviour(seen, response, request.socket, () => sockets.get(request.socket.remotePort ?? 0)?.resetAndDestroy());
    });
  });
  server.on("secureConnection", (socket) => {
    api.connections++;
    numbers.set(socket, api.connections);
  });
  server.on("connection", (socket: Socket) => {
    const port = socket.remotePort ?? 0;
    sockets.set(port, socket);
    socket.on("close", () => sockets.delete(port));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  return Object.assign(api, {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fingerprint: new X509Certificate(identity.certificate).fingerprint256,
    certificate: identity.certificate,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets.values()) socket.destroy();
      await closed;
    },
  });
}

/** A good answer. */
export function answer(response: ServerResponse, data: unknown): void {
  response.writeHead(200, { "content-type": "application/json;charset=UTF-8" });
  response.end(JSON.stringify({ data }));
}

/** A refusal as Proxmox sends it: the text in the status phrase, the connection closed. */
export function refuse(response: ServerResponse, status: number, text: string, errors?: Record<string, string>): void {
  response.writeHead(status, text.split("\n", 1)[0], { "content-type": "application/json;charset=UTF-8", connection: "close" });
  response.end(JSON.stringify({ data: null, message: `${text}\n`, ...(errors === undefined ? {} : { errors }) }));
}

/** A failure of Proxmox's own proxy: status and phrase, nothing else. */
export function proxyFailure(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, reason, { connection: "close" });
  response.end();
}
