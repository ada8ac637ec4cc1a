import { cpSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { executableName, isExecutable, readEngineVersion } from "./engine-on-path.mjs";
import { npmCommand, run } from "./processes.mjs";

/** A stalled connection must not hold up a machine that can build the engine itself. */
const downloadTimeoutMs = 5 * 60_000;

/**
 * The engine a former download left in the cache.
 *
 * @param {string} root the repository
 * @param {string} cache
 * @returns {import("./engine.mjs").Engine | undefined}
 */
export function findDownloadedEngine(root, cache) {
  const version = downloadVersion(root);
  const binDir = join(installFolder(cache, version), "bin");
  const pulumi = join(binDir, executableName("pulumi"));
  if (!isExecutable(pulumi)) return undefined;
  return { pulumi, binDir, languageHostDir: binDir, source: "download", version };
}

/**
 * Lets the npm package `pulumi` (pinned, with its hash, in tools/pulumi-npm) download the official CLI into the cache.
 * Returns undefined where that is not possible, after a line saying so.
 *
 * @param {object} options
 * @param {string} options.root the repository
 * @param {string} options.cache
 * @param {string} options.scratch an existing folder beside the cache's own, which the caller removes
 * @param {(line: string) => void} options.log
 * @param {Record<string, string | undefined>} [options.env]
 * @returns {Promise<import("./engine.mjs").Engine | undefined>}
 */
export async function downloadEngine({ root, cache, scratch, log, env = process.env }) {
  const version = downloadVersion(root);
  const folder = join(scratch, "download");
  mkdirSync(folder);
  log(`Downloading the Pulumi engine ${version} …`);
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(root, "tools", "pulumi-npm", file), join(folder, file));
  const npm = npmCommand();
  const install = [...npm.args, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const installed = await run(npm.command, install, { cwd: folder, env, timeoutMs: downloadTimeoutMs });
  if (installed.code !== 0) return giveUp(log, "npm could not install the package pulumi", installed);

  // The package keeps what it downloads under PULUMI_HOME; ours, so that the user's stays as it is.
  const home = join(folder, "home");
  const downloader = join(folder, "node_modules", "pulumi", "run.js");
  const downloaded = await run(process.execPath, [downloader, "version"], {
    cwd: folder,
    env: { ...env, PULUMI_HOME: home, PULUMI_VERSION: version, PULUMI_SKIP_UPDATE_CHECK: "true" },
    timeoutMs: downloadTimeoutMs,
  });
  if (downloaded.code !== 0) return giveUp(log, "get.pulumi.com did not deliver it", downloaded);

  const delivered = join(home, "versions", version);
  const pulumi = join(delivered, "bin", executableName("pulumi"));
  if ((await readEngineVersion(pulumi, { ...env, PULUMI_HOME: home })) !== version)
    return giveUp(log, "what came does not run", downloaded);
  rmSync(installFolder(cache, version), { recursive: true, force: true });
  renameSync(delivered, installFolder(cache, version));
  return findDownloadedEngine(root, cache);
}

function giveUp(log, what, { stderr, timedOut }) {
  const reason = timedOut ? `no answer within ${downloadTimeoutMs / 60_000} minutes` : lastLine(stderr);
  log(`The download is not possible here: ${what}${reason ? ` (${reason})` : ""}.`);
  return undefined;
}

function lastLine(text) {
  return text.trim().split("\n").at(-1)?.trim();
}

function downloadVersion(root) {
  return JSON.parse(readFileSync(join(root, "tools", "pulumi-npm", "package.json"), "utf8")).dependencies.pulumi;
}

function installFolder(cache, version) {
  return join(cache, `pulumi-${version}-${process.platform}-${process.arch}`);
}
