import { expect, test } from "vitest";
import { Bandwidth } from "../../src/simulator/bandwidth";
import { VirtualClock } from "../../src/simulator/clock";

function setUp(capacities: Record<string, number>) {
  const clock = new VirtualClock({ startMs: 0, timeScale: 0 });
  const bandwidth = new Bandwidth(clock, (resource) => capacities[resource] ?? Number.POSITIVE_INFINITY);
  const finished: Record<string, number> = {};
  const start = (name: string, bytes: number, through: string[], limitBytesPerSecond?: number) =>
    bandwidth.transfer({ bytes, through, limitBytesPerSecond }).then(() => {
      finished[name] = clock.nowMs();
    });
  return { clock, bandwidth, finished, start };
}

test("one transfer takes bytes divided by the slowest resource", async () => {
  const { clock, finished, start } = setUp({ disk: 1000, link: 100 });
  void start("a", 1000, ["disk", "link"]);
  await clock.advance(20_000);
  expect(finished).toEqual({ a: 10_000 });
});

test("two transfers share a resource evenly and the rest speeds up when one is done", async () => {
  const { clock, finished, start } = setUp({ disk: 100 });
  void start("short", 200, ["disk"]);
  void start("long", 600, ["disk"]);
  await clock.advance(20_000);
  // Both at 50 B/s until 4 s; then 400 bytes at 100 B/s.
  expect(finished).toEqual({ short: 4_000, long: 8_000 });
});

test("a limit holds one back and leaves the rest to the others", async () => {
  const { clock, finished, start } = setUp({ disk: 100 });
  void start("limited", 100, ["disk"], 10);
  void start("free", 100, ["disk"]);
  await clock.advance(20_000);
  // 90 B/s: what the limited one does not take.
  expect(finished).toEqual({ free: 1_112, limited: 10_000 });
});

test("resources that do not limit take no time, and neither does nothing", async () => {
  const { clock, finished, start } = setUp({});
  await start("nothing", 0, ["disk"]);
  void start("free", 5_000_000, ["disk"]);
  await clock.advance(1);
  expect(finished).toEqual({ nothing: 0, free: 0 });
});

test("progress is told every second and at the end", async () => {
  const { clock, bandwidth } = setUp({ disk: 100 });
  const seen: number[] = [];
  void bandwidth.transfer({ bytes: 250, through: ["disk"], onProgress: (done) => seen.push(done) });
  await clock.advance(5_000);
  expect(seen).toEqual([100, 200, 250]);
});

test("an aborted transfer frees its share", async () => {
  const { clock, bandwidth, finished, start } = setUp({ disk: 100 });
  const stop = new AbortController();
  const aborted = bandwidth.transfer({ bytes: 1_000_000, through: ["disk"], signal: stop.signal });
  aborted.catch(() => undefined);
  void start("other", 300, ["disk"]);
  await clock.advance(2_000);
  stop.abort(new Error("stopped"));
  await expect(aborted).rejects.toThrow("stopped");
  await clock.advance(10_000);
  expect(finished).toEqual({ other: 4_000 });
});
