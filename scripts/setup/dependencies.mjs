import { existsSync, lstatSync, readFileSync, realpathSync, symlinkSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { npmCommand, run } from "./processes.mjs";
import { SetupError } from "./setup-error.mjs";

/**
 * Makes `node_modules` match `package-lock.json`, with `npm ci` if it does not, and makes the package resolvable by its
 * own name.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 */
export async function ensureDependencies(root, log) {
  const mismatch = findLockMismatch(root);
  if (mismatch) {
    log(`Installing dependencies with npm ci (${mismatch}) …`);
    const npm = npmCommand();
    const { code } = await run(npm.command, [...npm.args, "ci", "--no-audit", "--no-fund"], { cwd: root, output: "show" });
    if (code !== 0) throw new SetupError(`npm ci failed in ${root} (exit code ${code}); its output above says why.`);
  }
  ensureSelfLink(root);
}

/**
 * Compares what npm recorded as installed with the lockfile, so that a `node_modules` the user installed by hand counts
 * as well as one from here. Returns what is wrong, or undefined.
 *
 * @param {string} root
 * @returns {string | undefined}
 */
export function findLockMismatch(root) {
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const recordPath = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(recordPath)) return "node_modules is missing";
  const installed = JSON.parse(readFileSync(recordPath, "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "" || entry.link) continue;
    const found = installed[path];
    if (!found) {
      // npm leaves out what is for another platform, and records it as optional.
      if (entry.optional) continue;
      return `${path} is missing`;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) return `${path} is not version ${entry.version}`;
    if (!existsSync(join(root, path, "package.json"))) return `${path} is missing`;
  }
  return undefined;
}

/**
 * Links `node_modules/<own name>` to the repository. Pulumi's provider process loads our code by package name from a
 * module without a file name, for which Node tries only the `node_modules` folders above the working directory: a
 * package's reference to itself does not apply there. npm makes this link from the `file:.` development dependency; other
 * package managers may not.
 *
 * @param {string} root
 */
export function ensureSelfLink(root) {
  const { name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const link = join(root, "node_modules", name);
  const existing = lstatSync(link, { throwIfNoEntry: false });
  if (existing) {
    if (existsSync(link) && realpathSync(link) === realpathSync(root)) return;
    if (!existing.isSymbolicLink()) {
      throw new SetupError(`${link} is not a link to this repository but a copy of the package. Delete it and try again.`);
    }
    unlinkSync(link);
  }
  // A junction needs no privilege on Windows, but an absolute target; elsewhere a relative one survives a moved checkout.
  if (process.platform === "win32") symlinkSync(dirname(dirname(link)), link, "junction");
  else symlinkSync("..", link);
}
