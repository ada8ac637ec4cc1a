/** A bare HTTPS client for tests: the status line as it was sent, no retries, no pooling. */
import { request } from "node:https";
import { connect } from "node:tls";

export interface PlainReply {
  status: number;
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** Parsed body; undefined when it is not JSON. */
  json: { data?: unknown; message?: string; errors?: Record<string, string>; total?: number } | undefined;
}

export interface PlainRequest {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  /** An object becomes a form. */
  body?: string | Record<string, string | number>;
}

export function sendPlain(baseUrl: string, options: PlainRequest): Promise<PlainReply> {
  const url = new URL(baseUrl);
  const form = typeof options.body === "object";
  const body = form
    ? new URLSearchParams(Object.entries(options.body as object).map(([key, value]): [string, string] => [key, String(value)])).toString()
    : (options.body as string | undefined);
  const headers = {
    ...(form ? { "Content-Type": "application/x-www-form-urlencoded" } : {}),
    ...(body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: url.hostname,
        port: url.port,
        method: options.method ?? "GET",
        path: options.path,
        headers,
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const isJson = (response.headers["content-type"] ?? "").startsWith("application/json");
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? "",
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : undefined,
          });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Sends bytes and returns everything the server says until it closes. */
export function sendRaw(baseUrl: string, text: string): Promise<string> {
  const url = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false }, () => socket.write(text));
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(received));
    socket.on("error", reject);
  });
}
