/**
 * Ctrl-C. At the first one the engine waits for what is under way and sends `Cancel` to its providers, which Pulumi's
 * dynamic-provider process takes and ignores; with Node 22.17 and later the request can be seen on its way in. At the end of
 * a run, and at the second Ctrl-C, the engine interrupts the process and kills it five seconds later.
 */
import { subscribe } from "node:diagnostics_channel";

const CANCEL_PATH = "/pulumirpc.ResourceProvider/Cancel";

export class CancelledByUserError extends Error {
  readonly code = "CANCELLED_BY_USER";
}

export interface Cancellation {
  /** Aborted as soon as the user has cancelled: long waits end, a move rolls back. */
  readonly signal: AbortSignal;
  /** Counts an operation as under way. */
  during<T>(operation: () => Promise<T>): Promise<T>;
}

export function watchCancellation(): Cancellation {
  const controller = new AbortController();
  const cancel = () => controller.abort(new CancelledByUserError("cancelled: run again to go on, or take the change back"));
  let underWay = 0;
  subscribe("http2.server.stream.start", (message) => {
    if ((message as { headers?: Record<string, unknown> }).headers?.[":path"] === CANCEL_PATH) cancel();
  });
  process.on("SIGINT", () => {
    // Idle, it would only make the engine wait.
    if (underWay === 0) process.exit(130);
    cancel();
  });
  return {
    signal: controller.signal,
    during: async (operation) => {
      underWay++;
      try {
        return await operation();
      } finally {
        underWay--;
      }
    },
  };
}
