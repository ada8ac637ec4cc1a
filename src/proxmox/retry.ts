import { backoffMs, type Clock, systemClock } from "./clock";
import { isProxmoxError } from "./errors";

const baseMs = 250;
const maxMs = 4_000;
const maxAttempts = 4;
/** After this long no further attempt starts, except the first repeat: a hanging cluster must not multiply its own time limit. */
const budgetMs = 20_000;

/**
 * Repeats what is safe to repeat. A read: lost connection, no answer in time, 595–599, 502–504. A write: only
 * when nothing was sent. Never an error that is an answer.
 *
 * `repeatable`: the call changes nothing, so that asking twice is the same as asking once.
 */
export async function withRetry<T>(
  repeatable: boolean,
  clock: Clock,
  signal: AbortSignal | undefined,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  const startedAtMs = clock.nowMs();
  for (let number = 0; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      const harmless = isProxmoxError(error, "CONNECTION") || (repeatable && isProxmoxError(error, "TIMEOUT"));
      const spent = number + 1 >= maxAttempts || (number > 0 && clock.nowMs() - startedAtMs >= budgetMs);
      if (!harmless || spent) throw error;
      // A cancelled pause surfaces through the next attempt, which fails at once with CancelledError.
      await clock.sleep(backoffMs(number, baseMs, maxMs, clock.random), signal).catch((reason: unknown) => {
        if (!signal?.aborted) throw reason;
      });
    }
  }
}

export interface RetryWhileLockedOptions {
  /** How long to go on. Default 2 minutes. */
  timeoutMs?: number;
  signal?: AbortSignal;
  clock?: Clock;
}

/**
 * Repeats a call that was refused because a lock file could not be had. Such a call has done nothing. A
 * guest's `lock` (`backup`, `migrate`) is not waited for: that can take hours.
 */
export async function retryWhileLocked<T>(call: () => Promise<T>, options: RetryWhileLockedOptions = {}): Promise<T> {
  const { timeoutMs = 120_000, signal, clock = systemClock } = options;
  const deadlineMs = clock.nowMs() + timeoutMs;
  for (let number = 0; ; number++) {
    try {
      return await call();
    } catch (error) {
      if (!isProxmoxError(error, "LOCKED") || !error.lockFile) throw error;
      const pauseMs = backoffMs(number, 1_000, 10_000, clock.random);
      if (clock.nowMs() + pauseMs > deadlineMs || signal?.aborted) throw error;
      await clock.sleep(pauseMs, signal);
    }
  }
}
