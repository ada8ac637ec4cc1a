import { accessSync, constants, statSync } from "node:fs";
import { delimiter, dirname, join, sep } from "node:path";
import { isAtLeast } from "./node-version.mjs";
import { run } from "./processes.mjs";

/** Oldest CLI this project was made for. */
export const minimumEngineVersion = "3.200.0";

/**
 * The user's own Pulumi, if it can run Node programs and is new enough. One that is not is left out with a line saying so.
 *
 * @param {(line: string) => void} log
 * @param {Record<string, string | undefined>} [env]
 * @returns {Promise<import("./engine.mjs").Engine | undefined>}
 */
export async function findEngineOnPath(log, env = process.env) {
  // npm puts the node_modules/.bin folders first; a `pulumi` there is a downloader, not the engine.
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder && !folder.endsWith(join("node_modules", ".bin")));
  const pulumi = findExecutable("pulumi", folders);
  if (!pulumi) return undefined;
  const binDir = dirname(pulumi);
  const version = await readEngineVersion(pulumi, env);
  if (!version || !isAtLeast(version, minimumEngineVersion)) {
    log(
      `${pulumi} is ${version ? `version ${version}` : "not a working Pulumi CLI"}; ${minimumEngineVersion} or newer is needed, so it is not used.`,
    );
    return undefined;
  }
  const languageHost = findExecutable("pulumi-language-nodejs", [binDir, ...folders]);
  if (!languageHost) {
    log(`${pulumi} has no pulumi-language-nodejs beside it or on PATH, so it is not used.`);
    return undefined;
  }
  return { pulumi, binDir, languageHostDir: dirname(languageHost), source: "path", version };
}

/**
 * The version a `pulumi` command says it has, or undefined if it does not run.
 *
 * @param {string} pulumi
 * @param {Record<string, string | undefined>} [env]
 */
export async function readEngineVersion(pulumi, env = process.env) {
  const { code, stdout } = await run(pulumi, ["version"], {
    env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" },
    timeoutMs: 30_000,
  });
  return code === 0 ? stdout.trim().replace(/^v/, "") : undefined;
}

/** File name of a command on this platform. */
export function executableName(command) {
  return process.platform === "win32" ? `${command}.exe` : command;
}

/** True for a file that can be run. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // absent or not ours to run: the same to a look-up
  }
}

function findExecutable(command, folders) {
  const name = executableName(command);
  return folders.map((folder) => folder.replace(/["]/g, "") + sep + name).find(isExecutable);
}
