import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureCacheDirectory } from "./cache.mjs";
import { buildEngine, findBuiltEngine, wantedEngineVersion } from "./engine-build.mjs";
import { downloadEngine, findDownloadedEngine } from "./engine-download.mjs";
import { findEngineOnPath } from "./engine-on-path.mjs";
import { withLock } from "./lock.mjs";

/**
 * A Pulumi engine that can run this project.
 *
 * @typedef {object} Engine
 * @property {string} pulumi absolute path of the command
 * @property {string} binDir its folder
 * @property {string} languageHostDir folder of `pulumi-language-nodejs`, mostly `binDir`
 * @property {"path" | "download" | "build"} source
 * @property {string} version
 */

/**
 * Provides the Pulumi engine: the one on PATH if it is new enough, else the official download, else a build from its Go
 * modules. What was provided once is found again without any network.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 * @returns {Promise<Engine>}
 */
export async function ensureEngine(root, log) {
  const ready = (await findEngineOnPath(log)) ?? findProvidedEngine(root);
  if (ready) return ready;
  const cache = ensureCacheDirectory();
  const name = `pulumi-${wantedEngineVersion(root)}`;
  return withLock(join(cache, `${name}.lock`), () => provideEngine(root, cache, join(cache, `${name}.partial`), log), {
    onWait: (holder) => log(`Another set-up (process ${holder.pid} on ${holder.host}) is providing the Pulumi engine; waiting for it …`),
  });
}

async function provideEngine(root, cache, scratch, log) {
  const ready = findProvidedEngine(root);
  if (ready) return ready;
  // What is there is of a set-up that was killed.
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  try {
    return (await downloadEngine({ root, cache, scratch, log })) ?? (await buildEngine({ root, cache, scratch, log }));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function findProvidedEngine(root) {
  const cache = ensureCacheDirectory();
  return findDownloadedEngine(root, cache) ?? findBuiltEngine(root, cache);
}
