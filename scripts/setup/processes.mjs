import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Process groups this process started and has not seen end; the last thing it does is to end them. */
const running = new Set();
let guarded = false;

/**
 * Runs a command to its end, without stdin.
 *
 * The child leads a process group of its own, so that a time limit, Ctrl-C or the end of this process also ends what
 * the child started itself (npm's scripts, the compilers of `go build`).
 *
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {Record<string, string | undefined>} [options.env] the whole environment; default: this process's own
 * @param {number} [options.timeoutMs] the group is killed after this long; default: no limit
 * @param {"show" | "capture"} [options.output] `show` passes both streams to the terminal; default `capture`
 * @param {(line: string) => void} [options.onStderrLine] sees each line while the command runs
 * @returns {Promise<{ code: number, stdout: string, stderr: string, timedOut: boolean }>} `code` is 127 when the command
 *   could not be started and 128 when a signal ended it
 */
export function run(command, args, options = {}) {
  const { cwd, env = process.env, timeoutMs, output = "capture", onStderrLine } = options;
  guardExit();
  return new Promise((resolve) => {
    const stdio = output === "show" ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"];
    // npm is a .cmd file on Windows, which only a shell can start.
    const shell = process.platform === "win32" && /\.cmd$/i.test(command);
    const child = spawn(command, args, { cwd, env, stdio, shell, detached: process.platform !== "win32" });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    running.add(child);
    child.stdout?.setEncoding("utf8").on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr?.setEncoding("utf8").on("data", (chunk) => {
      stderr += chunk;
    });
    if (child.stderr && onStderrLine) createInterface({ input: child.stderr }).on("line", onStderrLine);
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
    function expire() {
      timedOut = true;
      killGroup(child, "SIGKILL");
    }
    function finish(code) {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, stdout, stderr, timedOut });
    }
    child.on("error", (error) => {
      stderr += error.message;
      finish(127);
    });
    child.on("close", (code) => finish(code ?? 128));
  });
}

/** Command and leading arguments that start npm, the one that runs this script if npm does. */
export function npmCommand() {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.[cm]?js$/.test(cli)) return { command: process.execPath, args: [cli] };
  return { command: process.platform === "win32" ? "npm.cmd" : "npm", args: [] };
}

function killGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error; // already gone
  }
}

function guardExit() {
  if (guarded) return;
  guarded = true;
  process.on("exit", () => {
    for (const child of running) killGroup(child, "SIGKILL");
  });
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ]) {
    process.once(signal, () => process.exit(128 + number));
  }
}
