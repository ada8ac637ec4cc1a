import { describe, expect, it } from "vitest";
import { type Clock, isProxmoxError, LockedError, RefusedError, retryWhileLocked } from "../../src/proxmox";
import { rejection } from "./support/client";

const context = { cluster: "hel", method: "PUT", path: "/nodes/n1/qemu/100/config" } as const;
const locked = (lockFile: boolean) => new LockedError({ summary: "locked", context, lockFile, lock: lockFile ? undefined : "backup" });

function fakeClock(): Clock & { sleeps: number[] } {
  const sleeps: number[] = [];
  let now = 0;
  return {
    sleeps,
    nowMs: () => now,
    random: () => 0.5,
    sleep: async (ms) => {
      sleeps.push(ms);
      now += ms;
    },
  };
}

describe("retryWhileLocked", () => {
  it("repeats a call that could not get a lock file until it works", async () => {
    const clock = fakeClock();
    let calls = 0;
    const result = await retryWhileLocked(
      async () => {
        if (++calls < 4) throw locked(true);
        return "done";
      },
      { clock },
    );
    expect([result, calls, clock.sleeps]).toEqual(["done", 4, [750, 1_500, 3_000]]);
  });

  it("ends with the lock's error before the time limit would be passed", async () => {
    const clock = fakeClock();
    const error = await rejection(
      retryWhileLocked(
        async () => {
          throw locked(true);
        },
        { clock, timeoutMs: 20_000 },
      ),
    );
    expect(isProxmoxError(error, "LOCKED")).toBe(true);
    expect(clock.nowMs()).toBeLessThanOrEqual(20_000);
    expect(clock.sleeps.length).toBeGreaterThan(3);
  });

  it.each([
    ["a guest's lock", locked(false)],
    ["another refusal", new RefusedError({ summary: "no", context })],
    ["a foreign error", new Error("boom")],
  ])("does not repeat %s", async (_name, thrown) => {
    let calls = 0;
    const error = await rejection(
      retryWhileLocked(async () => {
        calls++;
        throw thrown;
      }),
    );
    expect([error, calls]).toEqual([thrown, 1]);
  });
});
