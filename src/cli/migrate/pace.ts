/** Progress of long work on the error output, and the user's Ctrl-C. */
import { setTimeout as delay } from "node:timers/promises";
import type { Pace } from "../../migration";
import { CancelledByUserError } from "../../providers/cancellation";
import { type CliIo, printable } from "../io";

export interface Pacing {
  pace: Pace;
  /** Stops listening for Ctrl-C. */
  end(): void;
}

/** A first interruption ends what can be undone and undoes it; a second one ends the process where it is. */
export function pacing(io: CliIo): Pacing {
  const controller = new AbortController();
  const interrupt = () => {
    io.stderr.write("interrupted: undoing what can be undone; once more to stop at once (the next run takes it up)\n");
    controller.abort(new CancelledByUserError("interrupted: run the same command again to go on"));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const line = (message: string) => io.stderr.write(`${printable(message)}\n`);
  return {
    pace: {
      nowMs: () => Date.now(),
      sleep: (ms) => delay(ms),
      signal: controller.signal,
      report: line,
      // On a terminal the same line again and again; elsewhere a log would fill up with it.
      progress: (message) => io.stderr.isTTY === true && io.stderr.write(`\r\u001b[K${printable(message)}`),
    },
    end: () => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
    },
  };
}
