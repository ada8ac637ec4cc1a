import type { ApiParams, CallOptions } from "./api";
import type { Authentication, Identity, Login } from "./authentication";
import type { Classify } from "./classify";
import type { Clock } from "./clock";
import { encodeParams } from "./encoding";
import type { EndpointSet } from "./endpoints";
import { type CallContext, isProxmoxError, ParameterError } from "./errors";
import { errorOfFailure } from "./failure";
import { createRedactor, secretsOfParams } from "./redact";
import { type ResponseReader, readResponse } from "./response";
import { withRetry } from "./retry";
import type { Transport, WireResponse } from "./transport";
import { TransportFailure } from "./transport-failure";

type Method = CallContext["method"];

/** One HTTP exchange, after it ended. */
export interface RequestInfo {
  method: Method;
  /** Without query. */
  path: string;
  /** Absent when no answer came. */
  status?: number;
  durationMs: number;
  /** 1 for the first. */
  attempt: number;
}

export interface RequesterOptions {
  clusterId: string;
  /** What stands before the id in messages. Default `cluster`. */
  system?: string;
  /** Meaning of a refusal. Default: Proxmox VE's. */
  classify?: Classify;
  endpoints: EndpointSet<Transport>;
  authentication: Authentication;
  clock: Clock;
  requestTimeoutMs: number;
  onRequest?: (info: RequestInfo) => void;
}

/** The API's own limits; beyond them it drops the connection, and the error would be a riddle. */
const maxBodyBytes = 512 * 1024;
const maxPathBytes = 7 * 1024;

interface PreparedCall {
  reader: ResponseReader;
  wirePath: string;
  body: string | undefined;
  options: CallOptions;
}

/** A call from parameters to `data`: encoding, identity, endpoints, repeats. Everything typed sits on top of {@link request}. */
export class Requester {
  readonly clusterId: string;
  readonly #options: RequesterOptions;

  constructor(options: RequesterOptions) {
    this.clusterId = options.clusterId;
    this.#options = options;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  context(method: Method, path: string): CallContext {
    const { system } = this.#options;
    return { cluster: this.clusterId, ...(system === undefined ? {} : { system }), method, path };
  }

  /** For texts of good answers that go into errors. */
  redact(text: string): string {
    return createRedactor(this.#options.authentication.secrets)(text);
  }

  /** `path` is below `/api2/json`, its segments already encoded. Resolves with the `data` of the answer. */
  async request(method: Method, path: string, params: ApiParams = {}, options: CallOptions = {}): Promise<unknown> {
    const secrets = secretsOfParams(params);
    return withRetry(method === "GET", this.clock, options.signal, async (number) => {
      const identity = await this.#options.authentication.identify(this.#login);
      const call = this.#prepare(method, path, params, options, [...secrets, ...identity.secrets]);
      try {
        return await this.#reach(call, identity, number + 1);
      } catch (error) {
        if (!isProxmoxError(error, "AUTHENTICATION")) throw error;
        // A 401 comes before anything is done, so that a write may go out again too.
        const replacement = await this.#options.authentication.replace(identity, this.#login);
        if (replacement === undefined) throw error;
        const again = this.#prepare(method, path, params, options, [...secrets, ...replacement.secrets]);
        return this.#reach(again, replacement, number + 1);
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.endpoints.all.map(({ target }) => target.close()));
  }

  readonly #login: Login = (username, password) =>
    withRetry(true, this.clock, undefined, (number) => {
      const secrets = [password, ...this.#options.authentication.secrets];
      const call = this.#prepare("POST", "/access/ticket", { username, password }, {}, secrets);
      call.reader.repeatable = true;
      return this.#reach(call, undefined, number + 1);
    });

  #prepare(method: Method, path: string, params: ApiParams, options: CallOptions, secrets: readonly string[]): PreparedCall {
    const reader: ResponseReader = {
      context: this.context(method, path),
      repeatable: method === "GET",
      redact: createRedactor(secrets),
      classify: this.#options.classify,
    };
    const encoded = encodeParams(params);
    // Content on GET or DELETE is refused (501): their parameters go into the query.
    const inQuery = method === "GET" || method === "DELETE";
    const wirePath = `/api2/json${path}${inQuery && encoded !== "" ? `?${encoded}` : ""}`;
    const body = inQuery ? undefined : encoded;
    if (body !== undefined && body.length > maxBodyBytes)
      throw tooBig(reader, `the parameters are ${body.length} bytes, Proxmox takes ${maxBodyBytes}`);
    if (wirePath.length > maxPathBytes) throw tooBig(reader, `path and query are ${wirePath.length} bytes, Proxmox takes ${maxPathBytes}`);
    return { reader, wirePath, body, options };
  }

  #reach(call: PreparedCall, identity: Identity | undefined, attempt: number): Promise<unknown> {
    const { reader } = call;
    return this.#options.endpoints.run(reader.context, async (endpoint) => {
      const startedAtMs = this.clock.nowMs();
      let status: number | undefined;
      try {
        const response = await this.#exchange(endpoint.target, call, identity);
        status = response.status;
        return readResponse(response, reader);
      } catch (error) {
        throw error instanceof TransportFailure ? errorOfFailure(error, endpoint.url, reader) : error;
      } finally {
        const { method, path } = reader.context;
        this.#options.onRequest?.({ method, path, status, durationMs: this.clock.nowMs() - startedAtMs, attempt });
      }
    });
  }

  #exchange(
    transport: Transport,
    { reader, wirePath, body, options }: PreparedCall,
    identity: Identity | undefined,
  ): Promise<WireResponse> {
    const { method } = reader.context;
    return transport.send({
      method,
      path: wirePath,
      headers: {
        accept: "application/json",
        "accept-encoding": "gzip",
        ...(body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
        ...identity?.headers(method),
      },
      body,
      timeoutMs: options.timeoutMs ?? this.#options.requestTimeoutMs,
      signal: options.signal,
    });
  }
}

function tooBig(reader: ResponseReader, reason: string): ParameterError {
  return new ParameterError({ summary: "The call is too big to send", context: reader.context, proxmoxMessage: reason, errors: {} });
}
