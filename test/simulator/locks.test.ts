import { expect, test } from "vitest";
import { VirtualClock } from "../../src/simulator/clock";
import { type Execution, runAs } from "../../src/simulator/execution";
import { LockTable } from "../../src/simulator/locks";

function setUp() {
  const clock = new VirtualClock({ startMs: 0, timeScale: 0 });
  const locks = new LockTable(clock);
  const worker = () => {
    const log: string[] = [];
    const stop = new AbortController();
    const execution: Execution = {
      held: new Map(),
      task: {
        log: (line) => log.push(line),
        amendLog: (text) => {
          log[log.length - 1] += text;
        },
        signal: stop.signal,
      },
    };
    return { execution, log, stop };
  };
  return { clock, locks, worker };
}

const call = (): Execution => ({ held: new Map() });
const file = "/var/lock/qemu-server/lock-100.conf";

test("a guest's lock is waited for ten seconds, then given up", async () => {
  const { clock, locks } = setUp();
  await runAs(call(), () => locks.holdGuestLock("a", 100));
  const second = runAs(call(), () => locks.holdGuestLock("a", 100));
  second.catch(() => undefined);
  await clock.advance(10_000);
  await expect(second).rejects.toThrow(`can't lock file '${file}' - got timeout`);
});

test("waiters get the lock in the order they came, and say so in their logs", async () => {
  const { clock, locks, worker } = setUp();
  const release = await runAs(call(), () => locks.holdGuestLock("a", 100));
  const order: string[] = [];
  const first = worker();
  const second = worker();
  const take = (name: string, { execution }: ReturnType<typeof worker>) =>
    runAs(execution, async () => {
      const free = await locks.holdGuestLock("a", 100);
      order.push(name);
      free();
    });
  const both = [take("first", first), take("second", second)];
  await clock.advance(3_000);
  release();
  await Promise.all(both);
  expect(order).toEqual(["first", "second"]);
  expect(first.log).toEqual(["trying to acquire lock... OK"]);
});

test("guests of different clusters and numbers have different locks", async () => {
  const { locks } = setUp();
  await runAs(call(), () => locks.holdGuestLock("a", 100));
  await runAs(call(), () => locks.holdGuestLock("b", 100));
  await runAs(call(), () => locks.holdGuestLock("a", 101));
});

test("the same execution may take the lock again and keeps it until the last release", async () => {
  const { clock, locks } = setUp();
  const outer = call();
  const releases = await runAs(outer, async () => [await locks.holdGuestLock("a", 100), await locks.holdGuestLock("a", 100)]);
  releases[1]!();
  const other = runAs(call(), () => locks.holdGuestLock("a", 100));
  let taken = false;
  void other.then(() => {
    taken = true;
  });
  await clock.advance(1_000);
  expect(taken).toBe(false);
  releases[0]!();
  await other;
});

test("a stopped worker gives up waiting", async () => {
  const { locks, worker } = setUp();
  await runAs(call(), () => locks.holdGuestLock("a", 100));
  const { execution, stop } = worker();
  const waiting = runAs(execution, () => locks.holdGuestLock("a", 100));
  stop.abort(new Error("interrupted"));
  await expect(waiting).rejects.toThrow(`can't lock file '${file}' - received interrupt`);
});

test("a holder that is gone holds nothing", async () => {
  const { locks } = setUp();
  const gone = call();
  await runAs(gone, () => locks.holdGuestLock("a", 100));
  locks.releaseAll(gone);
  await runAs(call(), () => locks.holdGuestLock("a", 100));
});

test("the node's backup lock tells once that it waits, and waits long", async () => {
  const { clock, locks } = setUp();
  const release = await runAs(call(), () => locks.holdNodeLock("a", "n", "vzdump", () => expect.unreachable()));
  let waits = 0;
  const second = runAs(call(), () =>
    locks.holdNodeLock("a", "n", "vzdump", () => {
      waits += 1;
    }),
  );
  await clock.advance(60 * 60_000);
  release();
  await second;
  expect(waits).toBe(1);
});
