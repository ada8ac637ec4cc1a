import { describe, expect, test, vi } from "vitest";
import { VirtualClock } from "../../src/simulator/clock";

const still = () => new VirtualClock({ startMs: 1_000_000, timeScale: 0 });

describe("VirtualClock", () => {
  test("stands still at scale 0 until it is advanced", async () => {
    const clock = still();
    const order: string[] = [];
    void clock.sleep(20).then(() => order.push("later"));
    void clock.sleep(10).then(() => order.push("sooner"));
    expect(clock.nowMs()).toBe(1_000_000);
    await clock.advance(9);
    expect(order).toEqual([]);
    await clock.advance(11);
    expect(order).toEqual(["sooner", "later"]);
    expect(clock.nowMs()).toBe(1_000_020);
  });

  test("fires timers of the same moment in the order of their creation", async () => {
    const clock = still();
    const order: number[] = [];
    for (const index of [0, 1, 2]) void clock.sleep(5).then(() => order.push(index));
    await clock.advance(5);
    expect(order).toEqual([0, 1, 2]);
  });

  test("lets the work a timer releases see the timer's moment and set timers on the way", async () => {
    const clock = still();
    const moments: number[] = [];
    const worker = (async () => {
      for (let round = 0; round < 3; round += 1) {
        await clock.sleep(10);
        moments.push(clock.nowMs() - 1_000_000);
      }
    })();
    await clock.advance(100);
    await worker;
    expect(moments).toEqual([10, 20, 30]);
  });

  test("advances to the next timer somebody waits for, past periodic work", async () => {
    const clock = still();
    let rounds = 0;
    const stop = clock.every(10, () => {
      rounds += 1;
    });
    void clock.sleep(35);
    expect(await clock.advanceToNextTimer()).toBe(true);
    expect([clock.nowMs() - 1_000_000, rounds]).toEqual([35, 3]);
    expect(await clock.advanceToNextTimer()).toBe(false);
    stop();
    await clock.advance(100);
    expect(rounds).toBe(3);
  });

  test("rejects a sleep whose signal is aborted, before or after it began", async () => {
    const clock = still();
    const late = new AbortController();
    const sleep = clock.sleep(10, late.signal);
    late.abort(new Error("enough"));
    await expect(sleep).rejects.toThrow("enough");
    await expect(clock.sleep(10, AbortSignal.abort(new Error("never")))).rejects.toThrow("never");
  });

  test("runs as many times faster than the wall clock as its scale says", () => {
    let realMs = 0;
    const clock = new VirtualClock({ startMs: 0, timeScale: 100, realNowMs: () => realMs });
    realMs = 5;
    expect(clock.nowMs()).toBe(500);
    clock.timeScale = 2;
    realMs = 10;
    expect(clock.nowMs()).toBe(510);
    clock.stop();
  });

  test("stopped while timers are overdue, it goes no further", async () => {
    let realMs = 0;
    const clock = new VirtualClock({ startMs: 0, timeScale: 1000, realNowMs: () => realMs });
    const fired: number[] = [];
    for (const dueMs of [5, 50, 500]) {
      void clock.sleep(dueMs).then(() => {
        fired.push(dueMs);
        if (dueMs === 5) clock.timeScale = 0;
      });
    }
    realMs = 10;
    await vi.waitFor(() => expect(fired).toEqual([5]));
    expect(clock.nowMs()).toBe(5);
    await clock.advance(45);
    expect(fired).toEqual([5, 50]);
    clock.stop();
  });

  test("wakes sleepers by itself when it runs", async () => {
    const clock = new VirtualClock({ startMs: 0, timeScale: 10_000 });
    await clock.sleep(60_000);
    expect(clock.nowMs()).toBeGreaterThanOrEqual(60_000);
    clock.stop();
  });

  test("refuses a scale or an advance that is no number", async () => {
    const clock = still();
    expect(() => {
      clock.timeScale = Number.NaN;
    }).toThrow(RangeError);
    await expect(clock.advance(-1)).rejects.toThrow(RangeError);
  });
});
