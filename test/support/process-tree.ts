import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

/**
 * Processes that descend from `pid`, nearest first. The engine puts each plugin into a process group of its own, so that
 * the group of the CLI is not all there is to end.
 */
export function listDescendants(pid: number): number[] {
  const parents = listParents();
  const found = [pid];
  // Children are appended while the list is walked.
  for (const ancestor of found) {
    for (const [child, parent] of parents) if (parent === ancestor) found.push(child);
  }
  return found.slice(1);
}

/**
 * SIGKILL to a process and all that descends from it, as a power cut would. Each is stopped first, so that none starts
 * another one unseen.
 */
export function killTree(pid: number): void {
  const stopped = new Set<number>();
  for (let found = [pid, ...listDescendants(pid)]; found.some((each) => !stopped.has(each)); found = [pid, ...listDescendants(pid)]) {
    for (const each of found) {
      signal(each, "SIGSTOP");
      stopped.add(each);
    }
  }
  for (const each of stopped) signal(each, "SIGKILL");
}

/** Sends a signal; a process that is already gone is none to complain about. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** True while the process exists and is not a zombie that waits to be collected. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
  return !/^\d+ \(.*\) [ZX]/.test(readStat(pid) ?? "");
}

function listParents(): Map<number, number> {
  if (existsSync("/proc/self/stat")) {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return new Map(pids.flatMap((pid) => parseParent(readStat(Number(pid)))));
  }
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  return new Map(table.split("\n").map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
}

/** The command, in parentheses, may itself hold parentheses and spaces. */
function parseParent(stat: string | undefined): [number, number][] {
  const match = /^(\d+) \(.*\) \S (\d+) /s.exec(stat ?? "");
  return match ? [[Number(match[1]), Number(match[2])]] : [];
}

/** Undefined where there is no /proc, or no such process any more. */
function readStat(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
