/** What lives on after the process group of a `pulumi` command was killed. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { isRunning } from "../../support/process-tree";

/**
 * Those that may still touch a cluster: the provider process and the program. The engine's own language host, which lives
 * on for minutes, only ever starts programs.
 */
export function listActors(survivors: readonly number[]): number[] {
  return survivors.filter((pid) => isRunning(pid) && !commandLine(pid).includes("pulumi-language-nodejs"));
}

export function commandLine(pid: number): string {
  try {
    if (existsSync("/proc/self/cmdline")) return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  } catch (error) {
    // It has ended since it was listed.
    if (!isRunning(pid)) return "";
    throw error;
  }
}
