import type { ApiParams, CallOptions, Upid } from "./api";
import { OutcomeUnknownError, UnexpectedResponseError } from "./errors";
import type { Requester } from "./requester";
import { lookFirst } from "./response";
import { isRow, type Row } from "./rows";
import { isUpid } from "./upid";

/** The verbs the typed calls are written in; each checks the shape of the answer. */
export class Caller {
  readonly requester: Requester;

  constructor(requester: Requester) {
    this.requester = requester;
  }

  get(path: string, params?: ApiParams, options?: CallOptions): Promise<unknown> {
    return this.requester.request("GET", path, params, options);
  }

  async getRow(path: string, params?: ApiParams, options?: CallOptions): Promise<Row> {
    const data = await this.get(path, params, options);
    if (!isRow(data)) throw this.#unexpected("GET", path, "an object");
    return data;
  }

  /** A change without a result. */
  async change(method: "POST" | "PUT" | "DELETE", path: string, params?: ApiParams, options?: CallOptions): Promise<void> {
    await this.requester.request(method, path, params, options);
  }

  /** A change that starts a task. */
  async start(method: "POST" | "PUT" | "DELETE", path: string, params?: ApiParams, options?: CallOptions): Promise<Upid> {
    const data = await this.requester.request(method, path, params, options);
    if (!isUpid(data)) throw this.#unexpected(method, path, "a UPID");
    return data;
  }

  /** A change that may be done at once: `undefined` when Proxmox answered null. */
  async startIfNeeded(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    params?: ApiParams,
    options?: CallOptions,
  ): Promise<Upid | undefined> {
    const data = await this.requester.request(method, path, params, options);
    if (data === null || data === "") return undefined;
    if (!isUpid(data)) throw this.#unexpected(method, path, "a UPID or nothing");
    return data;
  }

  /** For an answer that is JSON, but not what this call gives. */
  unexpected(method: "GET" | "POST", path: string, wanted: string): UnexpectedResponseError | OutcomeUnknownError {
    return this.#unexpected(method, path, wanted);
  }

  #unexpected(method: "GET" | "POST" | "PUT" | "DELETE", path: string, wanted: string): UnexpectedResponseError | OutcomeUnknownError {
    const details = { summary: `The answer is not ${wanted}`, context: this.requester.context(method, path), status: 200 };
    return method === "GET" ? new UnexpectedResponseError(details) : new OutcomeUnknownError({ ...details, advice: lookFirst });
  }
}
