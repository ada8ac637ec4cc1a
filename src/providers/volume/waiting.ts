import type { Pace } from "../../migration";

const POLL_MS = 1_000;

/** Asks at least once, then every second. @returns whether it came true in time */
export async function waitUntil(condition: () => Promise<boolean>, timeoutMs: number, pace: Pace): Promise<boolean> {
  const deadlineMs = pace.nowMs() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (pace.nowMs() + POLL_MS > deadlineMs) return false;
    await pace.sleep(POLL_MS);
  }
}
