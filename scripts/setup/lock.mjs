import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

const defaults = { pollMs: 500, heartbeatMs: 5_000, staleMs: 60_000 };

/**
 * Runs `work` while no other process on this machine, or on one that shares the folder, runs work under the same lock
 * file. A lock is free to take over when its process is dead or has not touched it for `staleMs` (a container's process is
 * not visible from outside, and process ids are used again).
 *
 * @template T
 * @param {string} path the lock file; its folder exists
 * @param {() => Promise<T>} work
 * @param {{ onWait?: (holder: { pid: number, host: string }) => void, pollMs?: number, heartbeatMs?: number, staleMs?: number }} [options]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, options = {}) {
  const { onWait, pollMs, heartbeatMs, staleMs } = { ...defaults, ...options };
  const own = { token: randomUUID(), pid: process.pid, host: hostname() };
  let announced = false;
  while (!tryAcquire(path, own, staleMs)) {
    if (!announced) onWait?.(readHolder(path) ?? own);
    announced = true;
    await delay(pollMs);
  }
  const heartbeat = setInterval(() => touch(path), heartbeatMs);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if (readHolder(path)?.token === own.token) rmSync(path, { force: true });
  }
}

function tryAcquire(path, own, staleMs) {
  if (createExclusively(path, own)) return true;
  const holder = readHolder(path);
  if (!holder) {
    // Freed just now, or its process died before it had written a word.
    if (isAbandoned(path, staleMs)) rmSync(path, { force: true });
    return false;
  }
  if (!isStale(path, holder, staleMs)) return false;
  // Two processes may see the same dead holder. Its token names the right to succeed it, which only one of them gets;
  // whoever comes later finds another holder and leaves.
  const succession = `${path}.${holder.token}`;
  if (!createExclusively(succession, own)) {
    const successor = readHolder(succession);
    if (successor && isStale(succession, successor, staleMs)) rmSync(succession, { force: true });
    return false;
  }
  try {
    if (readHolder(path)?.token !== holder.token) return false;
    const next = `${path}.${own.token}.next`;
    writeFileSync(next, JSON.stringify(own));
    renameSync(next, path);
    return true;
  } finally {
    rmSync(succession, { force: true });
  }
}

function createExclusively(path, own) {
  try {
    writeFileSync(path, JSON.stringify(own), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined when there is no lock or its process has not finished writing it. */
function readHolder(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isStale(path, holder, staleMs) {
  return (holder.host === hostname() && !isAlive(holder.pid)) || isAbandoned(path, staleMs);
}

function isAbandoned(path, staleMs) {
  const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return mtimeMs !== undefined && Date.now() - mtimeMs > staleMs;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== "ESRCH"; // EPERM: someone else's, but alive
  }
}

function touch(path) {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
