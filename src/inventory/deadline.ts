/** An end to asking a cluster, for callers whom somebody waits for. */
import type { Cluster } from "../config";
import type { CallOptions } from "../proxmox";

/** A cluster took longer in all than its timeouts allow for one call. */
export class DeadlineError extends Error {
  readonly code = "DEADLINE";

  constructor(cluster: string, deadlineMs: number) {
    super(`Cluster ${cluster} did not answer within ${deadlineMs / 1000} s (its connection_timeout and request_timeout).`);
  }
}

/**
 * A client repeats a read that got no answer; here somebody waits, so all of it has to end when one call should have.
 *
 * @param work gets a signal that ends its calls
 * @throws DeadlineError
 */
export async function withinDeadline<T>(cluster: Cluster, work: (options: CallOptions) => Promise<T>): Promise<T> {
  const { connectTimeoutMs = 0, requestTimeoutMs = 0 } = cluster.connection ?? {};
  const deadlineMs = connectTimeoutMs + requestTimeoutMs;
  const controller = new AbortController();
  const deadline = new DeadlineError(cluster.id, deadlineMs);
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(deadline);
      controller.abort(deadline);
    }, deadlineMs);
  });
  try {
    return await Promise.race([work({ signal: controller.signal }), expired]);
  } finally {
    clearTimeout(timer);
  }
}
