import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type Dispatcher, Pool } from "undici";
import { createConnector, type TlsOptions } from "./tls";
import { TransportFailure } from "./transport-failure";

const gunzipAsync = promisify(gunzip);

export interface TransportOptions {
  tls: TlsOptions;
  connectTimeoutMs: number;
  /** An answer beyond this is refused. Default 64 MiB: a listing of a big backup store has a few. */
  maxResponseBytes?: number;
  /** Connections per endpoint. Default 6: a Proxmox API proxy has three workers. */
  connections?: number;
}

export interface WireRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** With query, from `/api2/json` on. */
  path: string;
  headers: Record<string, string>;
  /** Form encoded. */
  body?: string;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface WireResponse {
  status: number;
  /** Status phrase: where Proxmox puts its error. */
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** HTTP/1.1 to one API endpoint over kept-alive, checked TLS connections. Knows nothing of what it carries. */
export class Transport {
  readonly #pool: Pool;
  readonly #maxResponseBytes: number;

  constructor(origin: string, options: TransportOptions) {
    this.#maxResponseBytes = options.maxResponseBytes ?? 64 * 1024 * 1024;
    this.#pool = new Pool(origin, {
      connect: createConnector(options.tls, options.connectTimeoutMs),
      connections: options.connections ?? 6,
      pipelining: 1,
      // The proxy closes idle connections after 5 s; reusing one just then loses the request, and of a write the outcome.
      keepAliveTimeout: 3_000,
      keepAliveMaxTimeout: 3_000,
      // The time limit is the request's own, below: undici's would count from another moment.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Rejects with a {@link TransportFailure} when no complete answer arrived. */
  async send(request: WireRequest): Promise<WireResponse> {
    const raw = await new Promise<RawResponse>((resolve, reject) => {
      new Exchange(request, this.#maxResponseBytes, resolve, reject).start(this.#pool);
    });
    const body = await this.#decode(raw);
    return { status: raw.status, reason: raw.reason, headers: raw.headers, body };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #decode(raw: RawResponse): Promise<string> {
    if (raw.headers["content-encoding"] !== "gzip" || raw.body.length === 0) return raw.body.toString("utf8");
    try {
      return (await gunzipAsync(raw.body, { maxOutputLength: this.#maxResponseBytes })).toString("utf8");
    } catch (error) {
      if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") throw TransportFailure.ofSize(this.#maxResponseBytes);
      throw TransportFailure.ofLoss(error as Error, true);
    }
  }
}

interface RawResponse {
  status: number;
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** One request and its answer. undici's plain `request()` does not tell whether anything was put on the wire; this does. */
class Exchange implements Dispatcher.DispatchHandler {
  #sent = false;
  #settled = false;
  #failure: TransportFailure | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #bytes = 0;
  readonly #chunks: Buffer[] = [];
  #head: { status: number; reason: string; headers: RawResponse["headers"] } | undefined;
  readonly #onAbort = (): void => this.#stop(TransportFailure.ofCancel(this.#sent));

  constructor(
    private readonly request: WireRequest,
    private readonly maxBytes: number,
    private readonly resolve: (response: RawResponse) => void,
    private readonly reject: (failure: TransportFailure) => void,
  ) {}

  start(pool: Pool): void {
    const { signal, timeoutMs, method, path, headers, body } = this.request;
    if (signal?.aborted) {
      this.reject(TransportFailure.ofCancel(false));
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#timer = setTimeout(() => this.#stop(TransportFailure.ofTimeout(timeoutMs, this.#sent)), timeoutMs);
    try {
      pool.dispatch({ method, path, headers, body: body ?? null }, this);
    } catch (error) {
      this.#fail(TransportFailure.ofLoss(error as Error, false));
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failure !== undefined) {
      // Given up while it waited for a free connection: it must not go out now.
      controller.abort(this.#failure);
      return;
    }
    this.#sent = true;
    this.#controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: RawResponse["headers"], reason?: string): void {
    // 1xx may come before the answer.
    if (status >= 200) this.#head = { status, reason: reason ?? "", headers };
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.maxBytes) {
      this.#stop(TransportFailure.ofSize(this.maxBytes));
      return;
    }
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#settled || this.#head === undefined) return;
    this.#finish();
    this.resolve({ ...this.#head, body: Buffer.concat(this.#chunks) });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#fail(error instanceof TransportFailure ? error : TransportFailure.ofLoss(error, this.#sent));
  }

  #stop(failure: TransportFailure): void {
    this.#fail(failure);
    this.#controller?.abort(failure);
  }

  #fail(failure: TransportFailure): void {
    if (this.#settled) return;
    this.#failure = failure;
    this.#finish();
    this.reject(failure);
  }

  #finish(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.request.signal?.removeEventListener("abort", this.#onAbort);
  }
}
