import type { Clock } from "./clock";
import { type CallContext, ConnectionError, isProxmoxError } from "./errors";

/** One way into the cluster. */
export interface Endpoint<T> {
  url: string;
  target: T;
}

/** An endpoint that failed is asked last for this long. */
const avoidMs = 30_000;

/**
 * Several API URLs of one cluster. A {@link ConnectionError} says nothing was done, so the next endpoint is
 * asked, for writes too; the one that answered is asked first from then on.
 */
export class EndpointSet<T> {
  readonly #endpoints: readonly Endpoint<T>[];
  readonly #failedAtMs = new Map<string, number>();
  readonly #clock: Pick<Clock, "nowMs">;
  #preferred: string | undefined;

  constructor(endpoints: readonly Endpoint<T>[], clock: Pick<Clock, "nowMs">) {
    if (endpoints.length === 0) throw new TypeError("A cluster needs at least one API URL.");
    this.#endpoints = endpoints;
    this.#clock = clock;
  }

  get all(): readonly Endpoint<T>[] {
    return this.#endpoints;
  }

  /** Runs `attempt` on one endpoint after the other until one is reached. */
  async run<R>(context: CallContext, attempt: (endpoint: Endpoint<T>) => Promise<R>): Promise<R> {
    const tried: { url: string; reason: string }[] = [];
    let last: ConnectionError | undefined;
    for (const endpoint of this.#order()) {
      try {
        const result = await attempt(endpoint);
        this.#reached(endpoint.url);
        return result;
      } catch (error) {
        if (!isProxmoxError(error, "CONNECTION")) {
          // Any other answer, good or bad, proves that the endpoint is there.
          if (isProxmoxError(error) && error.status !== undefined) this.#reached(endpoint.url);
          throw error;
        }
        last = error;
        tried.push({ url: endpoint.url, reason: error.endpoints[0]?.reason ?? error.proxmoxMessage ?? error.message });
        // 595: the endpoint is there, a node behind it is not; every other endpoint would say the same of that node.
        if (error.status !== undefined && error.node !== undefined) throw error;
        this.#failedAtMs.set(endpoint.url, this.#clock.nowMs());
      }
    }
    if (tried.length === 1) throw last!;
    throw new ConnectionError({
      summary: `None of the ${tried.length} API endpoints can be reached: ${tried.map(({ url, reason }) => `${url}: ${reason}`).join("; ")}`,
      context,
      cause: last,
      endpoints: tried,
    });
  }

  #reached(url: string): void {
    this.#failedAtMs.delete(url);
    this.#preferred = url;
  }

  /** The one that answered last, then those not known to be down, in the given order; failed ones come last, oldest failure first. */
  #order(): Endpoint<T>[] {
    const now = this.#clock.nowMs();
    const rank = ({ url }: Endpoint<T>): number => {
      const failedAt = this.#failedAtMs.get(url);
      if (failedAt !== undefined && now - failedAt < avoidMs) return 2 + (failedAt - now + avoidMs) / avoidMs;
      return url === this.#preferred ? 0 : 1;
    };
    return [...this.#endpoints].sort((a, b) => rank(a) - rank(b));
  }
}
