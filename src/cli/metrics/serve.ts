/** `/metrics` over HTTP. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { UsageError } from "../failure";

export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

/**
 * Every scrape looks anew; scrapes that overlap share one look, so that impatient scrapers do not multiply the calls.
 * @throws Error EADDRINUSE and the like, when it cannot listen
 */
export async function serveMetrics(
  { host, port }: Address,
  collect: () => Promise<string>,
  report: (message: string) => void,
): Promise<MetricsServer> {
  let running: Promise<string> | undefined;
  const shared = () => {
    running ??= collect().finally(() => {
      running = undefined;
    });
    return running;
  };
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "only GET\n");
    if (path === "/-/healthy") return answer(response, 200, "ok\n");
    if (path !== "/metrics") return answer(response, 404, "the metrics are at /metrics\n");
    shared().then(
      (text) => answer(response, 200, text),
      (error: unknown) => {
        report(error instanceof Error ? error.message : String(error));
        answer(response, 500, "the federation could not be asked; the log says why\n");
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  response.end(text);
}

export interface Address {
  host: string;
  port: number;
}

/** `9837`, `:9837`, `0.0.0.0:9837`, `[::1]:9837`; without a host only this machine is served. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<six>[^\]]+)\]:|(?<four>[^:]*):)?(?<port>\d+)$/.exec(text);
  const port = Number(match?.groups?.port);
  if (!match || port > 65_535) throw new UsageError(`--listen: ${text} is no address. Write a port, or host:port, like 127.0.0.1:9837.`);
  return { host: match.groups?.six || match.groups?.four || "127.0.0.1", port };
}
