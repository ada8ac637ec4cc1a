import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for what set-up provides beyond `node_modules`: the user's cache directory, so that it survives `git clean`
 * and serves every checkout.
 *
 * @param {{ platform?: string, env?: Record<string, string | undefined>, home?: string }} [machine] default: this one
 */
export function cacheDirectory({ platform = process.platform, env = process.env, home = homedir() } = {}) {
  return join(userCacheDirectory(platform, env, home), "proxmox-federation");
}

/** As `cacheDirectory`, and the folder exists. */
export function ensureCacheDirectory() {
  const directory = cacheDirectory();
  mkdirSync(directory, { recursive: true });
  return directory;
}

function userCacheDirectory(platform, env, home) {
  if (env.XDG_CACHE_HOME) return env.XDG_CACHE_HOME;
  if (platform === "darwin") return join(home, "Library", "Caches");
  if (platform === "win32") return env.LOCALAPPDATA ?? join(home, "AppData", "Local");
  return join(home, ".cache");
}
