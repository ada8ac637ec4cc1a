import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../scripts/setup/lock.mjs";

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lock-"));
  lock = join(folder, "engine.lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quick = { pollMs: 5 };

/** A process id that belonged to a process which has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

test("work under one lock runs one after the other, and the lock is gone afterwards", async () => {
  let under = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++under);
    await new Promise(setImmediate);
    under--;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLock(lock, work, quick)));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test("who waits is told for whom", async () => {
  const { promise, resolve } = deferred();
  const first = withLock(lock, () => promise, quick);
  await expect.poll(() => existsSync(lock), { timeout: 10_000 }).toBe(true);
  const holders: { pid: number }[] = [];
  const second = withLock(lock, async () => "done", {
    ...quick,
    onWait: (holder) => {
      holders.push(holder);
      resolve();
    },
  });
  expect(await second).toBe("done");
  await first;
  expect(holders).toMatchObject([{ pid: process.pid, host: hostname() }]);
});

test("the lock is released when the work fails", async () => {
  await expect(withLock(lock, () => Promise.reject(new Error("no disk")), quick)).rejects.toThrow("no disk");
  expect(existsSync(lock)).toBe(false);
});

test("the lock of a dead process is taken over, by one of many", async () => {
  writeFileSync(lock, JSON.stringify({ token: "dead", pid: deadPid(), host: hostname() }));
  let under = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++under);
    await new Promise(setImmediate);
    under--;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(lock, work, quick)));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test("a lock from another host is taken over only when it has not been touched for long", async () => {
  writeFileSync(lock, JSON.stringify({ token: "elsewhere", pid: deadPid(), host: "another-host" }));
  let waited = false;
  const waiting = withLock(lock, async () => "done", {
    ...quick,
    onWait: () => {
      waited = true;
      utimesSync(lock, 0, 0);
    },
  });
  expect(await waiting).toBe("done");
  expect(waited).toBe(true);
});

test("a lock whose process died before it wrote anything is taken away when it is old", async () => {
  writeFileSync(lock, "");
  utimesSync(lock, 0, 0);
  expect(await withLock(lock, async () => "done", quick)).toBe("done");
});
